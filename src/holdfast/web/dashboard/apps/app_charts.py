"""The charts of an application's page: its sizes, what each backup added, what sharing saves, a year as a calendar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

from markupsafe import Markup

from holdfast.catalog.records import State
from holdfast.schemas.times import local_time
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.service.overview.overviews import CHART_DAYS, Overview, Sizes
from holdfast.service.overview.strip import Cell, CellKind
from holdfast.web.dashboard import words
from holdfast.web.dashboard.charts import (
    NARROW,
    WIDE,
    Added,
    Chart,
    added_chart,
    calendar_chart,
    compared_chart,
    size_chart,
)
from holdfast.web.dashboard.standing import strip_sentence
from holdfast.web.dashboard.viewer import zone_of

BARS, BARS_NARROW = 30, 15
YEAR = "year"
"""The value of `chart` in the address of a page whose sizes go back a year."""
_WEEK = 7


class Charts(NamedTuple):
    """The charts of a page. `spans`: the ways to sizes over another span, (address, words, it is this one)."""

    sizes: Chart | None
    added: Chart | None
    shared: Chart | None
    calendar: Chart | None
    spans: Sequence[tuple[str, str, bool]]
    is_open: bool


def charts_of(instance: Instance, now: Overview, *, is_year: bool, with_calendar: bool) -> Charts:
    """Return the charts of an application's page."""
    address = f"/apps/{now.app.id}"
    spans: list[tuple[str, str, bool]] = []
    if is_year or len(now.sizes) >= CHART_DAYS:
        ways = (("", _("60 days"), not is_year), (f"?chart={YEAR}", _("A year"), is_year))
        spans = [(f"{address}{query}#sizes", text, is_this) for query, text, is_this in ways]
    return Charts(
        sizes_of(now, is_year=is_year),
        added_of(now, zone_of(instance)),
        shared_of(now),
        calendar_of(now) if with_calendar else None,
        spans,
        is_open=is_year,
    )


def sizes_of(now: Overview, *, is_year: bool) -> Chart | None:
    """Draw the sizes of the last 60 days, or of a year by weeks; None of an application that is too new."""
    points = list(now.sizes)[::-1][::_WEEK][::-1] if is_year else now.sizes[-CHART_DAYS:]
    if len(points) < 2:
        return None
    first, last = points[0], points[-1]
    sentence = _(
        "A backup held %(before)s on %(day)s and holds %(now)s now; all of them take %(all)s.",
        before=words.size(first.content),
        day=words.day(first.day),
        now=words.size(last.content),
        all=words.size(last.stored),
    )
    return Chart(
        size_chart(points, width=WIDE, height=250, css="on-desk"),
        size_chart(points, width=NARROW, height=220, css="on-phone"),
        sentence,
        (_("Day"), _("In a backup"), _("Stored for all")),
        [_size_row(point) for point in reversed(points)],
    )


def _size_row(point: Sizes) -> tuple[str, str, str]:
    return words.day(point.day), words.size(point.content), words.size(point.stored)


def added_of(now: Overview, zone: tzinfo) -> Chart | None:
    """Draw what each of the newest good backups added to the store; None of fewer than two."""
    newest = [one for one in now.backups if one.state is State.SUCCESSFUL][-BARS:]
    if len(newest) < 2:
        return None
    bars, rows = [], []
    for one in newest:
        name, size = words.name(one.name, one.created_at, zone), words.size(one.stored_bytes)
        href = f"/apps/{now.app.id}/backups/{one.id}"
        title = _("%(name)s: %(size)s new", name=name, size=size)
        bars.append(Added(local_time(one.created_at, zone).date(), one.stored_bytes, href, title))
        rows.append((Markup('<a href="{}">{}</a>').format(href, name), size))
    most = max(newest, key=lambda one: one.stored_bytes)
    sentence = _(
        "The newest %(count)s backups added %(all)s together; the most, %(most)s, the one of %(day)s.",
        count=words.number(len(newest)),
        all=words.size(sum(one.stored_bytes for one in newest)),
        most=words.size(most.stored_bytes),
        day=words.day(local_time(most.created_at, zone)),
    )
    return Chart(
        added_chart(bars, width=WIDE, css="on-desk"),
        added_chart(bars[-BARS_NARROW:], width=NARROW, css="on-phone"),
        sentence,
        (_("Backup"), _("New in it")),
        rows[::-1],
        is_linked=True,
    )


def shared_of(now: Overview) -> Chart | None:
    """Draw what is stored beside what the backups would take without sharing; None where there is nothing to share."""
    stored, content = now.stored_bytes, now.content_bytes
    if not stored or content <= stored:
        return None
    times = content / stored
    more = words.number(round(times)) if times >= 10 else words.decimal(times)
    bars = [
        ("plain", _("Each by itself"), words.size(content), content),
        ("stored", _("Stored"), words.size(stored), stored),
    ]
    drawn = compared_chart(bars, css="on-both")
    sentence = _("%(times)s times as much without sharing: what backups have in common is stored once.", times=more)
    return Chart(
        drawn, Markup(), sentence, (_("All backups"), _("Size")), [(name, text) for _c, name, text, _v in bars]
    )


def calendar_of(now: Overview) -> Chart | None:
    """Draw the days of a year; None before the first backup."""
    cells = now.cells
    if all(cell.kind is CellKind.BEFORE for cell in cells):
        return None
    return Chart(
        calendar_chart(cells, halves=1, css="on-desk"),
        calendar_chart(cells, halves=2, css="on-phone"),
        _("Of the days of 12 months: %(days)s.", days=strip_sentence(cells)),
        (_("Month"), _("Good"), _("Failed"), _("Missed"), _("Damage found"), _("Test restores that matched")),
        _months(cells),
    )


def _months(cells: Sequence[Cell]) -> list[tuple[str, ...]]:
    """Return the counts of each month since the first backup, the newest first."""
    sums: dict[tuple[int, int], list[int]] = {}
    for cell in cells:
        if cell.kind is not CellKind.BEFORE:
            counts = cell.counts
            of_day = (counts.good, counts.failed, counts.missed, counts.damaged, counts.proved)
            known = sums.setdefault((cell.day.year, cell.day.month), [0] * len(of_day))
            sums[cell.day.year, cell.day.month] = [one + more for one, more in zip(known, of_day, strict=True)]
    first = {(cell.day.year, cell.day.month): cell.day for cell in reversed(cells)}
    return [
        (words.month(first[month], with_year=True), *(words.number(count) for count in counts))
        for month, counts in reversed(sums.items())
    ]
