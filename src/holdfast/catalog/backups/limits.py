"""The counts for a price plan's limits, read in the transaction that records a backup.

Counted are the customer's manual requests of the last day, from the events: so a backup that was deleted since still
counts, and one that failed or was cancelled does not. The operator's do not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, case, func, select

from holdfast.catalog.backups.retention import BY_HAND, Candidate, candidates_in
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, backups, events, kept_backups, packs
from holdfast.catalog.packs.ledger import LIVE, counted_bytes
from holdfast.catalog.records import EventKind, State
from holdfast.units import HOUR_NS


@dataclass(frozen=True, slots=True)
class Counts:
    """The recent backups of an account. Times in nanoseconds, oldest first; the one being recorded is not included."""

    plan: str
    app_times: tuple[int, ...]
    """Times at which the customer requested backups of the application by hand."""
    account_times: tuple[int, ...]
    """The same of all of the account's applications."""
    live_bytes: int
    """Of its live packs, without what the trash holds."""
    backups: tuple[Candidate, ...]
    """Those of the application."""


_DISORDER_NS = HOUR_NS
"""At most so far apart are the times of two events that are numbered in the other order; a transaction is shorter."""


class _Asked(msgspec.Struct, frozen=True):
    origin: str = ""
    is_operators: bool = False

    @property
    def is_customers(self) -> bool:
        """True for a backup that counts: the customer requested it by hand."""
        return self.origin in BY_HAND and not self.is_operators


_asked = msgspec.json.Decoder(_Asked)


def counts_of(catalog: Catalog, account_id: str, app_id: str, since: int) -> Counts:
    """Return the current counts, for display and for an early check. Raises CatalogError."""
    with catalog.read() as connection:
        return counted(connection, account_id, app_id, since)


def counted(
    connection: Connection, account_id: str, app_id: str, since: int, *, but: str = "", hold: bool = False
) -> Counts:
    """Return the counts since a time, leaving out the backup `but`.

    `hold`: the account's row is held to the end of the transaction, so that of two requests one sees the other.
    """
    plan_query = select(accounts.c.plan).where(accounts.c.id == account_id)
    plan = connection.execute(plan_query.with_for_update(key_share=True) if hold else plan_query).scalar_one()
    times = [(at, of_app) for _, of_app, at in _asked_since(connection, (account_id,), since, but)]
    return Counts(
        plan=plan,
        app_times=tuple(sorted(at for at, of_app in times if of_app == app_id)),
        account_times=tuple(sorted(at for at, _ in times)),
        live_bytes=counted_bytes(connection, account_id),
        backups=tuple(candidates_in(connection, app_id=app_id)),
    )


def account_times(catalog: Catalog, account_ids: Collection[str], since: int) -> dict[str, tuple[int, ...]]:
    """Return for accounts what `Counts.account_times` has; of those that requested any since a time."""
    found: dict[str, list[int]] = {}
    if not account_ids:
        return {}
    with catalog.read() as connection:
        for account_id, _, at in _asked_since(connection, account_ids, since):
            found.setdefault(account_id, []).append(at)
    return {account_id: tuple(sorted(times)) for account_id, times in found.items()}


class Held(msgspec.Struct, frozen=True):
    """The backups of an account: the good ones, those in its trash, and the bytes that these take; and the bytes of its
    live packs without them."""

    backups: int = 0
    trash_backups: int = 0
    trash_bytes: int = 0
    counted_bytes: int = 0


_BY_KEPT = "INDEXED BY ix_backups_kept", "sqlite"
"""SQLite would take the index by account, which also holds what is not counted, and read each row."""


def held_by(catalog: Catalog, account_ids: Collection[str]) -> dict[str, Held]:
    """Return for accounts what they hold, by their ids. One query."""
    b = backups.c
    in_trash = and_(b.state == State.TRASHED, b.deleted_at.is_not(None))
    good, trashed = (func.sum(case((one, 1), else_=0)) for one in (b.state == State.SUCCESSFUL, in_trash))
    counts = select(b.account_id, good.label("good"), trashed.label("trashed"))
    counts = counts.where(kept_backups, b.account_id.in_(account_ids)).with_hint(backups, *_BY_KEPT)
    of_account = counts.group_by(b.account_id).subquery("of_account")
    live = select(packs.c.account_id, func.sum(packs.c.size).label("bytes"))
    is_live = packs.c.account_id.in_(account_ids), packs.c.state == LIVE
    stored = live.where(*is_live).group_by(packs.c.account_id).subquery("stored")
    query = (
        select(accounts.c.id, of_account.c.good, of_account.c.trashed, accounts.c.trash_bytes, stored.c.bytes)
        .outerjoin(of_account, of_account.c.account_id == accounts.c.id)
        .outerjoin(stored, stored.c.account_id == accounts.c.id)
        .where(accounts.c.id.in_(account_ids))
    )
    with catalog.read() as connection:
        rows = [(row[0], *(int(number or 0) for number in row[1:])) for row in connection.execute(query)]
    return {row[0]: Held(row[1], row[2], row[3], max(0, row[4] - row[3])) for row in rows}


def _asked_since(
    connection: Connection, account_ids: Collection[str], since: int, but: str = ""
) -> Iterable[tuple[str, str, int]]:
    """Return account, application and time of the backups that count, leaving out the backup `but`."""
    asked: dict[str, tuple[str, str, int]] = {}
    for kind, at, account_id, app_id, backup_id, data in connection.execute(_events(account_ids, since)):
        if kind == EventKind.BACKUP_FAILED:
            asked.pop(backup_id, None)
        elif backup_id != but and at >= since and _asked.decode(data).is_customers:
            asked[backup_id] = (account_id, app_id, int(at))
    return asked.values()


def _events(account_ids: Collection[str], since: int) -> Select[Any]:
    """Queued and failed backups of accounts, in the order in which they were entered."""
    # An event gets its number after its time, so two may be numbered in the other order: the search for the account's
    # starts where nothing that counts can stand before.
    earlier = select(events.c.seq).where(events.c.at < since - _DISORDER_NS)
    last = earlier.order_by(events.c.at.desc()).limit(1).scalar_subquery()
    return (
        select(events.c.kind, events.c.at, events.c.account_id, events.c.app_id, events.c.backup_id, events.c.data)
        .where(
            events.c.account_id.in_(account_ids),
            events.c.seq > func.coalesce(last, 0),
            events.c.kind.in_((EventKind.BACKUP_QUEUED, EventKind.BACKUP_FAILED)),
        )
        .order_by(events.c.seq)
    )
