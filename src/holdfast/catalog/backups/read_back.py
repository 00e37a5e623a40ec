"""The rolling read-back in the catalog: the node that reads, the packs that are due, and their last good reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, zip_longest

import msgspec
from sqlalchemy import func, select

from holdfast.catalog.backups.found import BACKUP_COLUMNS, backup_of
from holdfast.catalog.backups.rebuild import ERASED
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, backups, facts, packs
from holdfast.catalog.packs.ledger import LIVE, live_bytes
from holdfast.catalog.records import Backup, State

_FACT = "read-back"
_ROWS_AT_ONCE = 200


class ReadBackLease(msgspec.Struct, frozen=True):
    """The node that reads the store back now. Times in nanoseconds.

    `until`: after that another node may; `hour_bytes`: how much is read in an hour, worked out at `counted_at`.
    """

    node: str
    until: int
    hour_bytes: int
    counted_at: int


class DuePack(msgspec.Struct, frozen=True):
    """A pack that is to be read back. `size` in bytes."""

    account_id: str
    pack_id: bytes
    size: int


def claim_lease(
    catalog: Catalog, node: str, now_ns: int, hold_ns: int, count_every_ns: int, hour_bytes: Callable[[int], int]
) -> ReadBackLease | None:
    """Claim the reading for `hold_ns`; return None when another node has it.

    `hour_bytes(bytes of all live packs)` is asked only every `count_every_ns`, as the sum is costly.
    """
    with catalog.write(durable=False) as connection:
        text = connection.execute(select(facts.c.value).where(facts.c.name == _FACT).with_for_update()).scalar()
        held = None if text is None else msgspec.json.decode(text, type=ReadBackLease)
        if held is not None and held.node != node and held.until > now_ns:
            return None
        if held is None or not held.counted_at <= now_ns < held.counted_at + count_every_ns:
            lease = ReadBackLease(node, now_ns + hold_ns, hour_bytes(live_bytes(connection)), now_ns)
        else:
            lease = ReadBackLease(node, now_ns + hold_ns, held.hour_bytes, held.counted_at)
        value = msgspec.json.encode(lease).decode()
        if held is None:
            connection.execute(facts.insert().values(name=_FACT, value=value))
        else:
            connection.execute(facts.update().where(facts.c.name == _FACT).values(value=value))
        return lease


def read_since(catalog: Catalog, since: int) -> int:
    """Return the bytes of live packs that were read back since a time."""
    query = select(func.coalesce(func.sum(packs.c.size), 0)).where(packs.c.state == LIVE, packs.c.read_at > since)
    with catalog.read() as connection:
        return int(connection.execute(query).scalar_one())


def due_packs(catalog: Catalog, read_before: int, limit: int) -> list[DuePack]:
    """Live packs that were never read back, and those not since `read_before`, oldest first: in turn one of each.

    So neither new packs nor old ones starve where more is written than there is time to read.
    """
    columns = packs.c.account_id, packs.c.pack_id, packs.c.size
    # Of an account that was erased nothing can be read; its packs go as soon as that is finished.
    with_keys = packs.c.account_id == accounts.c.id, accounts.c.data_key_sealed != ERASED
    live = select(*columns).where(packs.c.state == LIVE, *with_keys).limit(limit)
    with catalog.read() as connection:
        unread = connection.execute(live.where(packs.c.read_at.is_(None)).order_by(packs.c.seq)).all()
        old = connection.execute(live.where(packs.c.read_at < read_before).order_by(packs.c.read_at)).all()
    mixed = [row for row in chain.from_iterable(zip_longest(unread, old)) if row is not None]
    return [DuePack(row[0], row[1], int(row[2])) for row in mixed[:limit]]


def mark_read(catalog: Catalog, account_id: str, pack_ids: Sequence[bytes], read_at: int) -> None:
    """Record that packs were read back whole and found good; never an earlier time than before."""
    with catalog.write() as connection:
        for start in range(0, len(pack_ids), _ROWS_AT_ONCE):
            connection.execute(
                packs.update()
                .where(
                    packs.c.account_id == account_id,
                    packs.c.pack_id.in_(pack_ids[start : start + _ROWS_AT_ONCE]),
                    packs.c.state == LIVE,
                    func.coalesce(packs.c.read_at, 0) < read_at,
                )
                .values(read_at=read_at)
            )


def all_read_at(catalog: Catalog, account_id: str) -> int | None:
    """Return the time since which all live packs of an account were read back and found good; None: not all were."""
    query = select(func.count(), func.count(packs.c.read_at), func.min(packs.c.read_at)).where(
        packs.c.account_id == account_id, packs.c.state == LIVE
    )
    with catalog.read() as connection:
        count, read, oldest = connection.execute(query).one()
    return None if oldest is None or read < count else int(oldest)


def not_verified_since(catalog: Catalog, account_id: str, made_by: int, verified_before: int) -> list[Backup]:
    """Sound successful backups of an account that were finished by a time, and last verified before one, or never."""
    query = (
        select(*BACKUP_COLUMNS)
        .where(
            backups.c.account_id == account_id,
            backups.c.state == State.SUCCESSFUL,
            backups.c.damage.is_(None),
            backups.c.finished_at <= made_by,
            func.coalesce(backups.c.verified_at, 0) < verified_before,
        )
        .order_by(func.coalesce(backups.c.verified_at, 0), backups.c.created_at)
    )
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]
