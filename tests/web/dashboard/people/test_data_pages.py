"""`/account/export` and `/account/erase`: an owner takes all data out, has the account erased, and keeps it."""

from __future__ import annotations

import io
import re
import zipfile

import httpx
import msgspec
import pytest
from kit.browser import HERE, OPENED, form_of, operator_signed_in, signed_in
from kit.keys import add_named_key
from kit.mails import Mails
from kit.site import Site

from holdfast.catalog.database.access_tables import sessions
from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.schemas.people.members import NewMember
from holdfast.service.people.giving import Giver
from holdfast.service.people.invitations import invite
from holdfast.service.people.rights import ALL
from holdfast.service.registry.accounts import get_account
from holdfast.service.retention.erasure import ask_to_erase, erase_at_of

ERASE, KEEP, EXPORT = "/account/erase", "/account/erase/keep", "/account/export"
BAR = "This account will be erased with all its backups"


def erase_at(site: Site) -> int | None:
    return erase_at_of(site.instance, site.silver.account)


def actions(site: Site) -> list[str]:
    return [one.action for one in entries(site.instance.catalog, AuditFilter(site.silver.account.id), 50)]


def asked(site: Site) -> None:
    ask_to_erase(site.instance, site.silver.account, site.silver.account.email, SYSTEM)


def member(site: Site, http: httpx.Client, group: str) -> None:
    """Sign somebody in who is a member with a group of rights."""
    made = invite(
        site.instance, site.silver.account, NewMember(email="eva@example.org", group=group), Giver(SYSTEM, ALL)
    )
    assert made.url is not None
    page = http.get(made.url, headers=OPENED)
    action = made.url.partition(site.url)[2]
    http.post(made.url, data=form_of(page, action), headers=HERE)


def no_longer_elevated(site: Site) -> None:
    with site.instance.catalog.write() as connection:
        connection.execute(sessions.update().values(elevated_until=None))


def test_the_name_is_typed_every_page_says_so_and_one_button_keeps_it(
    site: Site, http: httpx.Client, mails: Mails
) -> None:
    site.instance.config = msgspec.structs.replace(site.instance.config, mail_url=f"{mails.url}?from=b@example.org")
    signed_in(site, http)
    form = form_of(http.get(ERASE), ERASE)
    refused = http.post(ERASE, data=form | {"name": "another"}, headers=HERE)
    assert (refused.status_code, erase_at(site)) == (400, None)
    assert "not the account&#39;s name" in refused.text
    done = http.post(ERASE, data=form | {"name": site.silver.account.email.upper()}, headers=HERE)
    assert done.headers["location"] == ERASE
    assert erase_at(site) is not None
    for path in ("/", f"/apps/{site.app.id}", "/account", "/notices", "/account/password", ERASE):
        page = http.get(path, follow_redirects=True)
        assert BAR in page.text, path
    assert site.take().state == "successful"
    kept = http.post(KEEP, data=form_of(http.get("/notices"), KEEP), headers=HERE)
    assert "The account is kept" in http.get(kept.headers["location"]).text
    assert erase_at(site) is None
    assert BAR not in http.get("/notices").text
    assert [one for one in reversed(actions(site)) if "erase" in one] == [
        "account.erase_asked",
        "account.erase_taken_back",
    ]
    site.front.context.outside.shutdown(wait=True)
    assert sorted(mail["Subject"] for mail in mails.received) == [
        "Your backups are kept",
        "Your backups will be erased",
    ]


def test_it_needs_the_password_again_and_a_form_of_our_own(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    fields = form_of(http.get(ERASE), ERASE) | {"name": site.silver.account.email}
    assert http.post(ERASE, data=fields, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert http.post(ERASE, data=fields | {"form_token": ""}, headers=HERE).status_code == 403
    export = form_of(http.get(EXPORT), EXPORT)
    no_longer_elevated(site)
    for answer in (
        http.get(ERASE),
        http.post(ERASE, data=fields, headers=HERE),
        http.post(EXPORT, data=export, headers=HERE),
    ):
        assert answer.headers["location"].startswith("/elevate?return_to=/account/e")
    assert erase_at(site) is None
    assert "account.exported" not in actions(site)


@pytest.mark.parametrize("group", ["admin", "view"])
def test_whoever_is_no_owner_sees_when_and_neither_asks_nor_keeps(site: Site, http: httpx.Client, group: str) -> None:
    member(site, http, group)
    assert http.get(ERASE).status_code == 403
    assert 'href="/account/erase"' not in http.get(EXPORT).text
    asked(site)
    page = http.get("/notices")
    assert BAR in page.text
    assert KEEP not in page.text
    assert http.post(KEEP, data={"form_token": "0" * 128}, headers=HERE).status_code == 403
    assert erase_at(site) is not None


def test_another_account_sees_nothing_of_it(site: Site) -> None:
    asked(site)
    with site.client(site.other.api_key) as other:
        assert other.get("/v3/account").json()["response"]["erase_at"] is None


def test_the_operator_sees_it_and_keeps_it(site: Site, http: httpx.Client) -> None:
    asked(site)
    operator_signed_in(site, http)
    path = f"/operator/accounts/{site.silver.account.id}"
    page = http.get(path)
    assert "To be erased" in page.text
    http.post(f"{path}/keep", data=form_of(page, f"{path}/keep"), headers=HERE)
    assert erase_at(site) is None
    assert f"{path}/keep" not in http.get(path).text


def test_the_export_is_a_zip_in_the_readers_language(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    signed_in(site, http)
    http.headers["Accept-Language"] = "pt-BR"
    answer = http.post(EXPORT, data=form_of(http.get(EXPORT), EXPORT), headers=HERE)
    assert answer.headers["content-type"] == "application/zip"
    assert re.fullmatch(r'attachment; filename="holdfast_\w+_[\d-]+\.zip".*', answer.headers["content-disposition"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as whole:
        assert whole.testzip() is None
        assert msgspec.json.decode(whole.read("backups.json"))[0]["id"] == backup.id
        assert "Todos os dados da conta" in whole.read("README.txt").decode()
    assert actions(site)[0] == "account.exported"


def test_by_the_api_a_key_with_the_right_asks_and_keeps(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    body = {"name": site.silver.account.email}
    assert silver.post("/v3/account/erase", json=body).json()["code"] == "PERMISSION_DENIED", "the main key has it not"
    with site.client(owners_key(site)) as owner:
        assert owner.post("/v3/account/erase", json={}).json()["code"] == "INVALID_NAME"
        first = owner.post("/v3/account/erase", json=body)
        assert first.status_code == 202
        assert owner.get("/v3/account").json()["response"]["erase_at"] == first.json()["response"]["erase_at"]
        assert owner.post("/v3/account/erase", json=body).json() == first.json()
        assert owner.delete("/v3/account/erase").json()["response"] == {"erase_at": None}
    exported = silver.get("/v3/account/export")
    with zipfile.ZipFile(io.BytesIO(exported.content)) as whole:
        assert "All data of the account" in whole.read("README.txt").decode()
    assert get_account(site.instance, site.silver.account.id)


def owners_key(site: Site) -> str:
    return add_named_key(site.instance, site.silver.account.id, "owner")
