"""The vault's ledger in SQL: the live packs of an account, fenced by the account's epoch."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, backups, packs
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.records import Actor, State
from holdfast.vault.errors import SessionFenced
from holdfast.vault.pack.ledger import LedgerMoved, PackRow

LIVE = "live"
CONDEMNED = "condemned"
_ROWS_AT_ONCE = 200

REPAIRED_NAMED_MAX = 100
"""At most this many packs are named in an entry of the audit; their number counts all."""


def live_bytes(connection: Connection, account_id: str | None = None) -> int:
    """Return the bytes of the live packs of an account, or of all."""
    query = select(func.coalesce(func.sum(packs.c.size), 0)).where(packs.c.state == LIVE)
    if account_id is not None:
        query = query.where(packs.c.account_id == account_id)
    return int(connection.execute(query).scalar_one())


def counted_bytes(connection: Connection, account_id: str) -> int:
    """Return the bytes of an account that its plan's limit counts: of its live packs, without what the trash holds."""
    held = connection.execute(select(accounts.c.trash_bytes).where(accounts.c.id == account_id)).scalar() or 0
    return max(0, live_bytes(connection, account_id) - int(held))


def forget_trash_bytes(connection: Connection, account_id: str) -> None:
    """Record that the trash of an account has to be measured anew; an empty one is known to hold nothing."""
    in_trash = select(backups.c.id).where(
        backups.c.account_id == account_id, backups.c.deleted_at.is_not(None), backups.c.state == State.TRASHED
    )
    size = 0 if connection.execute(in_trash.limit(1)).first() is None else None
    connection.execute(accounts.update().where(accounts.c.id == account_id).values(trash_bytes=size))


class SqlLedger:
    """`vault.pack.ledger.Ledger` for one account."""

    def __init__(self, catalog: Catalog, account_id: str, repaired_by: Actor | None = None) -> None:
        """`repaired_by`: on whose behalf a check condemns packs; each transaction that does enters it in the audit."""
        self._catalog = catalog
        self._account_id = account_id
        self._repaired_by = repaired_by

    def epoch(self) -> int:
        with self._catalog.read() as connection:
            return int(
                connection.execute(select(accounts.c.vault_epoch).where(accounts.c.id == self._account_id)).scalar_one()
            )

    def live_pack_ids(self) -> list[bytes]:
        with self._catalog.read() as connection:
            rows = connection.execute(
                select(packs.c.pack_id)
                .where(packs.c.account_id == self._account_id, packs.c.state == LIVE)
                .order_by(packs.c.seq)
            ).all()
        return [row[0] for row in rows]

    def live_packs(self) -> list[tuple[bytes, int, int]]:
        with self._catalog.read() as connection:
            rows = connection.execute(
                select(packs.c.pack_id, packs.c.kind, packs.c.size)
                .where(packs.c.account_id == self._account_id, packs.c.state == LIVE)
                .order_by(packs.c.seq)
            ).all()
        return [(row[0], int(row[1]), int(row[2])) for row in rows]

    def live_stamp(self) -> tuple[int, ...]:
        # The sequence tells of packs that came, the epoch of those that were condemned, the rest of what a
        # reconciliation deletes; all of it stands in one index.
        live = packs.c.account_id == self._account_id, packs.c.state == LIVE
        counted = select(
            func.count(), func.coalesce(func.max(packs.c.seq), 0), func.coalesce(func.sum(packs.c.size), 0)
        )
        epoch = select(accounts.c.vault_epoch).where(accounts.c.id == self._account_id).scalar_subquery()
        with self._catalog.read() as connection:
            row = connection.execute(counted.add_columns(epoch).where(*live)).one()
        return tuple(map(int, row))

    def pack_rows(self, pack_ids: Sequence[bytes]) -> list[PackRow]:
        found: dict[bytes, PackRow] = {}
        with self._catalog.read() as connection:
            for start in range(0, len(pack_ids), _ROWS_AT_ONCE):
                rows = connection.execute(
                    select(
                        packs.c.pack_id, packs.c.kind, packs.c.size, packs.c.salt, packs.c.pack_table, packs.c.records
                    ).where(
                        packs.c.account_id == self._account_id,
                        packs.c.state == LIVE,
                        packs.c.pack_id.in_(pack_ids[start : start + _ROWS_AT_ONCE]),
                    )
                ).all()
                found.update((row[0], PackRow(*row)) for row in rows)
        return [found[pack_id] for pack_id in pack_ids if pack_id in found]

    def publish(self, epoch: int, packs_made: Sequence[PackRow]) -> None:
        with self._catalog.write() as connection:
            # The row is locked to the end of the transaction: prune advances the epoch before or after, never between.
            now = connection.execute(
                select(accounts.c.vault_epoch).where(accounts.c.id == self._account_id).with_for_update(key_share=True)
            ).scalar()
            if now != epoch:
                raise SessionFenced("The vault was pruned while this backup was running; it starts again.")
            there = {
                row[0]
                for row in connection.execute(
                    select(packs.c.pack_id).where(
                        packs.c.account_id == self._account_id, packs.c.pack_id.in_([p.pack_id for p in packs_made])
                    )
                )
            }
            self._enter(connection, [p for p in packs_made if p.pack_id not in there])

    def _enter(self, connection: Connection, fresh: Sequence[PackRow], condemned_at: int | None = None) -> None:
        if fresh:
            connection.execute(
                packs.insert(),
                [
                    {
                        "account_id": self._account_id,
                        "pack_id": p.pack_id,
                        "kind": p.kind,
                        "size": p.size,
                        "salt": p.salt,
                        "records": p.records,
                        "state": LIVE if condemned_at is None else CONDEMNED,
                        "condemned_at": condemned_at,
                        "pack_table": p.table,
                    }
                    for p in fresh
                ],
            )

    def reconcile(self, found: Sequence[PackRow], gone: Sequence[bytes]) -> None:
        """Record packs in the store as live, and delete the rows of those no longer there, in whatever state."""
        with self._catalog.write() as connection:
            self._enter(connection, found)
            for start in range(0, len(gone), _ROWS_AT_ONCE):
                some = gone[start : start + _ROWS_AT_ONCE]
                connection.execute(
                    packs.delete().where(packs.c.account_id == self._account_id, packs.c.pack_id.in_(some))
                )

    def marks(self) -> tuple[int, int]:
        with self._catalog.read() as connection:
            return self._marks(connection)

    def _marks(self, connection: Connection, *, hold: bool = False) -> tuple[int, int]:
        query = select(accounts.c.vault_epoch, accounts.c.vault_commits).where(accounts.c.id == self._account_id)
        row = connection.execute(query.with_for_update(key_share=True) if hold else query).one()
        return int(row[0]), int(row[1])

    def condemn(
        self,
        marks: tuple[int, int],
        pack_ids: Sequence[bytes],
        replacements: Sequence[PackRow],
        now_ns: int,
        left_behind: Sequence[tuple[bytes, int]] = (),
    ) -> None:
        gone = [*pack_ids, *(pack_id for pack_id, _ in left_behind)]
        with self._catalog.write() as connection:
            if self._marks(connection, hold=True) != marks:
                raise LedgerMoved("The vault changed while it was being pruned.")
            connection.execute(
                accounts.update().where(accounts.c.id == self._account_id).values(vault_epoch=marks[0] + 1)
            )
            known: set[bytes] = set()
            for start in range(0, len(gone), _ROWS_AT_ONCE):
                some = gone[start : start + _ROWS_AT_ONCE]
                these = packs.c.account_id == self._account_id, packs.c.pack_id.in_(some)
                known.update(row[0] for row in connection.execute(select(packs.c.pack_id).where(*these)))
                connection.execute(
                    packs.update().where(*these, packs.c.state == LIVE).values(state=CONDEMNED, condemned_at=now_ns)
                )
            strays = [PackRow(p, 0, size, b"", b"", 0) for p, size in left_behind if p not in known]
            self._enter(connection, strays, now_ns)
            self._enter(connection, replacements)
            if self._repaired_by is not None:
                self._enter_repaired(connection, self._repaired_by, gone, replacements, now_ns)

    def _enter_repaired(
        self, connection: Connection, by: Actor, gone: Sequence[bytes], made: Sequence[PackRow], now_ns: int
    ) -> None:
        """Enter the packs that a check took out of use, and how much of them, or of others, it saved."""
        named = [pack_id.hex() for pack_id in gone[:REPAIRED_NAMED_MAX]]
        data = {"packs": named, "count": len(gone), "saved_chunks": sum(pack.records for pack in made)}
        enter_audit(connection, Change(by, "account.repaired", self._account_id, data=data), now_ns)

    def condemned(self, before_ns: int | None = None) -> list[tuple[bytes, int]]:
        these = [packs.c.account_id == self._account_id, packs.c.state == CONDEMNED]
        if before_ns is not None:
            these.append(packs.c.condemned_at <= before_ns)
        with self._catalog.read() as connection:
            rows = connection.execute(
                select(packs.c.pack_id, packs.c.size).where(*these).order_by(packs.c.condemned_at, packs.c.seq)
            ).all()
        return [(row[0], int(row[1])) for row in rows]

    def forget(self, pack_ids: Sequence[bytes]) -> None:
        with self._catalog.write() as connection:
            for start in range(0, len(pack_ids), _ROWS_AT_ONCE):
                connection.execute(
                    packs.delete().where(
                        packs.c.account_id == self._account_id,
                        packs.c.state == CONDEMNED,
                        packs.c.pack_id.in_(pack_ids[start : start + _ROWS_AT_ONCE]),
                    )
                )


def condemned_since(catalog: Catalog, before: int) -> int:
    """Return the number of packs of all accounts that were condemned before a time and still exist."""
    with catalog.read() as connection:
        query = select(func.count()).where(packs.c.state == CONDEMNED, packs.c.condemned_at < before)
        return int(connection.execute(query).scalar_one())
