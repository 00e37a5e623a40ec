"""The known damage of backups, and the event that reports each finding once.

A backup's `damage` has two kinds of entries: content that is lost from the store (`DAMAGED`), which a check finds
and a later backup may heal; and files that a test restore did not give back as backed up (`NOT_PROVED`), which only
a test restore that matches takes away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from holdfast.catalog.backups.found import BACKUP_COLUMNS, backup_of
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_apps
from holdfast.catalog.database.tables import apps, backups, events
from holdfast.catalog.events.days import count, day_of
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.records import IMPORTED, Backup, EventKind, State, Warned

DAMAGED = "DAMAGED"
MORE_DAMAGED = "MORE_DAMAGED"
NOT_PROVED = "NOT_PROVED"

NAMED_MAX = 100
"""At most this many damaged backups are named in an event, the newest ones; its count has all."""

FILES_NAMED = 3
_IDS_AT_ONCE = 500
_FOUND_OF = tuple(
    backups.c[name] for name in ("account_id", "app_id", "name", "created_at", "damage", "restore_proved_at")
)

_warnings = msgspec.json.Decoder(tuple[Warned, ...])


@dataclass(frozen=True, slots=True)
class Found:
    """The result of checking one backup. `damage`: all damage known now; times in nanoseconds."""

    backup_id: str
    damage: tuple[Warned, ...]
    verified_at: int | None = None
    """Time at which all of it was read back and found good; None leaves it unchanged."""
    restore_proved_at: int | None = None


def damaged_backups(catalog: Catalog, account_id: str) -> list[Backup]:
    """Successful backups of an account with something wrong."""
    query = select(*BACKUP_COLUMNS).where(
        backups.c.account_id == account_id, backups.c.state == State.SUCCESSFUL, backups.c.damage.is_not(None)
    )
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]


def record_findings(catalog: Catalog, found: Sequence[Found], now_ns: int) -> None:
    """Record the results of checking backups, in one transaction; those that are not successful are left out.

    New damage is reported by an event `verify.failed`: one for each application.
    """
    hit: dict[str, list[tuple[Any, Found]]] = {}
    with catalog.write() as connection:
        hold_apps(connection, _app_ids(connection, [one.backup_id for one in found]))
        for one in sorted(found, key=lambda f: f.backup_id):  # in one order: two that look at once wait, no deadlock
            is_it = backups.c.id == one.backup_id, backups.c.state == State.SUCCESSFUL
            row = connection.execute(select(*_FOUND_OF).where(*is_it).with_for_update()).first()
            if row is None:
                continue
            text = msgspec.json.encode(list(one.damage)).decode() if one.damage else None
            values: dict[str, Any] = {"damage": text}
            if any(w.code != NOT_PROVED for w in one.damage):
                values["zip_sha256"] = None  # what heals it may be deflated into other bytes of the same length
            if one.verified_at is not None:
                values["verified_at"] = one.verified_at
            if one.restore_proved_at is not None:
                values["restore_proved_at"] = one.restore_proved_at
                _count_proof(connection, catalog.zone, row, one.restore_proved_at)
            connection.execute(backups.update().where(*is_it).values(**values))
            if _is_news(row.damage, one.damage):
                hit.setdefault(row.app_id, []).append((row, one))
        for app_id, affected in sorted(hit.items()):
            _enter(connection, app_id, affected, now_ns)
            count(connection, catalog.zone, app_id, now_ns, damaged=len(affected))


def _app_ids(connection: Connection, backup_ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(backup_ids), _IDS_AT_ONCE):
        some = backups.c.id.in_(backup_ids[start : start + _IDS_AT_ONCE])
        found |= set(connection.execute(select(backups.c.app_id).where(some).distinct()).scalars())
    return found


def _count_proof(connection: Connection, zone: tzinfo, before: Row[Any], at: int) -> None:
    """Count that a backup was proved, once a day."""
    last = before.restore_proved_at
    if last is None or day_of(last, zone) != day_of(at, zone):
        count(connection, zone, before.app_id, at, proved=1)


def _is_news(before: str | None, now: Sequence[Warned]) -> bool:
    """Return True if something is wrong that was not wrong before. (A smaller count of further files is not news.)"""
    known = _warnings.decode(before) if before is not None else ()
    return bool({(w.path, w.code) for w in now} - {(w.path, w.code) for w in known})


def _enter(connection: Connection, app_id: str, affected: list[tuple[Any, Found]], now_ns: int) -> None:
    affected.sort(key=lambda pair: (pair[0].created_at, pair[1].backup_id), reverse=True)
    newest, of_newest = affected[0]
    enter_event(
        connection,
        EventKind.VERIFY_FAILED,
        newest.account_id,
        now_ns,
        app_id=app_id,
        backup_id=of_newest.backup_id,
        name=newest.name,
        code=NOT_PROVED if any(w.code == NOT_PROVED for w in of_newest.damage) else DAMAGED,
        message=of_newest.damage[0].message,
        files=[w.path for w in of_newest.damage if w.path][:FILES_NAMED],
        backups=[{"id": found.backup_id, "name": row.name} for row, found in affected[:NAMED_MAX]],
        backups_count=len(affected),
    )


def failed_at(connection: Connection, account_id: str, app_id: str, code: str | None = None) -> int | None:
    """Return the time at which damage was last found in an application's backups; with `code`, damage of that kind
    only."""
    query = select(func.max(events.c.at)).where(
        events.c.account_id == account_id, events.c.app_id == app_id, events.c.kind == EventKind.VERIFY_FAILED
    )
    if code is not None:
        query = query.where(events.c.data.contains(f'"code":"{code}"', autoescape=True))
    found: int | None = connection.execute(query).scalar()
    return found


def not_to_build_on(catalog: Catalog, account_id: str, app_id: str) -> int | None:
    """Return the time before which an application's backups may have a wrong list of files; None when none can.

    What did not come back in a test restore may stand in the backups that were built on that one, too.
    """
    query = select(backups.c.damage, backups.c.created_at).where(
        backups.c.account_id == account_id, backups.c.app_id == app_id, backups.c.damage.is_not(None)
    )
    with catalog.read() as connection:
        damaged = connection.execute(query).all()
        wrong = [row.created_at for row in damaged if any(w.code == NOT_PROVED for w in _warnings.decode(row.damage))]
        if not wrong:
            return None
        # Of a finding so old that its event is gone, the backup itself is still known.
        return max(failed_at(connection, account_id, app_id, NOT_PROVED) or 0, *map(int, wrong))


def apps_to_retake(catalog: Catalog, node: str) -> list[str]:
    """Return a node's applications with damage found in a backup, and no new backup requested since."""
    query = (
        select(backups.c.account_id, backups.c.app_id)
        .join(apps, apps.c.id == backups.c.app_id)
        .where(backups.c.damage.is_not(None), backups.c.state == State.SUCCESSFUL, apps.c.node == node)
        .distinct()
    )
    wanted = []
    with catalog.read() as connection:
        for account_id, app_id in connection.execute(query).all():
            newest = select(func.max(backups.c.created_at)).where(
                backups.c.app_id == app_id, backups.c.origin != IMPORTED, backups.c.deleted_at.is_(None)
            )
            found_at = failed_at(connection, account_id, app_id)
            if found_at is not None and (connection.execute(newest).scalar() or 0) < found_at:
                wanted.append(app_id)
    return wanted
