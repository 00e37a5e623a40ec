"""The standing of accounts: the worst of their applications', and lists by it that leave nobody out."""

from __future__ import annotations

from typing import Any

import pytest
from kit.rows import account, app, backup, done
from kit.world import World
from sqlalchemy import event

from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.run import fail_backup, start_backup
from holdfast.catalog.database.tables import accounts, apps, backups
from holdfast.catalog.records import SYSTEM, App
from holdfast.service.host import standing as pages
from holdfast.service.host.accounts import list_accounts
from holdfast.service.policy.standing import Kind

STANDS = {
    "a0": Kind.EMPTY,
    "a1": Kind.GOOD,
    "a2": Kind.FAILED,
    "a3": Kind.OVERDUE,
    "a4": Kind.DAMAGED,
    "a5": Kind.RUNNING,
    "a6": Kind.FIRST_RUNNING,
    "a7": Kind.WARNINGS,
    "a8": None,
    "a9": Kind.EMPTY,
    "b0": Kind.FAILED,
}


@pytest.fixture
def host(world: World) -> World:
    """An instance with an account that stands in each of these ways."""
    catalog = world.instance.catalog
    made: dict[str, App] = {}
    for name in STANDS:
        account(catalog, name)
        if name != "a0":
            made[name] = app(catalog, account_id=name)
    bot = {name: done(catalog, made[name], n) for n, name in enumerate(made, 1) if name != "a6"}
    app(catalog, "other", account_id="a2")
    for n, name in enumerate(("a2", "a5", "a6", "a8", "b0"), 50):
        insert_backup(catalog, backup(made[name], n), SYSTEM)
        if name != "a6":
            start_backup(catalog, f"{n:032x}", "main", 1)
        if name in ("a2", "a8", "b0"):
            fail_backup(catalog, f"{n:032x}", "STORE_FULL", "It is full.", 10**11, detail="The disk is full.")
    with catalog.write() as connection:
        late = {"overdue_at": world.clock.ns}
        connection.execute(apps.update().where(apps.c.account_id == "a3").values(late))
        note = '[{"path":"a","code":"DAMAGED","message":"x"}]'
        for name, values in (("a4", {"damage": note}), ("a7", {"warnings": note}), ("a9", {"origin": "imported"})):
            connection.execute(backups.update().where(backups.c.id == bot[name].id).values(values))
        connection.execute(accounts.update().where(accounts.c.id == "a8").values(ended_at=1))
        connection.execute(apps.update().where(apps.c.id == made["a2"].id).values(external_id="srv-2"))
    return world


def listed(host: World, kind: Kind | None, limit: int) -> list[str]:
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page, after = list_accounts(host.instance, after, limit, None, kind)
        assert len(page) <= limit
        found += [one.id for one in page if one.id in STANDS]
    return found


def test_an_account_stands_as_the_worst_of_its_applications(host: World) -> None:
    shown = {one.id: one.standing for one in list_accounts(host.instance, "", 200)[0]}
    kinds = {name: None if shown[name] is None else shown[name].kind for name in STANDS}  # type: ignore[union-attr]
    assert kinds == STANDS
    failed, empty = shown["a2"], shown["a0"]
    assert failed is not None
    assert empty is not None
    assert (failed.app, failed.code) == ("srv-2", "STORE_FULL")
    assert failed.facts.error is not None
    assert "The disk is full." in repr(failed.facts.error), "the host is told what the operator is"
    assert (empty.app_id, empty.app) == (None, None)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_list_by_standing_has_all_of_a_kind_on_its_pages(
    host: World, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "EXAMINED_MAX", 4)
    for kind in Kind:
        assert listed(host, kind, limit) == [name for name, stands in STANDS.items() if stands == kind], kind


def test_a_hundred_accounts_cost_as_many_queries_as_two(host: World) -> None:
    for n in range(100):
        app(host.instance.catalog, account_id=account(host.instance.catalog, f"c{n:02}").id)
    asked: list[str] = []

    def seen(_c: Any, _cursor: Any, text: str, _p: Any, _context: Any, _many: bool) -> None:
        asked.append(text)

    event.listen(host.instance.catalog.engine, "before_cursor_execute", seen)
    assert len(list_accounts(host.instance, "c", 2)[0]) == 2
    few = len(asked)
    assert len(list_accounts(host.instance, "c", 100)[0]) == 100
    assert len(asked) == 2 * few
