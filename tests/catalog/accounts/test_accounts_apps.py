"""Accounts, applications and packs in the catalog, on each kind of database."""

from __future__ import annotations

import pytest
from kit.rows import account, app, backup, done

from holdfast.catalog.accounts import apps as app_rows
from holdfast.catalog.accounts import rows as account_rows
from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.records import SYSTEM
from holdfast.vault.errors import SessionFenced
from holdfast.vault.pack.ledger import PackRow


def pack(n: int) -> PackRow:
    return PackRow(n.to_bytes(32, "big"), 1, 2**33 + n, bytes(16), b"\x00table", n)


def test_accounts(catalog: Catalog) -> None:
    ana, ben = account(catalog), account(catalog, "ben")
    assert account_rows.all_accounts(catalog) == [ana, ben]
    assert account_rows.account_by_id(catalog, "ana") == ana
    assert account_rows.account_by_id(catalog, "zoe") is None
    account_rows.set_plan(catalog, "ana", "Bronze", 1, SYSTEM)
    assert [a.plan for a in account_rows.all_accounts(catalog)] == ["Bronze", "Silver"]
    with pytest.raises(account_rows.EmailTaken):
        account(catalog, "ana")


def test_apps(catalog: Catalog) -> None:
    account(catalog)
    account(catalog, "ben")
    bot, web, twin = app(catalog), app(catalog, "web"), app(catalog, "bot", "ben")
    assert app_rows.app_by_id(catalog, bot.id) == bot
    assert {a.id for a in app_rows.list_apps(catalog, None)} == {bot.id, web.id, twin.id}
    assert {a.id for a in app_rows.list_apps(catalog, "ana")} == {bot.id, web.id}
    assert {a.id for a in app_rows.find_apps(catalog, "bot")} == {bot.id, twin.id}
    assert app_rows.find_apps(catalog, web.id) == [web]
    with pytest.raises(app_rows.AppNameTaken):
        app(catalog)


def test_an_app_with_a_backup_is_not_removed(catalog: Catalog) -> None:
    account(catalog)
    bot, web = app(catalog), app(catalog, "web")
    insert_backup(catalog, backup(bot, 1), SYSTEM)
    with pytest.raises(app_rows.AppInUse):
        app_rows.delete_app(catalog, bot, 1, SYSTEM)
    app_rows.delete_app(catalog, web, 1, SYSTEM)
    assert app_rows.list_apps(catalog, None) == [bot]


def test_sums(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    assert account_rows.usage(catalog, "ana") == (0, 0)
    for number in (1, 2):
        done(catalog, bot, number)
    insert_backup(catalog, backup(bot, 3), SYSTEM)
    SqlLedger(catalog, "ana").publish(0, [pack(1), pack(2)])
    assert account_rows.usage(catalog, "ana") == (2, 2**34 + 3)


def test_packs_are_published_once_in_order_and_fenced(catalog: Catalog) -> None:
    account(catalog)
    account(catalog, "ben")
    ledger = SqlLedger(catalog, "ana")
    many = [pack(n) for n in range(450, 0, -1)]
    ledger.publish(0, many[:300])
    ledger.publish(0, many[250:])
    ledger.publish(0, [])
    assert ledger.live_pack_ids() == [p.pack_id for p in many]
    assert ledger.pack_rows([p.pack_id for p in reversed(many)] + [b"x" * 32]) == many[::-1]
    assert SqlLedger(catalog, "ben").live_pack_ids() == []
    with catalog.write() as connection:
        connection.execute(accounts.update().where(accounts.c.id == "ana").values(vault_epoch=1))
    assert ledger.epoch() == 1
    with pytest.raises(SessionFenced):
        ledger.publish(0, [pack(1000)])
    ledger.publish(1, [pack(1001)])
    assert ledger.live_pack_ids()[-1] == pack(1001).pack_id
    assert len(ledger.live_pack_ids()) == 451
