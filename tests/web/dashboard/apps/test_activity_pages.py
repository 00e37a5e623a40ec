"""The page of what happened: each entry with who did it, filters, pages, the same as a file."""

from __future__ import annotations

import html
import re

import httpx
from kit.browser import signed_in
from kit.site import Site

from holdfast.catalog.records import SYSTEM
from holdfast.service.registry.backups import set_note
from holdfast.web.dashboard.apps import activity_pages


def test_what_happened_is_told_with_who_did_it(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    path = f"/apps/{site.app.id}/activity"
    backup = site.take()
    assert silver.patch(f"/v3/apps/{site.app.id}/backups/{backup.id}", json={"note": "=x<b>"}).status_code == 200
    signed_in(site, http)
    shown = html.unescape(http.get(path).text)
    assert "<b>The API key main</b> changed a backup's note" in shown
    assert f'href="/apps/{site.app.id}/backups/{backup.id}"' in shown
    by_key = http.get(path, params={"who": "key", "what": "backup."}).text
    assert by_key.count("<li><div>") == by_key.count("<li><div><b>The API key main</b>") == 1
    assert "Nothing is as you asked." in http.get(path, params={"who": "host"}).text
    assert http.get(path, params={"who": "ghost"}).status_code == 400
    file = http.get(f"{path}.csv", params={"who": "key"})
    assert file.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert len(file.text.splitlines()) >= 2
    assert ",key," in file.text


def test_pages_follow_one_another_and_have_each_entry_once(site: Site, http: httpx.Client) -> None:
    backup, path = site.take(), f"/apps/{site.app.id}/activity?what=backup."
    for number in range(activity_pages.ROWS + 5):
        set_note(site.instance, backup, f"note {number}", SYSTEM)
    signed_in(site, http)
    first = http.get(path).text
    older = re.search(r'href="([^"]+)" rel="next"', first)
    assert older is not None
    second = http.get(html.unescape(older[1])).text
    assert first.count("<li><div>") == activity_pages.ROWS
    assert 5 <= second.count("<li><div>") < activity_pages.ROWS
    assert 'rel="next"' not in second


def test_others_activity_does_not_exist(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    for app_id in (site.other_app.id, "f" * 32):
        for end in ("", ".csv"):
            assert http.get(f"/apps/{app_id}/activity{end}").status_code == 404
    signed_in(site, http, rights="backups.read")
    assert http.get(f"/apps/{site.app.id}/activity").status_code == 403
