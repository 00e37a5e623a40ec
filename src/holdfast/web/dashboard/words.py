"""Times, sizes and names as pages show them. Numbers and units, days and months stay on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from markupsafe import Markup, escape

from holdfast.schemas.times import iso, local_time
from holdfast.service.language import patterns
from holdfast.service.language.recognised import translated
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.standing.words import Wording
from holdfast.units import SECOND_NS
from holdfast.web.dashboard.viewer import chosen_zone

_DEFAULT_NAME = re.compile(r"(Backup|Safety backup) at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: \(\d+\))?")

_API_TIME = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))(?![\d:])")

ORIGINS = {
    "manual": N_("By hand"),
    "scheduled": N_("By schedule"),
    "safety": N_("Before a restore"),
    "imported": N_("Imported"),
}
"""By the origin of a backup: the words of its row."""


_KEPT = {
    "newest": N_("it is the newest"),
    "locked": N_("its lock"),
    "locked_until": N_("its lock"),
    "in_use": N_("somebody reads it"),
    "under_way": N_("it is not finished"),
    "safety": N_("a restore can be undone with it"),
    "before_shrunk": N_("the application has shrunk since"),
    "rests": N_("retention rests"),
    "by_hand": N_("it was taken by hand"),
    "no_rules": N_("every backup is kept"),
    "failed_lately": N_("its failure is new"),
    "keep_last": N_("last"),
    "keep_hourly": N_("hourly"),
    "keep_daily": N_("daily"),
    "keep_weekly": N_("weekly"),
    "keep_monthly": N_("monthly"),
    "keep_yearly": N_("yearly"),
    "keep_within": N_("within"),
}
"""By what keeps a backup, as the API names it."""


def origin(name: str) -> str:
    """Tell where a backup comes from."""
    return _(ORIGINS.get(name, name))


def kept(names: Iterable[str]) -> str:
    """Tell what keeps a backup, in words."""
    return ", ".join(dict.fromkeys(_(_KEPT[name]) for name in names))


size, number, decimal, day = patterns.size, patterns.number, patterns.decimal, patterns.short_day
"""Bytes, a count, a number with a decimal place, a day: `81.9 MB`, `23,464`, `98.5`, `Fri 27 Nov`."""

span, series, date, month = patterns.span_glued, patterns.series, patterns.day_and_month, patterns.month
"""A span of time, a list, a day without its name, a month: `58 s`, `a, b and c`, `27 Nov`, `November`."""

when = patterns.when
"""A time, short: `today, 03:00`, `Fri 27 Nov, 03:00`."""


def files(count: int) -> str:
    """A count of files: `1 file`, `23,464 files`."""
    return ngettext("%(num)s file", "%(num)s files", count, num=number(count))


def percent(count: int) -> str:
    """A share: `27 %`."""
    return f"{number(count)}{patterns.GLUE}%"


def warnings(count: int) -> str:
    """A count of warnings: `1 warning`."""
    return ngettext("%(num)s warning", "%(num)s warnings", count, num=number(count))


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 warning`, `23,464 warnings`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def ago(at: int, now: int) -> str:
    """The age of a time: `11 hours ago`."""
    return patterns.ago(now - at)


def until(at: int, now: int) -> str:
    """The time that is left until another: `in 13 hours`."""
    return patterns.ahead(at - now)


def ns_of(text: str) -> int:
    """Nanoseconds of a time as the API writes it."""
    return int(datetime.fromisoformat(text).timestamp()) * SECOND_NS


def time_of(text: str) -> str:
    """A time of a file, as the API writes it, short: `27 Nov 2026, 02:59`."""
    at = datetime.fromisoformat(text)
    zone = chosen_zone()
    at = at if zone is None else at.astimezone(zone)
    return f"{patterns.day_and_month(at, with_year=True)}, {at:%H:%M}"


def moment(at: int, now: int, zone: tzinfo) -> Markup:
    """A time, short, as a `<time>` that programs read and that says all of it to a mouse."""
    tag = Markup('<time datetime="{}" title="{}">{}</time>')
    return tag.format(iso(at, zone), f"{whole(at, zone)} {local_time(at, zone):%Z}", when(at, now, zone))


def standing_text(wording: Wording, now: int, zone: tzinfo) -> Markup:
    """The text of a standing, with its times as the page tells them."""
    parts = (_dated(part) if isinstance(part, str) else moment(part.ns, now, zone) for part in wording.parts)
    return Markup("").join(parts)


def sentence(text: str) -> Markup:
    """A sentence of an operation in the language of the page; times that it has are in the viewer's zone.

    Operations write times as the API does, with their offset, so that each is known for what it is.
    """
    return _dated(translated(text))


def plain_sentence(text: str) -> str:
    """The same as text alone, for what is put into another sentence."""
    return _API_TIME.sub(lambda found: _shown(found[0]), translated(text))


def _dated(text: str) -> Markup:
    tag = Markup('<time datetime="{}">{}</time>')
    parts = enumerate(_API_TIME.split(text))  # every second one is a time
    return Markup("").join(tag.format(part, _shown(part)) if place % 2 else escape(part) for place, part in parts)


def _shown(text: str) -> str:
    try:
        return time_of(text)
    except (ValueError, OverflowError):  # no such day, or none in the viewer's zone
        return text


def whole(at: int, zone: tzinfo) -> str:
    """A time with its day in full: `Friday 27 November 2026, 03:00`."""
    local = local_time(at, zone)
    return f"{patterns.full_day(local)}, {local:%H:%M}"


def name(given: str, at: int, zone: tzinfo) -> str:
    """The name of a backup; one that it got by itself says no more than when it began."""
    found = _DEFAULT_NAME.fullmatch(given)
    if found is None:
        return given
    local = local_time(at, zone)
    began = f"{patterns.full_day(local, with_year=False)}, {local:%H:%M}"
    return began if found[1] == "Backup" else _("Before the restore of %(began)s", began=began)


_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = (
    *(("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad")),
    *(("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)
"""Words of a `User-Agent`, with the name that people know; the first that is found holds."""


def browser(agent: str) -> str:
    """The browser that a session began in: `Firefox on Windows`; one that is not known as it names itself."""
    program = next((name for word, name in _BROWSERS if f"{word}/" in agent), None)
    system = next((name for word, name in _SYSTEMS if word in agent), None)
    if program and system:
        return _("%(browser)s on %(system)s", browser=program, system=system)
    return agent or _("A browser that does not name itself")


def group(at: int, now: int, zone: tzinfo) -> str:
    """The heading that a backup stands under: `Today`, `Yesterday`, `Last 7 days`, else its month."""
    local, today = local_time(at, zone).date(), local_time(now, zone).date()
    if local >= today:
        return _("Today")
    if local == today - timedelta(days=1):
        return _("Yesterday")
    if local > today - timedelta(days=7):
        return _("Last 7 days")
    return patterns.month(local, with_year=local.year != today.year)
