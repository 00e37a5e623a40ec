"""The applications of the whole instance, each with its standing, for lists, counts and charts.

The standing comes of the same pure function as that of one application, from fewer facts: work that runs, failures,
what is overdue, damaged or proved. Limits, warnings and restores are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from holdfast.catalog.jobs.schedules import DueTimes
from holdfast.catalog.operator import apps as rows
from holdfast.catalog.operator.apps import AppRow, GoingRow, Marks
from holdfast.catalog.records import State
from holdfast.service.instance.home import Instance
from holdfast.service.policy.standing import Damaged, Facts, Failed, Going, Kind, Standing, standing
from holdfast.service.standing.gather import PROOF_PERIODS
from holdfast.units import DAY_NS

BACKUP = "backup"
BUSY = frozenset({Kind.RUNNING, Kind.FIRST_RUNNING})


@dataclass(frozen=True, slots=True)
class AppState:
    """An application as lists have it. `is_failing`, `is_overdue`: also while it is being backed up."""

    row: AppRow
    standing: Standing
    proved_at: int | None

    @property
    def kind(self) -> Kind:
        """The kind of its standing."""
        return self.standing.kind

    @property
    def is_overdue(self) -> bool:
        """True if a good backup was due, and none came."""
        return self.standing.facts.overdue_since is not None

    @property
    def is_failing(self) -> bool:
        """True if its newest backup failed."""
        return self.standing.facts.failed is not None


def app_states(
    instance: Instance, going: Sequence[GoingRow] | None = None, account_ids: Collection[str] | None = None
) -> list[AppState]:
    """Return the applications that have not ended, by their ids. Three queries; two if `going` is given."""
    work = rows.going(instance.catalog) if going is None else going
    found, marks = rows.app_rows(instance.catalog, account_ids), rows.marks(instance.catalog, account_ids)
    backups = {one.app_id: one for one in work if one.kind == BACKUP}
    now_ns = instance.clock.now_ns()
    return [_state(instance, row, marks, backups, now_ns) for row in found]


def _state(
    instance: Instance, row: AppRow, marks: Mapping[str, Marks], backups: Mapping[str, GoingRow], now_ns: int
) -> AppState:
    mark, going, days = marks.get(row.app_id), backups.get(row.app_id), instance.config.prove_days
    proved_at = None if mark is None else mark.proved_at
    facts = Facts(
        now=now_ns,
        created_at=row.created_at,
        good_id=row.good_id or "",
        good_at=row.good_at,
        backup=None if going is None else Going(id=going.id, since=going.created_at),
        failed=_failed(row),
        overdue_since=DueTimes(row.next_run_at, row.overdue_at, row.overdue_since).overdue_by(now_ns),
        damaged=_damaged(mark),
        proved_at=proved_at,
        proof_ns_max=(PROOF_PERIODS * days + 1) * DAY_NS if days else 0,
        next_backup_at=row.next_run_at,
        next_proof_at=row.prove_at if days else None,
    )
    return AppState(row, standing(facts), proved_at)


def _failed(row: AppRow) -> Failed | None:
    if row.tried_state != State.FAILED:
        return None
    return Failed(
        id=row.tried_id or "",
        since=row.tried_at or 0,
        code=row.tried_code or "",
        message="",
        detail=row.tried_text or "",
        is_customers=bool(row.is_tried_customers),
    )


def _damaged(mark: Marks | None) -> Damaged | None:
    if mark is None or not mark.damaged:
        return None
    return Damaged(count=mark.damaged, backup_id=mark.damaged_id or "", code="DAMAGED", since=None)
