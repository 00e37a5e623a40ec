"""Charts as SVG, drawn on the server. Classes and attributes only: the pages' policy allows no style in the text.

Each wide chart is drawn twice, as one that is only made smaller has letters that nobody can read. The drawings are
hidden from who listens to a page: a chart is told by its sentence, and its numbers stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup

from holdfast.service.language.patterns import month_short, weekday_short
from holdfast.service.language.texts import N_, _
from holdfast.service.overview.overviews import Sizes
from holdfast.service.overview.strip import Cell
from holdfast.web.dashboard.standing import CELL_WORDS, cell_words
from holdfast.web.dashboard.words import date as day_and_month
from holdfast.web.dashboard.words import size

WIDE, NARROW = 680, 350
_LEFT, _RIGHT, _BOTTOM, _TOP = 64, 8, 24, 10
_LINES = 4
_AGES = ((0, N_("today")), (7, N_("1 week")), (30, N_("1 month")), (182, N_("6 months")), (365, N_("1 year")))
"""The days that the axis of ages names."""

TEXT = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
BAR = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>')
LINE = Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>')


class Chart(NamedTuple):
    """A chart in both widths, what it says in a sentence, and its numbers.

    `is_linked`: parts of the drawing lead on, for a mouse; the same links are in the table.
    """

    broad: Markup
    narrow: Markup
    sentence: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_linked: bool = False


def svg(width: float, height: float, css: str, parts: Sequence[Markup]) -> Markup:
    """Return a drawing. `css`: of the width that it is for."""
    start = Markup('<svg class="{}" viewBox="0 0 {} {}" aria-hidden="true">').format(css, width, height)
    return start + Markup("").join(parts) + Markup("</svg>")


def grid(top: int, width: int, height: int) -> Iterator[Markup]:
    """Yield the lines behind values from 0 to `top`, with their sizes."""
    tall = height - _TOP - _BOTTOM
    for line in range(_LINES + 1):
        value, at = top * line // _LINES, round(_TOP + tall - tall * line / _LINES, 1)
        yield LINE.format("grid", _LEFT, width - _RIGHT, at, at)
        yield TEXT.format(_LEFT - 8, at + 4, "end", size(value) if value else "0")


def size_chart(points: Sequence[Sizes], *, width: int, height: int, css: str) -> Markup:
    """Draw the content of a backup and what all of them take in the store, over the days.

    What is stored goes in steps: it is what it is until a backup adds to it, or retention frees some.
    """
    top = round_up(max((max(point.content, point.stored) for point in points), default=1))
    inner, tall = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    span = max(1, (points[-1].day - points[0].day).days)

    def x(point: Sizes) -> float:
        return round(_LEFT + inner * (point.day - points[0].day).days / span, 1)

    def y(value: int) -> float:
        return round(_TOP + tall - tall * value / top, 1)

    parts = list(grid(top, width, height))
    many = 4 if width > NARROW else 2
    for index in range(0, len(points), max(1, len(points) // many)):
        anchor = "end" if index > len(points) * 0.9 else "middle" if index else "start"
        parts.append(TEXT.format(x(points[index]), height - 6, anchor, day_and_month(points[index].day)))
    content = [f"{x(point)},{y(point.content)}" for point in points]
    stored = [f"{x(points[0])},{y(points[0].stored)}"]
    for before, point in pairwise(points):
        stored += [f"{x(point)},{y(before.stored)}"] if point.stored != before.stored else []
        stored.append(f"{x(point)},{y(point.stored)}")
    for css_class, line in (("content", content), ("stored", stored)):
        line_to = " ".join(line)
        area = f"{x(points[0])},{y(0)} {line_to} {x(points[-1])},{y(0)}"
        parts.append(Markup('<polygon class="area {}" points="{}"/>').format(css_class, area))
        parts.append(Markup('<polyline class="line {}" points="{}"/>').format(css_class, line_to))
    return svg(width, height, css, parts)


class Added(NamedTuple):
    """A backup as a bar: what it added, the page that it leads to, and what the bar says."""

    day: date
    value: int
    href: str
    title: str


def added_chart(bars: Sequence[Added], *, width: int, css: str) -> Markup:
    """Draw what each backup added, the oldest first; each bar leads to its backup."""
    height, top = 190, round_up(max((bar.value for bar in bars), default=1))
    inner, tall = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    step = inner / max(1, len(bars))
    wide = round(max(2.0, min(28.0, step - 3)), 1)
    parts = list(grid(top, width, height))
    # The whole column leads on: a backup that added little has a bar that nobody could hit.
    link = Markup(
        '<a href="{}" tabindex="-1"><title>{}</title><rect class="hit" x="{}" y="{}" width="{}" height="{}"/>'
    )
    many = max(1, len(bars) // (5 if width > NARROW else 3))
    for index, bar in enumerate(bars):
        left, high = _LEFT + index * step, round(max(1.5, tall * bar.value / top), 1)
        parts.append(link.format(bar.href, bar.title, round(left, 1), _TOP, round(step, 1), tall))
        at = round(left + (step - wide) / 2, 1)
        parts += [BAR.format("bar", at, round(_TOP + tall - high, 1), wide, high), Markup("</a>")]
        if index % many == 0 and index <= len(bars) - max(1, many // 2):
            parts.append(TEXT.format(round(left + step / 2, 1), height - 6, "middle", day_and_month(bar.day)))
    return svg(width, height, css, parts)


def compared_chart(bars: Sequence[tuple[str, str, str, int]], *, css: str) -> Markup:
    """Draw two or more sizes beneath each other. `bars`: the class, what it is, its size in words, the size."""
    most, parts = max(1, *(value for *_rest, value in bars)), []
    for index, (css_class, name, text, value) in enumerate(bars):
        y = 44 * index
        parts.append(TEXT.format(0, y + 12, "start", name))
        parts.append(TEXT.format(NARROW, y + 12, "end", text))
        wide = round(max(2, NARROW * value / most), 1)
        parts.append(Markup('<rect class="rail" x="0" y="{}" width="{}" height="14" rx="3"/>').format(y + 19, NARROW))
        parts.append(BAR.format(f"bar {css_class}", 0, y + 19, wide, 14))
    return svg(NARROW, 44 * len(bars) - 8, css, parts)


_SIDE, _STEP = 9.5, 12
"""Of a day in a calendar: its side, and what it takes with the room behind it."""


def calendar_chart(cells: Sequence[Cell], *, halves: int, css: str) -> Markup:
    """Draw days as a calendar: a column for each week, which begins on Monday. `halves`: how many rows of weeks."""
    monday = cells[0].day - timedelta(cells[0].day.weekday())
    weeks = (cells[-1].day - monday).days // 7 + 1
    each, left, tall = -(-weeks // halves), 30, 7 * _STEP + 30
    parts: list[Markup] = []
    for half in range(halves):
        top = half * tall + 16
        parts += [TEXT.format(0, top + row * _STEP + 9, "start", weekday_short(row)) for row in (0, 2, 4)]
    named = None
    for cell in cells:
        week, row = divmod((cell.day - monday).days, 7)
        half, column = divmod(week, each)
        x, y = left + column * _STEP, half * tall + 16 + row * _STEP
        if row == 0 and cell.day.month != named and column < each - 1:
            parts.append(TEXT.format(x, y - 5, "start", month_short(cell.day.month)))
            named = cell.day.month
        parts.append(_day(cell, x, y, is_today=cell is cells[-1], has_titles=halves == 1))
    return svg(left + each * _STEP, halves * tall - 12, f"{css} calendar", parts)


def _day(cell: Cell, x: int, y: int, *, is_today: bool, has_titles: bool) -> Markup:
    """Draw a day. `has_titles`: a mouse is told what happened on it."""
    css = CELL_WORDS[cell.kind][0]
    inset = 0.75 if css == "missed" else 0.0  # its border is drawn on both sides of its edge
    title = Markup("<title>{}</title>").format(cell_words(cell)) if has_titles and css != "before" else ""
    side = _SIDE - 2 * inset
    box = Markup('<rect class="cell {}" x="{}" y="{}" width="{}" height="{}" rx="2">{}</rect>')
    drawn = box.format(css, x + inset, y + inset, side, side, title)
    if css in ("bad", "warn"):
        drawn += Markup('<path class="hatch" d="M{},{}l9.5,-9.5"/>').format(x, y + _SIDE)
    if cell.is_proved:
        drawn += Markup('<circle class="proof" cx="{}" cy="{}" r="2"/>').format(x + _SIDE / 2, y + _SIDE / 2)
    if is_today:
        ring = Markup('<rect class="today" x="{}" y="{}" width="{}" height="{}" rx="3"/>')
        drawn += ring.format(x - 1.25, y - 1.25, _SIDE + 2.5, _SIDE + 2.5)
    return drawn


class Lane(NamedTuple):
    """A rule of retention as a lane of its picture. `ages`: in days, of the backups that it keeps."""

    text: str
    ages: Sequence[float]


def lanes_chart(lanes: Sequence[Lane], *, width: int, css: str) -> Markup:
    """Draw the backups that each rule keeps, from today (right) back, on a logarithmic axis."""
    left, right, step = 74, 14, 28
    oldest = max([7.0, *(age + 1 for lane in lanes for age in lane.ages)])

    def x(days: float) -> float:
        return round(width - right - (width - left - right) * math.log(1 + days) / math.log(1 + oldest), 1)

    height = 26 + step * len(lanes)
    parts = []
    for index, lane in enumerate(lanes):
        y = 16 + step * index
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(y + 4, lane.text))
        parts.append(LINE.format("grid", left, width - right, y, y))
        mark = Markup('<rect class="mark" x="{}" y="{}" width="7" height="18" rx="3"/>')
        parts += [mark.format(round(x(age) - 3.5, 1), y - 9) for age in lane.ages]
    for days, text in _AGES:
        if days == 0 or (days <= oldest and x(days) > left + 20):
            anchor = "end" if days == 0 else "middle"
            parts.append(TEXT.format(round(x(days) + (3.5 if days == 0 else 0), 1), height - 6, anchor, _(text)))
    return svg(width, height, css, parts)


def round_up(value: int) -> int:
    """Return the next number that four lines divide well: 1, 2, 4, 5 or 8 times a power of ten."""
    power = 1
    while power * 10 <= value:
        power *= 10
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)
