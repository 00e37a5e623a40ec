"""The pages of an account: its keys, its people, its plan, as a person uses them by forms."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import msgspec
from kit.browser import HERE, form_of, signed_in
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import ActorKind, AuditFilter

KEYS, PEOPLE, PLAN = "/account/keys", "/account/people", "/account/plan"


def sent(http: httpx.Client, page: str, action: str = "", **fields: str) -> httpx.Response:
    """Fill in a form of a page, and send it."""
    shown = http.get(page)
    token = form_of(shown, action or page)["form_token"]
    return http.post(action or page, data={"form_token": token, **fields}, headers=HERE)


def member(silver: httpx.Client, email: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in silver.get("/v3/members").json()["response"] if one["email"] == email)
    return found


def text(answer: httpx.Response) -> str:
    return html.unescape(answer.text)


def test_a_key_is_made_shown_once_used_and_ended(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    made = sent(http, KEYS, name="<b>ci</b>", group="single", app=site.app.id, **{"right.backups.read": "on"})
    found = re.search(r'<pre class="secret" tabindex="0">(hf_\w+)</pre>', made.text)
    assert (made.status_code, found is not None) == (201, True), made.text
    assert found is not None
    key = found[1]
    with site.client(key) as program:
        assert program.get(f"/v3/apps/{site.app.id}/backups").status_code == 200
        assert program.post(f"/v3/apps/{site.app.id}/backups").json()["code"] == "PERMISSION_DENIED"
        again = sent(http, KEYS, name="<b>ci</b>", group="view", app="")
        assert (again.status_code, "exists already" in text(again)) == (400, True), "the form was sent twice"
        shown = http.get(KEYS)
        assert key not in shown.text
        assert "<b>ci</b>" not in shown.text.replace("<b>&lt;b&gt;", "")
        assert f"backups.read on {site.app.name}" in text(shown)
        (end,) = re.findall(r'action="(/account/keys/\w+/end)"', shown.text)
        assert http.post(end, headers=HERE).status_code == 403, "without the form's token"
        form = form_of(shown, end)
        assert http.post(end, data=form, headers=HERE).headers["location"] == KEYS
        assert program.get(f"/v3/apps/{site.app.id}/backups").status_code == 401
    assert http.post(end, data=form, headers=HERE).status_code == 404, "another tab had ended it"
    newest = entries(site.instance.catalog, AuditFilter(action="key."), 2)
    assert [(one.action, one.actor.kind) for one in newest] == [
        ("key.ended", ActorKind.PERSON),
        ("key.created", ActorKind.PERSON),
    ]


def test_what_a_key_may_not_be_is_said_and_what_was_written_stays(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    for fields, sentence in (
        ({"name": "x", "group": "single"}, "The list of rights is empty"),
        ({"name": " ", "group": "view"}, "name must be text"),
        ({"name": "x", "group": "gods"}, "No group 'gods' exists"),
        ({"name": "x", "group": "view", "networks": "here"}, "networks must be addresses"),
        ({"name": "x", "group": "view", "app": site.other_app.id}, "all of them this account's own"),
        ({"name": "x", "group": "view", "days": "0"}, "Choose when the key is to end."),
    ):
        answer = sent(http, KEYS, **fields)
        assert (answer.status_code, sentence in text(answer)) == (400, True), (fields, answer.text)
        assert f'name="name" value="{fields["name"]}"' in answer.text
    signed_in(site, http, rights="manager")
    refused = http.post(KEYS, data={"name": "x", "group": "view"}, headers=HERE)
    assert (refused.status_code, "keys.write" in refused.text) == (403, True)
    assert "Make a key" not in http.get(KEYS).text


def test_people_are_invited_changed_and_removed(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    signed_in(site, http)
    made = sent(http, PEOPLE, email="Eva@example.org", group="view", app="")
    found = re.search(r'<pre class="secret" tabindex="0">(http\S+/invite/\S+)</pre>', made.text)
    assert (made.status_code, found is not None) == (201, True), made.text
    assert found is not None
    with site.client() as eva:
        assert eva.post(found[1], headers=HERE).status_code == 303
        assert "Invite a person" not in eva.get(PEOPLE).text, "she may only look"
        row = member(silver, "eva@example.org")
        rights, end = f"{PEOPLE}/{row['id']}/rights", f"{PEOPLE}/{row['id']}/end"
        assert sent(http, PEOPLE, rights, group="single", app="same").status_code == 400
        changed = sent(http, PEOPLE, rights, group="manager", app=site.app.id)
        assert changed.headers["location"] == PEOPLE
        row = member(silver, "eva@example.org")
        assert (row["group"], row["app_ids"]) == ("manager", [site.app.id])
        assert sent(http, PEOPLE, rights, group="same", app="same").status_code == 303, "nothing changes"
        assert sent(http, PEOPLE, end).status_code == 303
        assert eva.get("/account").status_code == 401
    assert [one["email"] for one in silver.get("/v3/members").json()["response"]] == [site.silver.account.email]
    wrong = sent(http, PEOPLE, email="nobody", group="view", app="")
    assert (wrong.status_code, 'value="nobody"' in wrong.text) == (400, True)


def test_the_last_owner_stays(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    (end,) = re.findall(r'action="(/account/people/\w+/end)"', http.get(PEOPLE).text)
    kept = sent(http, PEOPLE, end)
    assert (kept.status_code, "the last owner" in text(kept)) == (409, True)
    assert http.get("/account").status_code == 200


def test_the_main_key_is_shown_and_replaced_after_the_password(
    site: Site, silver: httpx.Client, http: httpx.Client
) -> None:
    signed_in(site, http)
    page = http.get(KEYS)
    forms = [(path, form_of(page, path)) for path in ("/account/main-key/show", "/account/main-key/rotate")]
    (show, show_form), (rotate, rotate_form) = forms
    assert f">{site.silver.api_key}</pre>" in http.post(show, data=show_form, headers=HERE).text
    rotate_form["overlap"] = "3600"
    made = http.post(rotate, data=rotate_form, headers=HERE)
    found = re.search(r'<pre class="secret" tabindex="0">(hf_\w+)</pre>', made.text)
    assert (made.status_code, found is not None) == (201, True), made.text
    assert found is not None
    with site.client(found[1]) as new:
        assert (new.get("/v3/keys").status_code, silver.get("/v3/keys").status_code) == (200, 200)
    again = http.post(rotate, data=rotate_form, headers=HERE)
    assert (again.status_code, "was replaced meanwhile" in again.text) == (409, True), "the form was sent twice"
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET elevated_until = 1")
    for path, fields in forms:
        asked = http.post(path, data=fields, headers=HERE)
        assert (asked.status_code, asked.headers["location"]) == (303, "/elevate?return_to=/account/keys")
    actions = [one.action for one in entries(site.instance.catalog, AuditFilter(action="account."), 9)]
    assert actions[:2] == ["account.key_replaced", "account.key_shown"]
    signed_in(site, http, rights="admin")
    assert "main-key" not in http.get(KEYS).text, "it may give the account away, which an admin may not"
    signed_in(site, http, rights="account.write keys.read")
    assert "main-key" not in http.get(KEYS).text


def test_a_plan_is_shown_and_all_download_links_end(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    signed_in(site, http)
    shown = http.get(f"/apps/{site.app.id}/backups/{backup.id}")
    link = re.search(r'class="btn primary" href="([^"]+)" download', shown.text)
    assert link is not None
    url = html.unescape(link[1])
    assert http.get(url).status_code == 200
    assert "Your plan: Silver" in http.get(PLAN).text
    ended = sent(http, PLAN, "/account/links/end")
    assert "have ended" in http.get(ended.headers["location"]).text
    assert http.get(url).status_code in (403, 404)
    assert all(name in http.get("/plans").text for name in site.instance.config.plans)
    signed_in(site, http, rights="view")
    assert "End all download links" not in http.get(PLAN).text


def test_without_the_right_on_the_account_its_pages_are_refused(site: Site, http: httpx.Client) -> None:
    signed_in(site, http, rights="view", app_id=site.app.id)
    assert [http.get(path).status_code for path in (KEYS, PEOPLE, PLAN)] == [403, 403, 403]


def test_an_invitation_by_mail_is_counted(site: Site, http: httpx.Client) -> None:
    """A person who sends the form again and again is asked to wait, by the page as by the API."""
    site.instance.config = msgspec.structs.replace(site.instance.config, mail_url="mailto://127.0.0.1:9")
    signed_in(site, http)
    for _ in range(20):
        site.front.context.count_outside(site.silver.account.id, "x")
    answer = sent(http, PEOPLE, email="eva@example.org", group="view", app="")
    assert (answer.status_code, "Too many invitations" in answer.text) == (429, True)
