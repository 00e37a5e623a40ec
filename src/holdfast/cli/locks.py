"""`holdfast backup lock`, `holdfast backup unlock`"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Annotated

from holdfast.cli.apps import AppName
from holdfast.cli.backups import BackupName, one_backup, print_changed
from holdfast.cli.command_line.declared import Option
from holdfast.cli.output import Json
from holdfast.cli.state import operator
from holdfast.units import DAY_NS, HOUR_NS, SECOND_NS

_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNIT_NS = {"h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS}
_YEAR_MAX = 2261
"""The last whole year whose nanoseconds fit into 64 bits."""


def lock(
    name: AppName,
    backup: BackupName,
    until: Annotated[
        str | None,
        Option("--until", metavar="TIME", help="Lock until then: 2026-12-24, 2026-12-24T18:00, 36h, 30d or 8w."),
    ] = None,
    json: Json = False,
) -> None:
    """Keep a backup from being deleted; with --until nobody but the operator can unlock it before that time."""
    from holdfast.service.registry.backups import locked_until, set_lock

    with one_backup(name, backup) as (instance, found):
        if until is None:
            changed = set_lock(instance, found, operator(), True)
            print_changed(instance, changed, json, f"{changed.name} is locked now.")
            return
        end_ns = _end_of(until, instance.zone, instance.clock.now_ns())
        changed = set_lock(instance, found, operator(), None, end_ns)
        print_changed(instance, changed, json, f"{changed.name} is locked until {locked_until(instance, changed)}.")


def unlock(
    name: AppName,
    backup: BackupName,
    force: Annotated[
        bool, Option("--force", help="Unlock before the end of a time lock, too; the customer is told.")
    ] = False,
    json: Json = False,
) -> None:
    """Let a backup be deleted again."""
    from holdfast.service.registry.backups import locked_until, override_locks, set_lock

    with one_backup(name, backup) as (instance, found):
        by = operator()
        changed = override_locks(instance, found, by) if force else set_lock(instance, found, by, False)
        until = locked_until(instance, changed)
        text = f"{changed.name} is unlocked now."
        if until is not None:
            text = f"{changed.name} is still locked until {until}; --force unlocks it before."
        print_changed(instance, changed, json, text)


def _end_of(text: str, zone: tzinfo, now_ns: int) -> int:
    """Return the end of a lock (ns). Raises Invalid for what cannot be read, is past, or is too far away."""
    from holdfast.service.errors import Invalid

    span = _SPAN.fullmatch(text)
    if span is not None:
        return now_ns + int(span[1]) * _UNIT_NS[span[2]]
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            "until", "--until must be a time like 2026-12-24 or 2026-12-24T18:00, or 36h, 30d or 8w."
        ) from None
    if end.tzinfo is None:
        end = end.replace(tzinfo=zone)
    if end.year > _YEAR_MAX:
        raise Invalid("until", f"--until must be a time up to the year {_YEAR_MAX}.")
    end_ns = int(end.timestamp()) * SECOND_NS
    if end_ns <= now_ns:
        raise Invalid("until", f"--until must be in the future, and {text} is past.")
    return end_ns
