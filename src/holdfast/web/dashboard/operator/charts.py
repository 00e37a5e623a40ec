"""The operator's charts as SVG: next backups by node and hour, the store's growth, durations, the age of proofs.

Each wide chart is drawn twice, as those of an application are, and has its numbers as a table beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from markupsafe import Markup

from holdfast.service.instance.disks import Disk
from holdfast.service.language.patterns import short_day
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.operator.today import DaySums, Spread
from holdfast.web.dashboard.charts import BAR, LINE, NARROW, TEXT, WIDE, Chart, svg
from holdfast.web.dashboard.words import date as day_and_month
from holdfast.web.dashboard.words import day, decimal, number, series, size

_LEFT, _RIGHT = 64, 10
AHEAD_DAYS = 30
PROOF_LABELS = (N_("today"), "1", "2", "3", "4", "5", "6", "7", N_("older"), N_("never"))


def lanes(due: Mapping[str, Sequence[int]], first_hour: int, silent: Mapping[str, int]) -> Chart | None:
    """Draw how many backups begin by schedule in each of the next 24 hours, a lane for each node; None without any."""
    if not due:
        return None
    hours = [f"{(first_hour + index) % 24:02}:00" for index in range(24)]
    totals = [sum(lane[index] for lane in due.values()) for index in range(24)]
    busiest = max(range(24), key=lambda index: totals[index])
    rows = [(hours[i], *(str(lane[i]) for lane in due.values())) for i in range(24) if totals[i]]
    away = [node for node in due if node in silent]
    sentence = _(
        "%(next)s begin in the next hour; most at %(hour)s, which are %(most)s.",
        next=number(totals[0]),
        hour=hours[busiest],
        most=number(totals[busiest]),
    )
    if away:
        waits = _("Those of %(nodes)s wait: nothing is heard of it.", nodes=series(away))
        sentence = f"{sentence} {waits}"
    return Chart(
        _lanes(due, hours, silent, WIDE, "on-desk"),
        _lanes(due, hours, silent, NARROW, "on-phone"),
        sentence,
        (_("Hour"), *due),
        rows,
    )


def _lanes(
    due: Mapping[str, Sequence[int]], hours: Sequence[str], silent: Mapping[str, int], width: int, css: str
) -> Markup:
    step, height = (width - _LEFT - _RIGHT) / 24, 38 * len(due) + 24
    top, parts = max(max(lane) for lane in due.values()), []
    for place, (node, lane) in enumerate(due.items()):
        base = 38 * place + 34
        parts.append(TEXT.format(_LEFT - 8, base - 6, "end", node if len(node) <= 9 else f"{node[:8]}…"))
        for index, count in enumerate(lane):
            tall = round(max(3, 28 * count / top), 1) if count else 0
            kind = "bar waits" if node in silent else "bar"
            if tall:
                at = round(_LEFT + index * step + 1, 1)
                parts.append(BAR.format(kind, at, round(base - tall, 1), round(step - 2, 1), tall))
        parts.append(LINE.format("grid", _LEFT, width - _RIGHT, base, base))
    for index in (0, 6, 12, 18, 23):
        anchor = "start" if index == 0 else "end" if index == 23 else "middle"
        parts.append(TEXT.format(round(_LEFT + (index + 0.5) * step, 1), height - 6, anchor, hours[index]))
    return svg(width, height, css, parts)


def growth(days: Sequence[DaySums], disk: Disk | None, last: date, full: date | None) -> Chart | None:
    """Draw what is used of the store's disk over the last days, and on; None where nothing is known of it."""
    if disk is None or len(days) < 2:
        return None
    grown = {one.day: one.grown for one in days}
    first, used = date.fromisoformat(days[0].day), disk.size_bytes - disk.free_bytes
    points = []
    at = last
    while at >= first:
        points.append((at, max(0, used)))
        used -= grown.get(str(at), 0)
        at -= timedelta(1)
    points.reverse()
    used_now = {"used": size(points[-1][1]), "all": size(disk.size_bytes)}
    sentence = _("%(used)s of %(all)s are used; it does not grow.", **used_now)
    if full is not None:
        about = short_day(full, with_year=True)
        sentence = _("%(used)s of %(all)s are used; at this pace it is full about %(day)s.", day=about, **used_now)
    return Chart(
        _growth(points, disk.size_bytes, full, WIDE, "on-desk"),
        _growth(points, disk.size_bytes, full, NARROW, "on-phone"),
        sentence,
        (_("Day"), _("Used")),
        [(day(on), size(value)) for on, value in reversed(points)],
    )


def _growth(points: Sequence[tuple[date, int]], whole: int, full: date | None, width: int, css: str) -> Markup:
    height, top, tall = 216, 14, 176
    first, span = points[0][0], (points[-1][0] - points[0][0]).days + AHEAD_DAYS

    def x(on: date) -> float:
        return round(_LEFT + (width - _LEFT - _RIGHT) * (on - first).days / span, 1)

    def y(value: float) -> float:
        return round(top + tall * (1 - min(1.0, value / whole)), 1)

    parts = []
    for share in range(5):
        value = whole * share // 4
        parts.append(LINE.format("cap" if share == 4 else "grid", _LEFT, width - _RIGHT, y(value), y(value)))
        parts.append(TEXT.format(_LEFT - 8, y(value) + 4, "end", size(value) if value else "0"))
    line = " ".join(f"{x(on)},{y(value)}" for on, value in points)
    area = f"{x(first)},{y(0)} {line} {x(points[-1][0])},{y(0)}"
    parts.append(Markup('<polygon class="area stored" points="{}"/>').format(area))
    parts.append(Markup('<polyline class="line stored" points="{}"/>').format(line))
    today, used = points[-1]
    end = today + timedelta(AHEAD_DAYS)
    if full is not None:
        reach = whole if full <= end else used + (whole - used) * AHEAD_DAYS / (full - today).days
        ahead = f"{x(today)},{y(used)} {x(min(full, end))},{y(reach)}"
        parts.append(Markup('<polyline class="line ahead" points="{}"/>').format(ahead))
    for on, anchor in ((first, "start"), (today, "middle"), (end, "end")):
        parts.append(TEXT.format(x(on), height - 6, anchor, day_and_month(on)))
    return svg(width, height, css, parts)


def durations(spreads: Sequence[Spread]) -> Chart | None:
    """Draw how long backups took on each day, the middle one and the one slower than 95 of 100; None without any."""
    if not spreads:
        return None
    last = spreads[-1]
    return Chart(
        _durations(spreads, WIDE, "on-desk"),
        _durations(spreads, NARROW, "on-phone"),
        _(
            "Of the backups of %(day)s, half took at most %(half)s, and 95 of 100 at most %(most)s, "
            "from the request to the end.",
            day=day(last.day),
            half=seconds(last.middle),
            most=seconds(last.slow),
        ),
        (_("Day"), _("Backups"), _("Half at most"), _("95 of 100 at most")),
        [(day(one.day), str(one.count), seconds(one.middle), seconds(one.slow)) for one in reversed(spreads)],
    )


def _durations(spreads: Sequence[Spread], width: int, css: str) -> Markup:
    height, top, tall, most = 160, 18, 112, max(one.slow for one in spreads) or 1.0
    step, parts = (width - _LEFT - _RIGHT) / len(spreads), []
    for share in (0, 1):
        at = top + tall * (1 - share)
        parts.append(LINE.format("grid", _LEFT, width - _RIGHT, at, at))
        parts.append(TEXT.format(_LEFT - 8, at + 4, "end", seconds(most) if share else "0"))
    wide = min(28.0, step / 2 - 3)
    for index, one in enumerate(spreads):
        middle = _LEFT + (index + 0.5) * step
        for css_class, value, left in (("bar", one.middle, middle - wide - 1), ("bar slow", one.slow, middle + 1)):
            high = round(max(2, tall * value / most), 1)
            parts.append(BAR.format(css_class, round(left, 1), round(top + tall - high, 1), round(wide, 1), high))
        if (len(spreads) - 1 - index) % (1 if width > NARROW else 3) == 0:
            parts.append(TEXT.format(round(middle, 1), height - 8, "middle", day_and_month(one.day)))
    return svg(width, height, css, parts)


def proofs(counts: Sequence[int]) -> Chart:
    """Draw applications by the days since a test restore of theirs matched."""
    late = counts[-2] + counts[-1]
    return Chart(
        _proofs(counts, 320, "on-desk"),
        _proofs(counts, 320, "on-phone"),
        ngettext(
            "%(num)s application was proved within 8 days, %(older)s longer ago, %(never)s never.",
            "%(num)s applications were proved within 8 days, %(older)s longer ago, %(never)s never.",
            sum(counts) - late,
            num=number(sum(counts) - late),
            older=number(counts[-2]),
            never=number(counts[-1]),
        ),
        (_("Days ago"), _("Applications")),
        list(zip(map(_, PROOF_LABELS), map(str, counts), strict=True)),
    )


def _proofs(counts: Sequence[int], width: int, css: str) -> Markup:
    step, most, parts = width / len(counts), max(1, *counts), []
    for index, count in enumerate(counts):
        tall = round(max(2, 72 * count / most), 1)
        middle = round((index + 0.5) * step, 1)
        kind = "bar late" if index >= len(counts) - 2 else "bar good"
        parts.append(BAR.format(kind, round(index * step + 3, 1), round(88 - tall, 1), round(step - 6, 1), tall))
        parts.append(TEXT.format(middle, round(84 - tall, 1), "middle", number(count)))
        parts.append(TEXT.format(middle, 106, "middle", _(PROOF_LABELS[index])))
    return svg(width, 112, css, parts)


def seconds(value: float) -> str:
    """A duration: `12 s`, `8 min`."""
    if value < 120:
        return f"{value:.0f}\u00a0s"
    return f"{value / 60:.0f}\u00a0min" if value < 7200 else f"{decimal(value / 3600)}\u00a0h"
