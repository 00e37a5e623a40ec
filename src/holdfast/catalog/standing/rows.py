"""An application's row: its newest backups, its open work, the sums over its backups, and what of its account counts.

One query reads the rows of all applications that are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from holdfast.catalog.backups.damage import DAMAGED as DAMAGED
from holdfast.catalog.backups.damage import NOT_PROVED as NOT_PROVED
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.jobs.heartbeat import time_of_beat
from holdfast.catalog.standing.statement import statement
from holdfast.vault.control import TimedProgress

_progress = msgspec.json.Decoder(TimedProgress)


class NewestBackups(msgspec.Struct, frozen=True):
    """The due times of an application and its newest backups, imports aside. `good_...`: of the successful ones;
    `tried_...`: of those that ended by themselves; None where there is none. `failing_since`: the end of the first
    failure behind the good one. Times in nanoseconds."""

    next_run_at: int | None = None
    overdue_at: int | None = None
    overdue_since: int | None = None
    prove_at: int | None = None
    good_id: str | None = None
    good_at: int | None = None
    good_warnings: int | None = None
    tried_id: str | None = None
    tried_state: str | None = None
    tried_code: str | None = None
    tried_message: str | None = None
    tried_detail: str | None = None
    is_tried_customers: bool | None = None
    failing_since: int | None = None


class Sums(msgspec.Struct, frozen=True):
    """All backups of an application together. `content_bytes`: of what is in the good ones; `proved_at`: when a test
    restore of one last matched; `fixed`: the number of those that were taken by hand or are locked."""

    stored_bytes: int = 0
    content_bytes: int = 0
    proved_at: int | None = None
    fixed: int = 0


class OpenWork(msgspec.Struct, frozen=True):
    """The backup of an application that is queued or running, or the restore. `id`: of the backup or the job."""

    id: str
    state: str
    created_at: int
    progress: TimedProgress | None


class DamagedBackups(msgspec.Struct, frozen=True):
    """The damaged backups of an application. `newest_id`: of the newest one; `is_not_proved`: a test restore found it;
    `found_at`: when it was last reported, None if that is forgotten."""

    count: int
    newest_id: str
    is_not_proved: bool
    found_at: int | None = None


class EndedRestore(msgspec.Struct, frozen=True):
    """The newest restore of an application that has ended. `code`, `message`, `detail`: of its failure."""

    id: str
    state: str
    finished_at: int
    code: str | None
    message: str | None
    detail: str | None


class Notified(msgspec.Struct, frozen=True):
    """When the notice that an application is overdue was first taken, by an endpoint of its account and of the
    operator; None: by none."""

    account_at: int | None = None
    operator_at: int | None = None


class StandingRow(msgspec.Struct, frozen=True):
    """An application as the catalog has it. `busy`: the number of its backups and jobs that are open; `beat_at`: when
    its node was last heard of. Of its account: `plan`; `live_bytes` that its plan limits, 0 where it limits none; and
    `event_seq`, the number of the newest event."""

    newest: NewestBackups = NewestBackups()
    sums: Sums = Sums()
    backup: OpenWork | None = None
    restore: OpenWork | None = None
    ended: EndedRestore | None = None
    damaged: DamagedBackups | None = None
    notified: Notified = Notified()
    busy: int = 0
    plan: str = ""
    live_bytes: int = 0
    beat_at: int | None = None
    event_seq: int = 0


def standing_rows(
    catalog: Catalog,
    app_ids: Collection[str],
    account_ids: Collection[str],
    now_ns: int,
    restores_since: int,
    stored_plans: Collection[str] = (),
) -> dict[str, StandingRow]:
    """Return the rows of applications of these accounts, by their ids; of those that are there. One query.

    `restores_since`: of restores that ended those requested since a time; `stored_plans`: the plans that limit what is
    stored. Raises CatalogError.
    """
    given = {
        "app_ids": list(app_ids),
        "account_ids": list(account_ids),
        "now_ns": now_ns,
        "restores_since": restores_since,
        "stored_plans": list(stored_plans),
    }
    with catalog.read() as connection:
        return {row[0]: _row_of(row[1:]) for row in connection.execute(statement(), given)}


def _row_of(values: Sequence[Any]) -> StandingRow:
    left = iter(values)
    newest = NewestBackups(*_next(left, NewestBackups))
    stored, content, proved_at, fixed = _next(left, Sums)
    backup, restore = (_open_work(_next(left, OpenWork)) for _ in range(2))
    ended, damaged, notified = (_next(left, kind) for kind in (EndedRestore, DamagedBackups, Notified))
    jobs_open, plan, live, trash, beat, event_seq = left
    return StandingRow(
        newest=newest,
        sums=Sums(int(stored or 0), int(content or 0), proved_at, int(fixed or 0)),
        backup=backup,
        restore=restore,
        ended=None if ended[0] is None else EndedRestore(*ended),
        damaged=None if damaged[0] is None else DamagedBackups(damaged[0], damaged[1], bool(damaged[2]), damaged[3]),
        notified=Notified(*notified),
        busy=int(jobs_open or 0) + (backup is not None),
        plan=plan,
        live_bytes=max(0, int(live or 0) - int(trash or 0)),
        beat_at=None if beat is None else time_of_beat(beat),
        event_seq=event_seq or 0,
    )


def _next(left: Iterator[Any], kind: type[msgspec.Struct]) -> list[Any]:
    """Return as many of the values of a row as a struct has."""
    return list(islice(left, len(kind.__struct_fields__)))


def _open_work(values: Sequence[Any]) -> OpenWork | None:
    if values[0] is None:
        return None
    work_id, state, created_at, progress = values
    return OpenWork(work_id, state, created_at, None if progress is None else _progress.decode(progress))
