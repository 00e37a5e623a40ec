"""Prunes in the catalog: the account whose vault is next, and the node that prunes it.

`accounts.prune_wanted_at` is the time from which on a prune has something to gain: when a backup was deleted, or when
the grace of condemned packs ends. Before a prune reads anything, that time is moved on (`begin_prune`), so a deletion
during the prune is distinguished from those that it saw. Who prunes holds a claim, a fact with an end, so that a node
that died blocks the others only for a while.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, func, or_, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.database.tables import accounts, backups, facts, packs
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.packs.ledger import CONDEMNED
from holdfast.catalog.records import State

_UNDER_WAY = (State.QUEUED, State.RUNNING)
_DUE_MAX = 100


def due_prunes(catalog: Catalog, *, settled_before: int, impatient_before: int) -> list[str]:
    """Return the ids of accounts whose prune is due, the one that waited longest first.

    Due is what was wanted at or before `settled_before`, of an account of which no backup is being made; one that was
    wanted at or before `impatient_before` in any case.
    """
    making = exists().where(backups.c.account_id == accounts.c.id, backups.c.state.in_(_UNDER_WAY))
    query = (
        select(accounts.c.id)
        .where(
            accounts.c.prune_wanted_at <= settled_before,
            or_(~making, accounts.c.prune_wanted_at <= impatient_before),
        )
        .order_by(accounts.c.prune_wanted_at, accounts.c.id)
        .limit(_DUE_MAX)
    )
    with catalog.read() as connection:
        return [row[0] for row in connection.execute(query)]


def claim_prune(catalog: Catalog, account_id: str, node: str, now_ns: int, until_ns: int) -> bool:
    """Claim an account's vault for one prune, until `until_ns` or `end_claim`. False: another node has it.

    A claim of the same node is taken over: who asks holds the node's own lock, so that one's process is dead.
    """
    with catalog.write() as connection:
        # Held to the end: of two nodes that claim at once, one sees what the other wrote.
        hold_account(connection, account_id)
        held = _claim_of(connection, account_id)
        if held is not None and held[0] > now_ns and held[1] != node:
            return False
        connection.execute(facts.delete().where(facts.c.name == name_of_claim(account_id)))
        connection.execute(facts.insert().values(name=name_of_claim(account_id), value=f"{until_ns} {node}"))
        return True


def end_claim(catalog: Catalog, account_id: str) -> None:
    """Release the claim, so that others may prune the account."""
    with catalog.write() as connection:
        connection.execute(facts.delete().where(facts.c.name == name_of_claim(account_id)))


def _claim_of(connection: Connection, account_id: str) -> tuple[int, str] | None:
    """(until when, node) of a claim."""
    value = connection.execute(select(facts.c.value).where(facts.c.name == name_of_claim(account_id))).scalar()
    if value is None:
        return None
    return claimed_until(value), value.partition(" ")[2]


def claimed_until(value: str) -> int:
    """Return when a claim ends, in nanoseconds, of the fact's value."""
    return int(value.partition(" ")[0])


def name_of_claim(account_id: str) -> str:
    """Return the name of the fact that is the claim of an account."""
    return f"prune {account_id}"


def begin_prune(catalog: Catalog, account_id: str, again_at: int) -> None:
    """Record that a prune starts: if it never ends, it is due again at `again_at`."""
    with catalog.write() as connection:
        connection.execute(accounts.update().where(accounts.c.id == account_id).values(prune_wanted_at=again_at))


def end_prune(
    catalog: Catalog,
    account_id: str,
    again_at: int,
    next_at: int | None,
    now_ns: int = 0,
    change: Change | None = None,
) -> None:
    """Record the end of a prune: the next is due at `next_at`, or sooner for a deletion that it did not see.

    `change`: what it did, for the audit; None: it threw nothing away.
    """
    with catalog.write() as connection:
        if change is not None:
            enter_audit(connection, change, now_ns)
        connection.execute(
            accounts.update()
            .where(accounts.c.id == account_id, accounts.c.prune_wanted_at == again_at)
            .values(prune_wanted_at=next_at)
        )


def want_prune(catalog: Catalog, account_id: str, at: int, change: Change | None = None) -> None:
    """Request a prune of an account at a time, or earlier if that was requested before.

    `change`: why there is something to gain, for the audit.
    """
    with catalog.write() as connection:
        if change is not None:
            enter_audit(connection, change, at)
        enter_wanted(connection, account_id, at)


def enter_wanted(connection: Connection, account_id: str, at: int) -> None:
    """Request a prune within an open transaction."""
    sooner = or_(accounts.c.prune_wanted_at.is_(None), accounts.c.prune_wanted_at > at)
    connection.execute(accounts.update().where(accounts.c.id == account_id, sooner).values(prune_wanted_at=at))


def want_sweeps(catalog: Catalog, condemned_before: int, now_ns: int) -> None:
    """Request a prune of accounts without one that have packs which may be deleted by now."""
    waiting = exists().where(
        packs.c.account_id == accounts.c.id, packs.c.state == CONDEMNED, packs.c.condemned_at <= condemned_before
    )
    with catalog.read() as connection:
        found = connection.execute(select(accounts.c.id).where(accounts.c.prune_wanted_at.is_(None), waiting)).all()
    for (account_id,) in found:
        want_prune(catalog, account_id, now_ns)


def first_condemned_at(catalog: Catalog, account_id: str) -> int | None:
    """Return the time at which the oldest of an account's condemned packs was condemned; None without any."""
    with catalog.read() as connection:
        found: int | None = connection.execute(
            select(func.min(packs.c.condemned_at)).where(packs.c.account_id == account_id, packs.c.state == CONDEMNED)
        ).scalar()
        return found


def is_making(catalog: Catalog, account_id: str) -> bool:
    """Return True if a backup of the account is running."""
    query = select(backups.c.id).where(backups.c.account_id == account_id, backups.c.state.in_(_UNDER_WAY)).limit(1)
    with catalog.read() as connection:
        return connection.execute(query).first() is not None
