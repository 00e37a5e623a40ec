"""Accounts, keys, plans, applications."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.counted import counted
from kit.world import World

from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import Conflict, Invalid, NotFound, UpgradeRequired
from holdfast.service.registry import accounts, apps
from holdfast.service.registry.trash import delete_backup


def test_plans(world: World) -> None:
    with pytest.raises(Invalid, match="Bronze, Silver, Titanium, Essential"):
        accounts.add_account(world.instance, "x@y.example", "Gold", SYSTEM)
    accounts.require_api_backups(world.instance, world.account)
    lower = accounts.set_plan(world.instance, world.account.id, "Bronze", SYSTEM)
    with pytest.raises(UpgradeRequired):
        accounts.require_api_backups(world.instance, lower)


def test_a_list_of_all_accounts_says_what_each_says_of_itself(world: World) -> None:
    """With backups, with some in the trash, and without any; by as many queries for nine as for two."""
    world.take()
    (world.root / "more").write_bytes(bytes(range(256)) * 1_000)
    delete_backup(world.instance, world.take(), SYSTEM)
    took = []
    for several in (["x"], [f"x{number}" for number in range(7)]):
        for name in several:
            accounts.add_account(world.instance, f"{name}@example.org", "Silver", SYSTEM)
        with counted(world.instance) as statements:
            listed = accounts.list_with_usage(world.instance)
        took.append(len(statements))
        assert [account for account, _, _ in listed] == accounts.list_accounts(world.instance)
        assert [tuple(used) for _, *used in listed] == [accounts.usage(world.instance, a) for a, _, _ in listed]
    assert took[0] == took[1]
    backups, stored = next((backups, stored) for account, backups, stored in listed if account.id == world.account.id)
    assert backups == 1
    assert stored > 0


def test_an_account_that_cannot_be(world: World) -> None:
    with pytest.raises(Invalid):
        accounts.add_account(world.instance, "no address", "Silver", SYSTEM)
    with pytest.raises(Conflict):
        accounts.add_account(world.instance, "ana@example.com", "Silver", SYSTEM)
    with pytest.raises(NotFound):
        accounts.get_account(world.instance, "nobody")


def test_secrets_do_not_stand_in_the_catalog(world: World) -> None:
    world.take()
    raw = b"".join(p.read_bytes() for p in world.instance.home.glob("catalog.sqlite*"))
    secret = world.api_key.removeprefix("hf_")
    assert secret.encode() not in raw
    assert bytes.fromhex(secret[:64]) not in raw


def test_apps(world: World, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", world.root / "a.txt", world.instance.home, world.instance.home / "store"):
        with pytest.raises(Invalid) as caught:
            apps.add_app(world.instance, world.account.id, "x", path, SYSTEM)
        assert caught.value.code == "INVALID_PATH"
    with pytest.raises(Conflict):
        apps.add_app(world.instance, world.account.id, "bot", tmp_path, SYSTEM)
    other = accounts.add_account(world.instance, "b@example.com", "Silver", SYSTEM).account
    twin = apps.add_app(world.instance, other.id, "bot", world.root, SYSTEM)
    with pytest.raises(Conflict, match="use the id"):
        apps.find_app(world.instance, "bot")
    assert apps.find_app(world.instance, twin.id) == twin
    with pytest.raises(NotFound):
        apps.get_app(world.instance, world.account.id, twin.id)


def test_removing_an_app_removes_its_backups_and_not_its_data(world: World) -> None:
    world.take()
    assert apps.remove_app(world.instance, world.app, SYSTEM) == 1
    assert apps.list_apps(world.instance) == []
    assert (world.root / "a.txt").exists()
    assert list(world.instance.vault_store(world.account.id).list("backups/")) == []
