"""The audit: who changed what, entered in the transaction of the change, so that none is without the other.

Entries of one account get their numbers in the order in which they are committed, as events do: whoever reads page by
page misses none that was committed late. Those of the instance itself (without an account) have no such order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from holdfast.catalog.database.access_tables import audit
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.records import Actor, ActorKind, AuditEntry, AuditFilter

_COLUMNS = (
    audit.c.seq,
    audit.c.at,
    audit.c.account_id,
    audit.c.actor_kind,
    audit.c.actor_id,
    audit.c.actor_name,
    audit.c.ip,
    audit.c.action,
    audit.c.app_id,
    audit.c.backup_id,
    audit.c.job_id,
    audit.c.data,
)


class Change(msgspec.Struct, frozen=True):
    """A change that is about to be made. `action`: as `key.created`; `data`: before and after, never a secret."""

    by: Actor
    action: str
    account_id: str | None = None
    app_id: str | None = None
    backup_id: str | None = None
    job_id: str | None = None
    data: dict[str, Any] = {}


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a change: what differs, as it was and as it is."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "before": {name: before[name] for name in names if name in before},
        "after": {name: after[name] for name in names if name in after},
    }


def enter_audit(connection: Connection, change: Change, at: int) -> int:
    """Enter a change in its own transaction; return the entry's number. `at`: nanoseconds.

    Whoever changes an application too must hold its row by now, as this holds its account's.
    """
    if change.account_id is not None and connection.dialect.name != "sqlite":
        # Held until the commit, so that numbers are committed in their order; SQLite has one writer at a time anyway.
        hold_account(connection, change.account_id)
    entered = connection.execute(audit.insert().values(_values(change, at)))
    assert entered.inserted_primary_key is not None
    return int(entered.inserted_primary_key[0])


def enter_audits(connection: Connection, changes: Sequence[Change], at: int) -> None:
    """Enter many changes in their own transaction, in their order. The rows of their accounts are held by now."""
    if changes:
        connection.execute(audit.insert(), [_values(change, at) for change in changes])


def _values(change: Change, at: int) -> dict[str, Any]:
    return {
        "at": at,
        "account_id": change.account_id,
        "actor_kind": change.by.kind,
        "actor_id": change.by.id,
        "actor_name": change.by.name,
        "ip": change.by.ip,
        "action": change.action,
        "app_id": change.app_id,
        "backup_id": change.backup_id,
        "job_id": change.job_id,
        "data": msgspec.json.encode(change.data).decode(),
    }


def store_downloads(catalog: Catalog, downloads: Sequence[tuple[int | None, Change, int]]) -> list[int]:
    """Enter downloads, each with its number so far (None: it has no entry yet), its change and when it began.

    Return their numbers. The transaction may be lost in a power cut.
    """
    with catalog.write(durable=False) as connection:
        numbers: dict[int, int] = {}
        # By account, so that two processes that enter many at once take the accounts' rows in one order.
        for place in sorted(range(len(downloads)), key=lambda i: downloads[i][1].account_id or ""):
            seq, change, began_at = downloads[place]
            if seq is None:
                numbers[place] = enter_audit(connection, change, began_at)
            else:
                text = msgspec.json.encode(change.data).decode()
                connection.execute(audit.update().where(audit.c.seq == seq).values(data=text))
                numbers[place] = seq
        return [numbers[place] for place in range(len(downloads))]


def record_change(catalog: Catalog, change: Change, at: int) -> None:
    """Enter a change of something outside the catalog, in a transaction of its own."""
    with catalog.write() as connection:
        enter_audit(connection, change, at)


def entries(catalog: Catalog, wanted: AuditFilter, limit: int, before_seq: int | None = None) -> list[AuditEntry]:
    """Return entries, newest first, at most `limit`; with `before_seq` only those with lower numbers."""
    query = select(*_COLUMNS).order_by(audit.c.seq.desc()).limit(limit)
    for column, value in (
        (audit.c.account_id, wanted.account_id),
        (audit.c.app_id, wanted.app_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.app_ids is not None:
        query = query.where(audit.c.app_id.in_(wanted.app_ids))
    if wanted.actor is not None:
        is_kind = wanted.actor in tuple(ActorKind)
        same = (audit.c.actor_id == wanted.actor) | (audit.c.actor_name == wanted.actor)
        query = query.where(audit.c.actor_kind == wanted.actor if is_kind else same)
    if wanted.action is not None:
        is_noun = wanted.action.endswith(".")
        query = query.where(
            audit.c.action.startswith(wanted.action, autoescape=True) if is_noun else audit.c.action == wanted.action
        )
    if wanted.since is not None:
        query = query.where(audit.c.at >= wanted.since)
    if before_seq is not None:
        query = query.where(audit.c.seq < before_seq)
    with catalog.read() as connection:
        return [_entry_of(tuple(row)) for row in connection.execute(query).all()]


def forget_audit(catalog: Catalog, before: int, limit: int) -> int:
    """Remove entries from before a time (nanoseconds), at most `limit`; return their number."""
    old = select(audit.c.seq).where(audit.c.at < before).order_by(audit.c.at).limit(limit)
    with catalog.write() as connection:
        return connection.execute(audit.delete().where(audit.c.seq.in_(old.scalar_subquery()))).rowcount


def erase_audit(connection: Connection, account_id: str) -> None:
    """Remove all entries of an account that is being erased: they name people, addresses and backups."""
    connection.execute(audit.delete().where(audit.c.account_id == account_id))


def _entry_of(row: tuple[Any, ...]) -> AuditEntry:
    seq, at, account_id, kind, actor_id, name, ip, action, app_id, backup_id, job_id, data = row
    actor = Actor(ActorKind(kind), actor_id, name, ip)
    return AuditEntry(seq, at, account_id, actor, action, app_id, backup_id, job_id, msgspec.json.decode(data))
