"""The audit: who changed what, entered in the transaction of the change, so that none is without the other.

Entries of one account get their numbers in the order in which they are committed, as events do: whoever reads page by
page misses none that was committed late. Those of the instance itself (without an account) have no such order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from holdfast.catalog.database.access_tables import audit
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.records import Actor, ActorKind, AuditEntry

PRIVATE = "operator"
"""The name in an entry's data of what only the operator may read: paths and nodes of his machines."""

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


class Wanted(msgspec.Struct, frozen=True):
    """The entries that somebody asks for. None asks for all; `actor`: a kind, an id or a name; `since`: nanoseconds.

    `action`: one, or with a dot at its end all of a noun, as `backup.`.
    """

    account_id: str | None = None
    app_id: str | None = None
    app_ids: Collection[str] | None = None
    actor: str | None = None
    action: str | None = None
    since: int | None = None


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a change: what differs, as it was and as it is."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "before": {name: before[name] for name in names if name in before},
        "after": {name: after[name] for name in names if name in after},
    }


def enter_audit(connection: Connection, change: Change, at: int) -> None:
    """Enter a change in its own transaction. `at`: nanoseconds.

    Whoever changes an application too must hold its row by now, as this holds its account's.
    """
    if change.account_id is not None and connection.dialect.name != "sqlite":
        # Held until the commit, so that numbers are committed in their order; SQLite has one writer at a time anyway.
        held = select(accounts.c.id).where(accounts.c.id == change.account_id)
        connection.execute(held.with_for_update(key_share=True))
    connection.execute(
        audit.insert().values(
            at=at,
            account_id=change.account_id,
            actor_kind=change.by.kind,
            actor_id=change.by.id,
            actor_name=change.by.name,
            ip=change.by.ip,
            action=change.action,
            app_id=change.app_id,
            backup_id=change.backup_id,
            job_id=change.job_id,
            data=msgspec.json.encode(change.data).decode(),
        )
    )


def record_change(catalog: Catalog, change: Change, at: int) -> None:
    """Enter a change of something outside the catalog, in a transaction of its own."""
    with catalog.write() as connection:
        enter_audit(connection, change, at)


def entries(catalog: Catalog, wanted: Wanted, limit: int, before_seq: int | None = None) -> list[AuditEntry]:
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
        return [_entry_of(row._tuple()) for row in connection.execute(query).all()]


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
