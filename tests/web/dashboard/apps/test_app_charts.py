"""The charts of an application's page: what they say is what the catalog has, and each number is in a table too."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import httpx
from kit.browser import signed_in
from kit.site import Site

from holdfast.catalog.database.access_tables import days
from holdfast.service.registry.backups import list_backups
from holdfast.service.standing.days import today
from holdfast.web.dashboard.words import size


def section(page: httpx.Response, name: str) -> str:
    """The part of a page under a heading."""
    found = re.search(rf'<section class="card" aria-labelledby="{name}">.*?</section>', page.text, re.DOTALL)
    assert found is not None, page.text
    return found[0]


def test_each_backup_is_a_bar_that_leads_to_it_and_a_line_of_the_table(site: Site, http: httpx.Client) -> None:
    for number in range(3):
        (site.folder / f"{number}.bin").write_bytes(bytes(range(number, number + 40)) * 500 * (number + 1))
        site.take(name=f"number {number}")
    signed_in(site, http)
    page = http.get(f"/apps/{site.app.id}")
    taken, shown = list_backups(site.instance, site.app.id), section(page, "added")
    for backup in taken:
        path = f"/apps/{site.app.id}/backups/{backup.id}"
        assert shown.count(f'<a href="{path}" tabindex="-1">') == 2, "in both widths"
        assert f'<a href="{path}">{backup.name}</a></th><td>{size(backup.stored_bytes)}</td>' in shown
    whole = sum(one.stored_bytes for one in taken)
    assert f"The newest 3 backups added {size(whole)} together" in shown
    shared = section(page, "shared")
    content = sum(one.content_bytes for one in taken)
    assert f"Each by itself</th><td>{size(content)}</td>" in shared
    assert f"{round(content / whole)} times as much without sharing" in shared, "more than ten"
    names = re.findall(r'role="img" aria-label="[^"]+" aria-describedby="(\w+-said)"', page.text)
    assert names == ["added-said", "shared-said"]
    assert all(f'<p class="under" id="{name}">' in page.text for name in names)
    assert page.text.index('id="list"') < page.text.index('<details class="charts"'), "what is downloaded comes first"


def test_the_older_backups_have_a_calendar_of_twelve_months(site: Site, http: httpx.Client) -> None:
    last = today(site.instance)
    counts = {300: {"good": 2, "proved": 1}, 200: {"failed": 1}, 100: {"missed": 1}, 50: {"good": 1, "damaged": 1}}
    with site.instance.catalog.write() as connection:
        for ago, of_day in counts.items():
            day = str(last - timedelta(ago))
            values = {"content_bytes": 7000, "stored_bytes": 9000, **of_day}
            connection.execute(days.insert().values(app_id=site.app.id, day=day, **values))
    older, newer = site.take(name="older"), site.take(name="newer")
    signed_in(site, http)
    address = f"/apps/{site.app.id}"
    assert 'id="calendar"' not in http.get(address).text
    page = http.get(address, params={"after": newer.id})
    calendar = section(page, "calendar")
    assert older.name in page.text
    assert "2 good · 1 damage found · 1 failed · 1 missed" in calendar, "of days, today among them"
    for css, count in (("good", 2), ("warn", 1), ("bad", 1), ("missed", 1)):
        assert calendar.count(f'<rect class="cell {css}"') == 2 * count, css
    assert calendar.count('<circle class="proof"') == 2
    table = re.findall(r'<th scope="row">([^<]*)</th>((?:<td>\d+</td>)+)', calendar)
    rows = [[int(cell) for cell in re.findall(r"\d+", cells)] for _month, cells in table]
    assert [sum(column) for column in zip(*rows, strict=True)] == [5, 1, 1, 1, 1]
    year = http.get(address, params={"chart": "year"})
    table = re.findall(r'<th scope="row">', section(year, "sizes"))
    assert len(table) == 300 // 7 + 1, "a week apart"
    assert '<details class="charts" id="charts" open>' in year.text
    links = re.findall(r'href="([^"]*)#sizes"( aria-current="true")?', http.get(address).text)
    assert [(html.unescape(href), bool(is_this)) for href, is_this in links] == [
        (address, True),
        (f"{address}?chart=year", False),
    ]


def test_an_application_without_a_history_has_no_chart(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    assert "<figure" not in http.get(f"/apps/{site.app.id}").text
    site.take()
    page = http.get(f"/apps/{site.app.id}").text
    assert 'id="added"' not in page
    assert 'id="sizes"' not in page
