"""The form of a schedule: the schedule that its fields mean, and the fields that a schedule fills."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from holdfast.catalog.records import Retention
from holdfast.service.errors import Invalid
from holdfast.service.take.schedule import Schedule, checked_retention

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
"""The days of the week, by the number that a cron expression has for them."""

COUNTS = (
    ("keep_last", "Newest", "newest"),
    ("keep_hourly", "Hours", "hours"),
    ("keep_daily", "Days", "days"),
    ("keep_weekly", "Weeks", "weeks"),
    ("keep_monthly", "Months", "months"),
    ("keep_yearly", "Years", "years"),
)
"""The rules that count: the name of each, its label, and its word in a sentence."""

FIELDS = ("when", "at", "day", "week_at", "cron", "ignore", "keep_within", *(name for name, _, _ in COUNTS))

_HOUR, _SIX = "0 * * * *", "0 */6 * * *"
_DAILY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* \*")
_WEEKLY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* ([0-6])")
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_PREFERRED_AT = "03:00"


def fields_of(schedule: Schedule) -> dict[str, str]:
    """Return the values with which the form shows a schedule."""
    fields = {"when": "cron", "at": _PREFERRED_AT, "day": "0", "week_at": _PREFERRED_AT, "cron": schedule.cron}
    fields |= {name: str(getattr(schedule.retention, name)) for name, _, _ in COUNTS}
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
            if day not in {str(number) for number in range(len(DAYS))}:
                raise Invalid("cron", "The day of the week must be one of the seven.")
            return f"{_minute_and_hour(fields.get('week_at', ''))} * * {day}"
        case "cron":
            text = fields.get("cron", "").strip()
            if not text:
                raise Invalid("cron", "Write the cron expression, or choose another time for the backups.")
            return text
    raise Invalid("cron", "Choose when backups are to be made.")


def _minute_and_hour(text: str) -> str:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise Invalid("cron", f"A time is written as 03:00, and not as {text.strip()[:20]!r}.")
    return f"{int(found[2])} {int(found[1])}"


def _retention_of(fields: Mapping[str, str]) -> Retention:
    values: dict[str, Any] = {"keep_within": fields.get("keep_within", "").strip()}
    for name, label, _ in COUNTS:
        text = fields.get(name, "").strip() or "0"
        if not text.isascii() or not text.isdigit():
            raise Invalid("retention", f"{label} must be a whole number, and is {text[:20]!r}.")
        values[name] = int(text[:9])
    return checked_retention(values)


def when_words(cron: str) -> str:
    """Tell in words when a schedule runs: `every night at 03:00`."""
    fields = fields_of(Schedule(cron))
    match fields["when"]:
        case "off":
            return "only by hand"
        case "hour":
            return "every hour"
        case "six":
            return "every 6 hours"
        case "night":
            return f"every day at {fields['at']}"
        case "week":
            return f"every {DAYS[int(fields['day'])]} at {fields['week_at']}"
    return f"by {cron}"


def rules_in_words(retention: Retention) -> list[str]:
    """Tell each rule of retention in words: `7 days`, `4 weeks`; without any every backup is kept."""
    rules = [f"{count} {word}" for name, _, word in COUNTS if (count := getattr(retention, name))]
    return [*rules, f"all of the last {retention.keep_within}"] if retention.keep_within else rules


def kept_words(retention: Retention) -> str:
    """Tell in words what retention keeps: `kept: 7 days and 4 weeks`."""
    rules = rules_in_words(retention)
    if not rules:
        return "every backup is kept"
    *first, last = rules
    return f"kept: {', '.join(first)} and {last}" if first else f"kept: {last}"


def differences(before: Schedule, after: Schedule) -> list[str]:
    """Tell in words what differs between two schedules: `days 9 → 7`."""
    found = []
    if before.cron != after.cron:
        found.append(f"{when_words(before.cron)} → {when_words(after.cron)}")
    for name, _, word in COUNTS:
        old, new = getattr(before.retention, name), getattr(after.retention, name)
        if old != new:
            found.append(f"{word} {old} → {new}")
    old, new = before.retention.keep_within or "nothing", after.retention.keep_within or "nothing"
    if old != new:
        found.append(f"all of the last {old} → {new}")
    if before.ignore != after.ignore:
        count = len(after.ignore)
        found.append(f"{count or 'no'} pattern{'' if count == 1 else 's'} to leave out")
    return found
