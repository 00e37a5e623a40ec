"""Dates, spans, sizes, numbers and lists in the language that is spoken. A number and its unit stay on one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, tzinfo

from holdfast.schemas.times import local_time
from holdfast.service.language.texts import N_, _, spoken
from holdfast.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, size_text

GLUE = "\u00a0"
_UNITS = ((DAY_NS, "day"), (HOUR_NS, "hour"), (MINUTE_NS, "minute"))


def number(count: int) -> str:
    """Return a count: `23,464`."""
    return f"{count:,}".replace(",", spoken().patterns.group)


def decimal(value: float, digits: int = 1) -> str:
    """Return a number with a fixed count of decimal places: `98.5`."""
    whole, dot, rest = f"{value:,.{digits}f}".partition(".")
    patterns = spoken().patterns
    return whole.replace(",", patterns.group) + (patterns.decimal + rest if dot else "")


def size(count: int) -> str:
    """Return bytes: `81.9 MB`."""
    return size_text(count).replace(".", spoken().patterns.decimal).replace(" ", GLUE)


def _counted(ns: int, templates: Mapping[str, Sequence[str]]) -> str:
    """Return a span in the largest unit of which it has two, by the templates of a unit."""
    language = spoken()
    unit_ns, unit = next(((unit_ns, unit) for unit_ns, unit in _UNITS if ns >= 2 * unit_ns), _UNITS[-1])
    count = max(1, ns // unit_ns)
    return templates[unit][language.plural(count)].format(count=number(count))


def span(ns: int) -> str:
    """Return a span of time: `47 minutes`, `2 days`."""
    return _("less than a minute") if ns < MINUTE_NS else _counted(ns, spoken().patterns.spans)


def span_glued(ns: int) -> str:
    """Return a span as a figure, on one line: `58 s`, `12 minutes`."""
    return f"{max(1, ns // SECOND_NS)}{GLUE}s" if ns < 2 * MINUTE_NS else span(ns).replace(" ", GLUE)


def ago(ns: int) -> str:
    """Return the age of something: `11 hours ago`."""
    return _("just now") if ns < MINUTE_NS else _counted(ns, spoken().patterns.past)


def ahead(ns: int) -> str:
    """Return the time that is left: `in 13 hours`."""
    return _("now") if ns < MINUTE_NS else _counted(ns, spoken().patterns.future)


def _date(on: date, form: str, *, is_short: bool) -> str:
    patterns = spoken().patterns
    return patterns.dates[form].format(
        weekday=(patterns.days_short if is_short else patterns.days)[on.weekday()],
        day=on.day,
        month=(patterns.months_short if is_short else patterns.months)[on.month - 1],
        year=on.year,
    )


def short_day(on: date, *, with_year: bool = False) -> str:
    """Return a day: `Fri 27 Nov`, `Fri 27 Nov 2026`."""
    return _date(on, "short_year" if with_year else "short", is_short=True)


def full_day(on: date, *, with_year: bool = True) -> str:
    """Return a day in full: `Friday 27 November 2026`."""
    return _date(on, "full_year" if with_year else "full", is_short=False)


def day_and_month(on: date, *, with_year: bool = False) -> str:
    """Return a day without its name: `27 Nov`, `27 Nov 2026`."""
    return _date(on, "date_year" if with_year else "date", is_short=True)


def month(on: date, *, with_year: bool = False) -> str:
    """Return a month: `November`, `November 2026`, as it stands at the beginning of a heading."""
    patterns = spoken().patterns
    name = patterns.months_alone[on.month - 1]
    text = patterns.dates["month_year"].format(month=name, year=on.year) if with_year else name
    return text[0].upper() + text[1:]


def when(at: int, now: int, zone: tzinfo) -> str:
    """Return a time, short: `today, 03:00`, `Fri 27 Nov, 03:00`; of another year with it."""
    local, today = local_time(at, zone), local_time(now, zone).date()
    named = {0: N_("today"), -1: N_("yesterday"), 1: N_("tomorrow")}.get((local.date() - today).days)
    on = _(named) if named else short_day(local, with_year=local.year != today.year)
    return f"{on}, {local:%H:%M}"


def weekday(number_from_monday: int) -> str:
    """Return the name of a day of the week; 0 is Monday."""
    return spoken().patterns.days[number_from_monday]


def series(parts: Sequence[str]) -> str:
    """Return parts as a list in a sentence: `a, b and c`."""
    middle, end, two = spoken().patterns.series
    if len(parts) < 2:
        return "".join(parts)
    if len(parts) == 2:
        return two.format(*parts)
    text = parts[0]
    for part in parts[1:-1]:
        text = middle.format(text, part)
    return end.format(text, parts[-1])


def weekday_short(number_from_monday: int) -> str:
    """Return the short name of a day of the week; 0 is Monday."""
    return spoken().patterns.days_short[number_from_monday]


def month_short(number: int) -> str:
    """Return the short name of a month; 1 is January."""
    return spoken().patterns.months_short[number - 1]
