"""The standing of an application: of all that is so with its backups, what its owner must know first. A pure decision.

`Facts` is all that is looked at. A `Kind` *holds* when the facts say so, and several may hold at once; the standing is
the first of `FIRST_TO_KNOW` that holds. What happens now to the application's own files goes before everything; then
that it has no good backup, unless one is being made; then what is wrong with those it has. A list of applications is
in another order, `WORST_FIRST`: there work that goes on as it should stands behind all that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from holdfast.service.policy.limits import Reached
from holdfast.units import DAY_NS
from holdfast.vault.control import TimedProgress

RESTORE_NEWS_NS = DAY_NS
"""A restore that failed is told for so long, unless another one succeeds before."""

NODE_AWAY = "NODE_AWAY"
"""The code of what is overdue while its node has not been heard of."""
NO_BACKUP_MADE = "NO_BACKUP_MADE"
"""The code of what is overdue for no reason that is known: no backup was begun, or none has ended."""


class Kind(StrEnum):
    """The kind of a standing; it holds when the facts say so."""

    PROVED = "proved"
    GOOD = "good"
    EMPTY = "empty"
    FIRST_RUNNING = "first_running"
    RUNNING = "running"
    FAILED = "failed"
    WARNINGS = "warnings"
    OVERDUE = "overdue"
    DAMAGED = "damaged"
    OVER_LIMIT = "over_limit"
    PLAN_TOO_LOW = "plan_too_low"
    RESTORING = "restoring"
    RESTORE_FAILED = "restore_failed"


FIRST_TO_KNOW = (
    Kind.RESTORING,
    Kind.RESTORE_FAILED,
    Kind.OVERDUE,
    Kind.FIRST_RUNNING,
    Kind.RUNNING,
    Kind.FAILED,
    Kind.DAMAGED,
    Kind.PLAN_TOO_LOW,
    Kind.WARNINGS,
    Kind.OVER_LIMIT,
    Kind.EMPTY,
    Kind.PROVED,
    Kind.GOOD,
)
"""Of the kinds that hold, the first one here is an application's standing."""

WORST_FIRST = (
    Kind.OVERDUE,
    Kind.FAILED,
    Kind.DAMAGED,
    Kind.RESTORE_FAILED,
    Kind.WARNINGS,
    Kind.OVER_LIMIT,
    Kind.PLAN_TOO_LOW,
    Kind.RESTORING,
    Kind.FIRST_RUNNING,
    Kind.RUNNING,
    Kind.EMPTY,
    Kind.GOOD,
    Kind.PROVED,
)
"""The order of applications in a list."""

PROBLEMS = frozenset({Kind.OVERDUE, Kind.FAILED, Kind.DAMAGED})
"""A person has to see to it, or data may be lost."""
NOT_WELL = PROBLEMS | {Kind.RESTORE_FAILED, Kind.WARNINGS, Kind.OVER_LIMIT, Kind.PLAN_TOO_LOW, Kind.EMPTY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A backup or a restore that failed. `id`: of the backup or the job; `message`: for the customer, `detail`: for the
    operator; `is_customers`: its customer brought it about; `since`: when it failed, or the first of several did."""

    id: str
    since: int
    code: str
    message: str
    detail: str
    is_customers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """A backup or a restore that runs, or waits to (`is_queued`). `id`: of the backup or the job."""

    id: str
    since: int
    progress: TimedProgress | None = None
    is_queued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """The damaged backups. `backup_id`: of the newest; `since`: when it was found."""

    count: int
    backup_id: str
    code: str
    since: int | None


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore that was the last one to end, and did so well. `at`: its end, nanoseconds."""

    id: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a standing is made of. Times in nanoseconds; None, 0 or empty: it is not so.

    `good_...`: of the newest good backup of the application's folder; `warnings`: of it. `failed`: the newest one
    failed. `node_silent_since`: when the application's node was last heard of, which is too long ago. `proved_at`: when
    a test restore last matched; `proof_ns_max`: the age up to which that counts, 0 for any. `plan_without`: the
    account's plan, if it has no backups in the API. `notified_at`, `operator_notified_at`: when the account, and the
    operator, were first told that it is overdue.
    """

    now: int
    created_at: int
    good_id: str = ""
    good_at: int | None = None
    warnings: int = 0
    backup: Going | None = None
    failed: Failed | None = None
    overdue_since: int | None = None
    notified_at: int | None = None
    operator_notified_at: int | None = None
    node_silent_since: int | None = None
    damaged: Damaged | None = None
    proved_at: int | None = None
    proof_ns_max: int = 0
    restore: Going | None = None
    restore_failed: Failed | None = None
    restored: Restored | None = None
    limit: Reached | None = None
    plan_without: str = ""
    next_backup_at: int | None = None
    next_proof_at: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """`code`: why, for programs; None where the kind says it all. `since`: nanoseconds; None where it is not known."""

    kind: Kind
    code: str | None
    since: int | None
    facts: Facts


def standing(facts: Facts) -> Standing:
    """Return the standing of an application."""
    kind = next(kind for kind in FIRST_TO_KNOW if HOLDS[kind](facts))
    code, since = _reason(kind, facts)
    return Standing(kind, code, since, facts)


def worst(found: Iterable[Standing]) -> Standing | None:
    """Return the worst of several standings; None of none."""
    return min(found, key=badness, default=None)


def badness(standing: Standing) -> tuple[int, int]:
    """Return what sorts standings, the worst first; of the same kind the one that is so for longest."""
    return WORST_FIRST.index(standing.kind), standing.since or 0


HOLDS: Mapping[Kind, Callable[[Facts], bool]] = {
    Kind.RESTORING: lambda f: f.restore is not None,
    Kind.RESTORE_FAILED: lambda f: f.restore_failed is not None and f.now - f.restore_failed.since < RESTORE_NEWS_NS,
    Kind.OVERDUE: lambda f: f.overdue_since is not None,
    Kind.FIRST_RUNNING: lambda f: f.backup is not None and f.good_at is None,
    Kind.RUNNING: lambda f: f.backup is not None and f.good_at is not None,
    Kind.FAILED: lambda f: f.failed is not None,
    Kind.DAMAGED: lambda f: f.damaged is not None,
    Kind.PLAN_TOO_LOW: lambda f: bool(f.plan_without),
    Kind.WARNINGS: lambda f: f.good_at is not None and f.warnings > 0,
    Kind.OVER_LIMIT: lambda f: f.limit is not None,
    Kind.EMPTY: lambda f: f.good_at is None,
    Kind.PROVED: lambda f: f.good_at is not None and is_proved(f),
    Kind.GOOD: lambda f: f.good_at is not None,
}
"""The conditions of the kinds; that of `EMPTY` or of `GOOD` always holds."""


def is_proved(facts: Facts) -> bool:
    """Return True if a test restore of a backup matched, and not too long ago to say something of those made since."""
    if facts.proved_at is None:
        return False
    return not facts.proof_ns_max or facts.now - facts.proved_at <= facts.proof_ns_max


def _reason(kind: Kind, facts: Facts) -> tuple[str | None, int | None]:
    """Return code and beginning of a standing."""
    match kind:
        case Kind.RESTORING if facts.restore is not None:
            return None, facts.restore.since
        case Kind.RESTORE_FAILED if facts.restore_failed is not None:
            return facts.restore_failed.code, facts.restore_failed.since
        case Kind.OVERDUE:
            return _overdue_code(facts), facts.overdue_since
        case Kind.FIRST_RUNNING | Kind.RUNNING if facts.backup is not None:
            return None, facts.backup.since
        case Kind.FAILED if facts.failed is not None:
            return facts.failed.code, facts.failed.since
        case Kind.DAMAGED if facts.damaged is not None:
            return facts.damaged.code, facts.damaged.since
        case Kind.PLAN_TOO_LOW:
            return "UPGRADE_REQUIRED", None
        case Kind.OVER_LIMIT if facts.limit is not None:
            return facts.limit.code, None
        case Kind.EMPTY:
            return None, facts.created_at
        case Kind.PROVED:
            return None, facts.proved_at
    return None, facts.good_at


def _overdue_code(facts: Facts) -> str:
    if facts.failed is not None:
        return facts.failed.code
    return NO_BACKUP_MADE if facts.node_silent_since is None else NODE_AWAY
