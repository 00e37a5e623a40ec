"""`/` and `/apps/{app_id}`: what they say, what a click does, and what nobody can do there."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.browser import HERE, form_of, signed_in
from kit.site import Site, set_plans

from holdfast.catalog.records import SYSTEM, Retention
from holdfast.service.registry.apps import add_app, rename_app
from holdfast.service.registry.backups import list_backups, rename, set_lock
from holdfast.service.take.run import take_now
from holdfast.service.take.schedule import Schedule, set_schedule

NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("<>&\"'`={}%"), min_size=1, max_size=40
)


NAME = re.compile(r'<a class="name" id="name-\w+" href="[^"]*" title="[^"]*">([^<]*)</a>')


def names(page: httpx.Response) -> list[str]:
    return [html.unescape(name) for name in NAME.findall(page.text)]


def test_a_link_leads_to_the_one_application_and_its_page_says_how_it_stands(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    page = http.get("/", follow_redirects=True)
    assert page.url.path == f"/apps/{site.app.id}"
    assert '<h1 id="headline">Not backed up yet</h1>' in page.text
    assert "No backup yet" in page.text
    site.take(name="before the update")
    page = http.get(f"/apps/{site.app.id}")
    assert "Backed up less than a minute ago" in page.text
    assert names(page) == ["before the update"]
    (url,) = re.findall(r'<a class="btn" href="([^"]*)" download>', page.text)
    assert http.get(html.unescape(url), headers={"Cookie": ""}).content[:4] == b"PK\x03\x04"


def test_back_up_now_sent_twice_is_one_backup(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    path = f"/apps/{site.app.id}/backups"
    form = form_of(http.get(f"/apps/{site.app.id}"), path)
    for _ in range(2):
        sent = http.post(path, data=form, headers=HERE)
        assert (sent.status_code, sent.headers["location"]) == (303, f"/apps/{site.app.id}")
    (backup,) = list_backups(site.instance, site.app.id)
    assert (backup.is_operators, backup.origin) == (False, "manual")
    shown = http.get(f"/apps/{site.app.id}")
    assert "Back up now" not in shown.text, "one is made already"
    again = http.post(path, data={**form, "once": "another"}, headers=HERE)
    assert (again.status_code, "This did not work" in again.text) == (409, True)
    assert http.post(path, data={**form, "form_token": "0" * 128}, headers=HERE).status_code == 403
    assert http.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert len(list_backups(site.instance, site.app.id)) == 1


def test_who_may_only_look_has_no_button_and_no_download(site: Site, http: httpx.Client) -> None:
    signed_in(site, http, rights="view", app_id=site.app.id)
    site.take()
    page = http.get(f"/apps/{site.app.id}")
    assert (page.status_code, "Back up now" in page.text, "download>" in page.text) == (200, False, False)
    refused = http.post(f"/apps/{site.app.id}/backups", headers=HERE)
    assert (refused.status_code, "backups.create" in refused.text) == (403, True)


def test_what_is_not_ones_own_is_not_there(site: Site, http: httpx.Client) -> None:
    assert http.get(f"/apps/{site.app.id}").status_code == 401
    assert http.get("/").status_code == 401
    signed_in(site, http)
    other, never = (http.get(f"/apps/{app_id}") for app_id in (site.other_app.id, "f" * 32))
    assert (other.status_code, other.text) == (404, never.text)


def test_backups_are_chosen_searched_and_paged(site: Site, http: httpx.Client) -> None:
    taken = [site.take(name=f"number {index:02}") for index in range(27)]
    set_lock(site.instance, taken[3], SYSTEM, is_locked=True)
    rename(site.instance, taken[5], "100 % of it_", SYSTEM)
    signed_in(site, http)
    address = f"/apps/{site.app.id}"
    first = http.get(address)
    expected = [f"number {index:02}" for index in range(26, 1, -1)]
    expected[-4] = "100 % of it_"
    assert names(first) == expected
    (older,) = re.findall(r'href="([^"]*)" rel="next"', first.text)
    assert names(http.get(html.unescape(older))) == ["number 01", "number 00"]
    assert names(http.get(address, params={"show": "locked"})) == ["number 03"]
    assert names(http.get(address, params={"show": "failed"})) == []
    assert names(http.get(address, params={"q": "0 % OF IT_"})) == ["100 % of it_"]
    assert names(http.get(address, params={"q": "BER 1", "show": "by_hand"}))[0] == "number 19"
    assert http.get(address, params={"after": "f" * 32}).status_code == 404


def test_the_worst_application_comes_first(site: Site, http: httpx.Client, tmp_path: Path) -> None:
    away = tmp_path / "shop"
    away.mkdir()
    shop = add_app(site.instance, site.silver.account.id, "shop", away, SYSTEM)
    wiki = add_app(site.instance, site.silver.account.id, "wiki", site.folder, SYSTEM)
    site.take(wiki)
    site.take(shop)
    away.rmdir()
    assert take_now(site.instance, shop.id, SYSTEM).state == "failed"
    signed_in(site, http)
    page = http.get("/")
    assert "1 of your 3 applications needs you" in page.text
    assert re.findall(r'<a class="cover" href="/apps/\w+">(\w+)</a>', page.text) == ["shop", "bot", "wiki"]
    assert re.findall(r'class="cover" href="/apps/\w+">(\w+)<', http.get("/?show=need").text) == ["shop"]
    assert str(away) not in page.text


def test_a_plan_without_backups_says_so(site: Site, http: httpx.Client) -> None:
    set_plans(site.instance, api_backups=False)
    signed_in(site, http)
    page = http.get(f"/apps/{site.app.id}")
    assert "The plan Silver has no backups" in page.text
    assert "Back up now" not in page.text


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES)
def test_a_name_is_never_markup(site: Site, http: httpx.Client, name: str) -> None:
    given_name = name.replace("/", "-").strip() or "x"
    if given_name in (".", ".."):
        given_name = "x"
    signed_in(site, http)
    backups = list_backups(site.instance, site.app.id) or [site.take()]
    renamed = rename(site.instance, backups[0], f"<b>{given_name}", SYSTEM)
    rename_app(site.instance, site.app, f"<i>{given_name}", SYSTEM)
    page = http.get(f"/apps/{site.app.id}").text
    page += http.get(f"/apps/{site.app.id}/backups/{renamed.id}").text
    assert html.escape(renamed.name, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert "<b>" not in page.replace("<b id=", "")
    assert "<i>" not in page


def test_rules_that_keep_by_age_are_told(site: Site, http: httpx.Client) -> None:
    set_schedule(site.instance, site.app, Schedule("", Retention(keep_daily=9, keep_within="30d")), SYSTEM)
    site.take()
    signed_in(site, http)
    page = http.get(f"/apps/{site.app.id}").text
    assert "<dd>9 days, all of the last 30d</dd>" in page
