"""The ledger in SQL behaves as the one in memory, and fences by epoch."""

from __future__ import annotations

import pytest
from kit.memory_ledger import MemoryLedger
from kit.world import World

from holdfast.catalog.database.tables import accounts
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.records import SYSTEM
from holdfast.vault.errors import SessionFenced
from holdfast.vault.pack.ledger import Ledger, PackRow


def row(n: int) -> PackRow:
    return PackRow(bytes([n]) * 32, 1 + n % 2, 1000 + n, bytes([n]) * 16, b"table" * n, n)


@pytest.fixture(params=["memory", "sql"])
def ledger(request: pytest.FixtureRequest, world: World) -> Ledger:
    return MemoryLedger() if request.param == "memory" else SqlLedger(world.instance.catalog, world.account.id)


def test_packs_come_back_in_the_order_of_publishing(ledger: Ledger) -> None:
    assert ledger.live_pack_ids() == []
    ledger.publish(ledger.epoch(), [row(3), row(1)])
    ledger.publish(ledger.epoch(), [row(2)])
    assert ledger.live_pack_ids() == [row(n).pack_id for n in (3, 1, 2)]
    assert ledger.pack_rows([row(2).pack_id, b"x" * 32, row(3).pack_id]) == [row(2), row(3)]


def test_publishing_twice_is_fine(ledger: Ledger) -> None:
    ledger.publish(0, [row(1)])
    ledger.publish(0, [row(1), row(2)])
    assert len(ledger.live_pack_ids()) == 2


def test_another_epoch_publishes_nothing(ledger: Ledger, world: World) -> None:
    if isinstance(ledger, MemoryLedger):
        ledger.fence()
    else:
        with world.instance.catalog.write() as connection:
            connection.execute(accounts.update().values(vault_epoch=1))
    with pytest.raises(SessionFenced):
        ledger.publish(0, [row(1)])
    assert ledger.live_pack_ids() == []
    ledger.publish(1, [row(1)])


def test_accounts_do_not_see_each_other(world: World) -> None:
    from holdfast.service.registry.accounts import add_account

    other = add_account(world.instance, "b@example.com", "Silver", SYSTEM).account
    SqlLedger(world.instance.catalog, world.account.id).publish(0, [row(1)])
    theirs = SqlLedger(world.instance.catalog, other.id)
    assert theirs.live_pack_ids() == []
    assert theirs.pack_rows([row(1).pack_id]) == []
    theirs.publish(0, [row(1)])


def test_a_question_about_one_account_reads_its_packs_alone(world: World) -> None:
    """SQLite's own plan: by state alone, each such question would read the packs of the whole instance."""
    with world.instance.catalog.read() as connection:
        (step,) = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT sum(size) FROM packs WHERE state = 'live' AND account_id = 'a'"
        ).all()
    assert step[3] == "SEARCH packs USING COVERING INDEX ix_packs_account (account_id=? AND state=?)"
