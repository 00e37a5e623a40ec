"""Preferences: the language, the theme and the time zone that pages have for one person, and for no other."""

from __future__ import annotations

import html
import re

import httpx
from kit.browser import HERE, form_of, operator_signed_in, signed_in
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import AuditFilter

PATH = "/account/preferences"


def saved(http: httpx.Client, **fields: str) -> httpx.Response:
    token = form_of(http.get(PATH), PATH)["form_token"]
    return http.post(PATH, data={"form_token": token, **fields}, headers=HERE)


def opening(page: httpx.Response) -> str:
    found = re.search(r"<html[^>]*>", page.text)
    assert found is not None
    return found[0]


def test_pages_are_as_their_person_wants_them(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    signed_in(site, http)
    path = f"/apps/{site.app.id}/backups/{backup.id}"
    before = http.get(path)
    assert opening(before) == '<html lang="en" data-kept>'
    answer = saved(http, language="pt-BR", theme="dark", time_zone="Pacific/Kiritimati")
    assert answer.headers["location"] == f"{PATH}?saved=1"
    page = http.get(path, headers={"Accept-Language": "en"})
    assert opening(page) == '<html lang="pt-BR" data-kept data-theme="dark">'
    assert "Pacific/Kiritimati" in page.text
    assert re.findall(r"\d\d:\d\d", page.text) != re.findall(r"\d\d:\d\d", before.text), "14 hours later"
    with httpx.Client(base_url=site.url) as other:
        assert opening(other.get("/login")) == '<html lang="en">', "before signing in the browser says"
    entered = entries(site.instance.catalog, AuditFilter(action="preferences."), 1)[0]
    assert (entered.data["after"]["theme"], entered.actor.id) == ("dark", entered.data["person_id"])
    assert saved(http, language="pt-BR", theme="dark", time_zone="Pacific/Kiritimati").status_code == 303
    assert entries(site.instance.catalog, AuditFilter(action="preferences."), 1)[0] == entered, "nothing was changed"
    assert saved(http).status_code == 303
    assert opening(http.get(path)) == '<html lang="en" data-kept>'


def test_what_no_list_has_is_refused_and_changes_nothing(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    for fields in (
        {"language": "<b>"},
        {"theme": '"><script>'},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": "x" * 4000},
    ):
        answer = saved(http, **fields)
        assert (answer.status_code, "Nothing was changed." in html.unescape(answer.text)) == (400, True), fields
    assert opening(http.get("/account")) == '<html lang="en" data-kept>'
    assert http.post(PATH, data={"theme": "dark"}, headers=HERE).status_code == 403, "without the form's token"
    assert http.post(PATH, data={"theme": "dark"}).status_code == 403, "from elsewhere"


def test_the_button_of_the_frame_keeps_the_rest(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    assert saved(http, time_zone="Asia/Tokyo").status_code == 303
    page = http.get("/operator")
    assert "Times are in Asia/Tokyo." in page.text
    found = re.search(r'data-token="(\w+)"', page.text)
    assert found is not None
    for theme, shown in (
        ("dark", '<html lang="en" data-kept data-theme="dark">'),
        ("auto", '<html lang="en" data-kept>'),
    ):
        answer = http.post(f"{PATH}/theme", data={"form_token": found[1], "theme": theme}, headers=HERE)
        assert answer.status_code == 204
        assert opening(http.get("/operator")) == shown
    assert "Times are in Asia/Tokyo." in http.get("/operator").text
