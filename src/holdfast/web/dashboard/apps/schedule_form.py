"""The form of a schedule: the schedule that its fields mean, and the fields that a schedule fills."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from holdfast.catalog.records import Retention
from holdfast.service.errors import Invalid
from holdfast.service.language import patterns
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.take.schedule import Schedule, checked_retention

DAYS = 7
"""The days of the week have the numbers that a cron expression has for them; 0 is Sunday."""

COUNTS = (
    ("keep_last", N_("Newest"), N_("newest")),
    ("keep_hourly", N_("Hours"), N_("hours")),
    ("keep_daily", N_("Days"), N_("days")),
    ("keep_weekly", N_("Weeks"), N_("weeks")),
    ("keep_monthly", N_("Months"), N_("months")),
    ("keep_yearly", N_("Years"), N_("years")),
)
"""The rules that count: the name of each, its label, and its word in a sentence."""

FIELDS = ("when", "at", "day", "week_at", "cron", "ignore", "keep_within", *(name for name, *_rest in COUNTS))

_HOUR, _SIX = "0 * * * *", "0 */6 * * *"
_DAILY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* \*")
_WEEKLY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* ([0-6])")
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_PREFERRED_AT = "03:00"


def fields_of(schedule: Schedule) -> dict[str, str]:
    """Return the values with which the form shows a schedule."""
    fields = {"when": "cron", "at": _PREFERRED_AT, "day": "0", "week_at": _PREFERRED_AT, "cron": schedule.cron}
    fields |= {name: str(getattr(schedule.retention, name)) for name, *_rest in COUNTS}
    fields |= {"keep_within": schedule.retention.keep_within, "ignore": "\n".join(schedule.ignore)}
    if daily := _DAILY.fullmatch(schedule.cron):
        fields |= {"when": "night", "at": _clock(daily)}
    elif weekly := _WEEKLY.fullmatch(schedule.cron):
        fields |= {"when": "week", "week_at": _clock(weekly), "day": weekly[3]}
    else:
        fields["when"] = {_HOUR: "hour", _SIX: "six", "": "off"}.get(schedule.cron, "cron")
    return fields


def schedule_of_fields(fields: Mapping[str, str]) -> Schedule:
    """Return the schedule that a form asks for. Raises Invalid (CRON, RETENTION)."""
    lines = fields.get("ignore", "").replace("\r\n", "\n").split("\n")
    return Schedule(_cron_of(fields), _retention_of(fields), tuple(line for line in lines if line.strip()))


def _clock(found: re.Match[str]) -> str:
    return f"{int(found[2]):02}:{int(found[1]):02}"


def _cron_of(fields: Mapping[str, str]) -> str:
    match fields.get("when"):
        case "off":
            return ""
        case "hour":
            return _HOUR
        case "six":
            return _SIX
        case "night":
            return f"{_minute_and_hour(fields.get('at', ''))} * * *"
        case "week":
            day = fields.get("day", "")
            if day not in {str(number) for number in range(DAYS)}:
                raise Invalid("cron", _("The day of the week must be one of the seven."))
            return f"{_minute_and_hour(fields.get('week_at', ''))} * * {day}"
        case "cron":
            text = fields.get("cron", "").strip()
            if not text:
                raise Invalid("cron", _("Write the cron expression, or choose another time for the backups."))
            return text
    raise Invalid("cron", _("Choose when backups are to be made."))


def _minute_and_hour(text: str) -> str:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        wrong = repr(text.strip()[:20])
        raise Invalid("cron", _("A time is written as 03:00, and not as %(text)s.", text=wrong))
    return f"{int(found[2])} {int(found[1])}"


def _retention_of(fields: Mapping[str, str]) -> Retention:
    values: dict[str, Any] = {"keep_within": fields.get("keep_within", "").strip()}
    for name, label, _word in COUNTS:
        text = fields.get(name, "").strip() or "0"
        if not text.isascii() or not text.isdigit():
            message = _("%(field)s must be a whole number, and is %(text)s.", field=_(label), text=repr(text[:20]))
            raise Invalid("retention", message)
        values[name] = int(text[:9])
    return checked_retention(values)


def when_words(cron: str) -> str:
    """Tell in words when a schedule runs: `every night at 03:00`."""
    fields = fields_of(Schedule(cron))
    match fields["when"]:
        case "off":
            return _("only by hand")
        case "hour":
            return _("every hour")
        case "six":
            return _("every 6 hours")
        case "night":
            return _("every day at %(time)s", time=fields["at"])
        case "week":
            return _("every %(day)s at %(time)s", day=day_name(int(fields["day"])), time=fields["week_at"])
    return _("by %(cron)s", cron=cron)


def day_name(number: int) -> str:
    """Return the name of a day of the week."""
    return patterns.weekday((number - 1) % DAYS)


def rule_words(name: str, count: int) -> str:
    """Tell a rule that counts: `7 days`."""
    match name:
        case "keep_last":
            return ngettext("the newest", "%(num)s newest", count)
        case "keep_hourly":
            return ngettext("%(num)s hour", "%(num)s hours", count)
        case "keep_daily":
            return ngettext("%(num)s day", "%(num)s days", count)
        case "keep_weekly":
            return ngettext("%(num)s week", "%(num)s weeks", count)
        case "keep_monthly":
            return ngettext("%(num)s month", "%(num)s months", count)
    return ngettext("%(num)s year", "%(num)s years", count)


def rules_in_words(retention: Retention) -> list[str]:
    """Tell each rule of retention in words: `7 days`, `4 weeks`; without any every backup is kept."""
    rules = [rule_words(name, count) for name, *_rest in COUNTS if (count := getattr(retention, name))]
    span = retention.keep_within
    return [*rules, _("all of the last %(span)s", span=span)] if span else rules


def kept_words(retention: Retention) -> str:
    """Tell in words what retention keeps: `kept: 7 days and 4 weeks`."""
    rules = rules_in_words(retention)
    if not rules:
        return _("every backup is kept")
    return _("kept: %(rules)s", rules=patterns.series(rules))


def differences(before: Schedule, after: Schedule) -> list[str]:
    """Tell in words what differs between two schedules: `days 9 → 7`."""
    found = []
    if before.cron != after.cron:
        found.append(f"{when_words(before.cron)} → {when_words(after.cron)}")
    for name, _label, word in COUNTS:
        old, new = getattr(before.retention, name), getattr(after.retention, name)
        if old != new:
            found.append(f"{_(word)} {old} → {new}")
    old, new = before.retention.keep_within, after.retention.keep_within
    if old != new:
        nothing = _("nothing")
        found.append(_("all of the last %(old)s → %(new)s", old=old or nothing, new=new or nothing))
    if before.ignore != after.ignore:
        count = len(after.ignore)
        some = ngettext("%(num)s pattern to leave out", "%(num)s patterns to leave out", count)
        found.append(some if count else _("no patterns to leave out"))
    return found
