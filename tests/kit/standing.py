"""The facts of each row of the dashboard's table of states (shared/dashboard/SPEC.md §4.3, all but its last three)."""

from __future__ import annotations

from typing import Any

from holdfast.service.policy.limits import Reached
from holdfast.service.policy.standing import Damaged, Facts, Failed, Going, Kind
from holdfast.units import DAY_NS, HOUR_NS
from holdfast.vault.control import TimedProgress

NOW = 1_733_605_631_000_000_000  # 2024-12-07T22:07:11+01:00
NEXT = {"next_backup_at": NOW + 5 * HOUR_NS, "next_proof_at": NOW + 2 * DAY_NS}
OTHER_ID, GOOD_ID, JOB_ID = (digit * 32 for digit in "123")
GOOD = {"good_id": GOOD_ID, "good_at": NOW - 11 * HOUR_NS}
NONE_GOOD = {"good_id": "", "good_at": None}
GOING = Going(id=OTHER_ID, since=NOW - 60_000_000_000, progress=TimedProgress(8_912, 157, 23_481, 412))
FAILED = Failed(
    id=OTHER_ID,
    since=NOW - 10 * HOUR_NS,
    code="STORE_FULL",
    message="The backup failed, as the store of the backups is full; your host has to see to it, and has the details.",
    detail="The disk of /srv/store is full; free some space",
)
ROWS: dict[Kind, dict[str, Any]] = {
    Kind.PROVED: {**GOOD, "proved_at": NOW - 3 * DAY_NS, "proof_ns_max": 15 * DAY_NS},
    Kind.GOOD: GOOD,
    Kind.EMPTY: NONE_GOOD,
    Kind.FIRST_RUNNING: {**NONE_GOOD, "backup": GOING},
    Kind.RUNNING: {**GOOD, "backup": GOING},
    Kind.FAILED: {"failed": FAILED},
    Kind.WARNINGS: {**GOOD, "warnings": 3},
    Kind.OVERDUE: {"overdue_since": NOW - 2 * HOUR_NS},
    Kind.DAMAGED: {"damaged": Damaged(count=1, backup_id=OTHER_ID, code="DAMAGED", since=NOW - HOUR_NS)},
    Kind.OVER_LIMIT: {"limit": Reached("BACKUPS_LIMIT_REACHED", None)},
    Kind.PLAN_TOO_LOW: {"plan_without": "Bronze"},
    Kind.RESTORING: {"restore": Going(id=JOB_ID, since=NOW - 60_000_000_000, progress=TimedProgress(6, 61, 10, 100))},
    Kind.RESTORE_FAILED: {
        "restore_failed": Failed(
            id=JOB_ID,
            since=NOW - 20 * HOUR_NS,
            code="TARGET_FULL",
            message="The restore failed, as the disk of the folder to restore to is full; remove something there, or "
            "ask your host for more room.",
            detail="/srv/apps/bot cannot be written (No space left on device)",
        )
    },
}
"""What each row needs; what it does not name may be as it likes."""


def facts_of(*rows: Kind, **more: Any) -> Facts | None:
    """Return facts with which all of these rows hold; None where they cannot at once. `more`: further facts."""
    given: dict[str, Any] = {}
    for row in rows:
        for name, value in ROWS[row].items():
            if given.setdefault(name, value) != value:
                return None
    return Facts(**{"now": NOW, "created_at": NOW - 30 * DAY_NS, **NEXT, **given, **more})
