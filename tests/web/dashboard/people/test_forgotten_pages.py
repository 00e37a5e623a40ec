"""A forgotten password: a link by mail to whom the address belongs, and nothing told to who asks."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
import pytest
from kit.browser import HERE, OPENED, signed_in
from kit.mails import Mails
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.service.credentials.password_links import make_password_link
from holdfast.service.instance.config import ConfiguredMail
from holdfast.web.http.throttle import Throttle

NEW = "seven rare otters sing"


def have_mail(site: Site, mails: Mails) -> None:
    mail = ConfiguredMail(
        host="127.0.0.1", port=int(mails.url.rpartition(":")[2]), sender="backups@example.org", tls="none"
    )
    site.instance.config = msgspec.structs.replace(site.instance.config, mail=mail)


def ask(site: Site, http: httpx.Client, email: str) -> httpx.Response:
    """Ask for a link, and wait until what goes on behind the answer is done."""
    answer = http.post("/forgot", data={"email": email}, headers=HERE)
    site.front.context.outside.shutdown(wait=True)
    site.front.context.outside = ThreadPoolExecutor(1)
    return answer


def test_a_link_comes_by_mail_and_sets_a_password_once(site: Site, http: httpx.Client, mails: Mails) -> None:
    email = site.silver.account.email
    have_mail(site, mails)
    assert http.post("/forgot", data={"email": email}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    answers = [ask(site, http, one) for one in ("nobody@example.org", "no address")]
    with site.client() as other:
        signed_in(site, other)
        answers.append(ask(site, http, email))
        assert {one.text for one in answers} == {answers[0].text}
        assert [one.status_code for one in answers] == [200] * 3
        mail, text = mails.only()
        assert mail["To"] == email
        (url,) = re.findall(rf"{re.escape(site.url)}(/forgot/new\?token=[\w-]+)", text)
        assert f"For {email}" in http.get(url, headers=OPENED).text
        assert http.head(url).status_code == 200
        token = url.partition("=")[2]
        fields = {"token": token, "new": NEW, "again": NEW}
        assert http.post("/forgot/new", data=fields).status_code == 403, "from elsewhere"
        assert http.post("/forgot/new", data=fields | {"again": "x"}, headers=HERE).status_code == 400
        short = fields | {"new": "short", "again": "short"}
        assert http.post("/forgot/new", data=short, headers=HERE).status_code == 400
        assert http.post("/forgot/new", data=fields, headers=HERE).status_code == 200
        assert other.get("/account").status_code == 401, "all sessions end"
        assert http.post("/forgot/new", data=fields, headers=HERE).status_code == 404
        assert http.get(url, headers=OPENED).status_code == 404
    done = http.post("/login", data={"email": email, "password": NEW}, headers=HERE)
    assert done.status_code == 303
    assert "set-cookie" in done.headers
    found = [one for one in entries(site.instance.catalog, AuditFilter(), 9) if one.action.startswith("password")]
    assert [one.action for one in found] == ["password.set", "password_link.created"]
    assert token not in str(found)


def test_mails_to_an_address_are_bounded_without_telling(site: Site, http: httpx.Client, mails: Mails) -> None:
    signed_in(site, http)
    have_mail(site, mails)
    site.front.context.mail_throttle = Throttle(burst=1, per_second=1e-6)
    assert [ask(site, http, site.silver.account.email).status_code for _ in range(3)] == [200] * 3
    made = entries(site.instance.catalog, AuditFilter(action="password_link."), 9)
    assert len(made) == 1
    site.front.context.log_in_throttle = Throttle(burst=1, per_second=1e-6)
    assert [ask(site, http, "x@example.org").status_code for _ in range(2)] == [200, 429]


def test_without_mail_the_page_says_who_gives_a_link(site: Site, http: httpx.Client) -> None:
    assert "Ask your host for a link" in http.get("/forgot").text
    signed_in(site, http)
    ends = make_password_link(site.instance, site.silver.account.email, SYSTEM)
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE password_links SET ends_at = 1")
    assert http.get(ends.url, headers=OPENED).status_code == 404


@pytest.mark.parametrize("token", ["", "x", "a" * 43])
def test_a_made_up_link_opens_nothing(http: httpx.Client, token: str) -> None:
    answer = http.post("/forgot/new", data={"token": token, "new": NEW, "again": NEW}, headers=HERE)
    assert (answer.status_code, "used already" in answer.text) == (404, True)
