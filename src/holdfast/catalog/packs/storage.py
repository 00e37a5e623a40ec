"""The storage of an account, as retention judges it before it makes room."""

from __future__ import annotations

import msgspec
from sqlalchemy import exists, func, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, backups, facts, packs
from holdfast.catalog.packs.ledger import LIVE
from holdfast.catalog.packs.prune import claimed_until, name_of_claim
from holdfast.catalog.records import State


class Storage(msgspec.Struct, frozen=True):
    """The storage of an account. `is_measured`: it is known what the trash takes; `counted_bytes`: of the live packs
    without that; `is_nearly_full`: the account was told so, and it is still; `is_shrinking`: a deletion awaits a prune,
    or one is running."""

    is_measured: bool = False
    counted_bytes: int = 0
    is_nearly_full: bool = False
    is_shrinking: bool = False


def storage_of(catalog: Catalog, account_id: str, now_ns: int) -> Storage:
    """Return the storage of an account, of one that is gone an empty one. One query."""
    going = exists().where(backups.c.account_id == account_id, backups.c.state == State.DELETING)
    live = select(func.sum(packs.c.size)).where(packs.c.account_id == account_id, packs.c.state == LIVE)
    claim = select(facts.c.value).where(facts.c.name == name_of_claim(account_id))
    a = accounts.c
    query = select(
        *(a.trash_bytes, live.scalar_subquery(), a.nearly_full_at, a.prune_wanted_at, going, claim.scalar_subquery())
    ).where(a.id == account_id)
    with catalog.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        return Storage()
    trash, live_bytes, nearly_full_at, wanted_at, is_going, held = row
    is_wanted = wanted_at is not None and wanted_at <= now_ns
    is_pruned = held is not None and claimed_until(held) > now_ns
    return Storage(
        is_measured=trash is not None,
        counted_bytes=max(0, int(live_bytes or 0) - int(trash or 0)),
        is_nearly_full=nearly_full_at is not None,
        is_shrinking=bool(is_going) or is_wanted or is_pruned,
    )
