"""Charts as SVG, drawn on the server. Classes and attributes only: the pages' policy allows no style in the text.

Each wide chart is drawn twice, as one that is only made smaller has letters that nobody can read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from holdfast.service.language.texts import N_, _
from holdfast.service.overview.overviews import Sizes
from holdfast.web.dashboard.words import date, size

_LEFT, _BOTTOM, _TOP = 64, 24, 10
_LINES = 4
_AGES = ((0, N_("today")), (7, N_("1 week")), (30, N_("1 month")), (182, N_("6 months")), (365, N_("1 year")))
"""The days that the axis of ages names."""


def size_chart(points: Sequence[Sizes], *, width: int, height: int, css: str) -> Markup:
    """Draw the content of a backup and what all of them take in the store, over the days."""
    top = _round_up(max((max(point.content, point.stored) for point in points), default=1))
    inner, tall = width - _LEFT - 8, height - _TOP - _BOTTOM
    step = inner / max(1, len(points) - 1)

    def x(index: int) -> float:
        return round(_LEFT + step * index, 1)

    def y(value: int) -> float:
        return round(_TOP + tall - tall * value / top, 1)

    parts = [Markup('<svg class="{}" viewBox="0 0 {} {}" aria-hidden="true">').format(css, width, height)]
    for line in range(_LINES + 1):
        value = top * line // _LINES
        at = y(value)
        parts.append(Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(_LEFT, width - 8, at, at))
        label = "0" if not value else size(value)
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(_LEFT - 8, at + 4, label))
    labels = range(0, len(points), max(1, len(points) // (4 if width > 500 else 2)))
    for index in labels:
        anchor = "end" if index > len(points) * 0.9 else "middle" if index else "start"
        text = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
        parts.append(text.format(x(index), height - 6, anchor, date(points[index].day)))
    for css_class, values in (("content", [p.content for p in points]), ("stored", [p.stored for p in points])):
        line_to = " ".join(f"{x(index)},{y(value)}" for index, value in enumerate(values))
        area = f"{x(0)},{y(0)} {line_to} {x(len(values) - 1)},{y(0)}"
        parts.append(Markup('<polygon class="area {}" points="{}"/>').format(css_class, area))
        parts.append(Markup('<polyline class="line {}" points="{}"/>').format(css_class, line_to))
    return Markup("").join([*parts, Markup("</svg>")])


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
    parts = [Markup('<svg class="{}" viewBox="0 0 {} {}" aria-hidden="true">').format(css, width, height)]
    for index, lane in enumerate(lanes):
        y = 16 + step * index
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(y + 4, lane.text))
        parts.append(Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(left, width - right, y, y))
        mark = Markup('<rect class="mark" x="{}" y="{}" width="7" height="18" rx="3"/>')
        parts += [mark.format(x(age) - 3.5, y - 9) for age in lane.ages]
    for days, text in _AGES:
        if days == 0 or (days <= oldest and x(days) > left + 20):
            anchor = "end" if days == 0 else "middle"
            label = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
            parts.append(label.format(x(days) + (3.5 if days == 0 else 0), height - 6, anchor, _(text)))
    return Markup("").join([*parts, Markup("</svg>")])


def _round_up(value: int) -> int:
    """The next number that four lines divide well: 1, 2, 4, 5 or 8 times a power of ten."""
    power = 1
    while power * 10 <= value:
        power *= 10
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)
