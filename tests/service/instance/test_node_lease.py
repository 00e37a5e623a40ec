"""A node's name belongs to one home: two with one name would end each other's work."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from holdfast.catalog.backups.changes.run import start_backup
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.database.leases import NodeHolder
from holdfast.catalog.database.tables import facts
from holdfast.catalog.records import SYSTEM, State
from holdfast.service.errors import Conflict
from holdfast.service.instance.home import Instance, create_instance, open_instance
from holdfast.service.instance.locks import held
from holdfast.service.instance.node_lease import NodeLease, home_id
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.take.failing import recover_backups, take_lock
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup

HOUR = 3600


@pytest.fixture(params=["sqlite", "postgresql"])
def homes(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Instance, Instance]]:
    """Two homes with one catalog, one store and the same node's name."""
    sqlite = f"sqlite+pysqlite:///{tmp_path}/shared.sqlite"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgresql")()
    monkeypatch.setenv("HOLDFAST_CATALOG_URL", url)
    create_instance(tmp_path / "one", time_zone="Europe/Berlin").close()
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("store"))
    (tmp_path / "two" / "store").symlink_to(tmp_path / "one" / "store")
    one, two = open_instance(tmp_path / "one"), open_instance(tmp_path / "two")
    yield one, two
    one.close()
    two.close()


def lease(instance: Instance, *while_it_watches: object) -> NodeLease:
    """A lease as a process of the instance's home has it, whose waits are calls."""
    calls = [call for call in while_it_watches if callable(call)]
    made = NodeLease(
        instance.catalog,
        instance.home,
        instance.config.node,
        is_needed=True,
        watch=lambda seconds: [call() for call in calls],
    )
    made.on_lost = lambda: None
    return made


def set_back(instance: Instance, seconds: int) -> None:
    """Have the lease's last renewal be so long ago, as the database's clock tells."""
    with instance.catalog.write() as connection:
        name, value = connection.execute(select(facts).where(facts.c.name.like("node %"))).one()
        holder = msgspec.json.decode(value, type=NodeHolder)
        changed = msgspec.structs.replace(holder, at=holder.at - seconds)
        connection.execute(
            update(facts).where(facts.c.name == name).values(value=msgspec.json.encode(changed).decode())
        )


def refused(holding: NodeLease) -> bool:
    try:
        holding.hold()
    except Conflict as error:
        refusal = error
    else:
        return False
    finally:
        holding.close()
    assert refusal.code == "NODE_TAKEN"
    assert "set another `node`" in refusal.message
    return True


def test_a_second_home_ends_nothing_of_the_first(homes: tuple[Instance, Instance], tmp_path: Path) -> None:
    one, two = homes
    root = tmp_path / "app"
    root.mkdir()
    app = add_app(one, add_account(one, "ana@example.com", "Silver", SYSTEM).account.id, "bot", root, SYSTEM)
    recover_backups(one)
    backup, _ = request_backup(one, app.id, SYSTEM)
    with held(one, take_lock(backup.id)):
        assert start_backup(one.catalog, backup.id, one.config.node, one.clock.now_ns())
        with pytest.raises(Conflict, match="Another home"):
            recover_backups(two)
        found = backup_by_id(one.catalog, backup.id)
        assert found is not None
        assert found.state is State.RUNNING
    with pytest.raises(Conflict, match="Another home"):
        run_backup(two, backup.id)


def test_the_same_home_has_its_name_again_at_once(homes: tuple[Instance, Instance]) -> None:
    """Also after a kill -9, which renews and ends nothing; and with the clock anywhere."""
    one, two = homes
    one.node_lease.hold()
    for jump in (0, HOUR, -2 * HOUR):
        set_back(one, jump)
        assert not refused(lease(one))
    assert refused(lease(two))


def test_a_home_that_is_gone_loses_it(homes: tuple[Instance, Instance]) -> None:
    one, two = homes
    first = lease(one)
    assert not refused(first)
    set_back(one, HOUR)
    assert not refused(lease(two))
    assert not first.renew()
    assert refused(lease(one))


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_jumps_gives_nothing_away(homes: tuple[Instance, Instance], jump: int) -> None:
    one, two = homes
    first = lease(one)
    assert not refused(first)
    set_back(one, jump)
    assert refused(lease(two, first.renew))
    assert first.renew()


def test_of_two_that_watch_one_has_it(homes: tuple[Instance, Instance], tmp_path: Path) -> None:
    one, two = homes
    assert not refused(lease(one))
    set_back(one, HOUR)
    shutil.copytree(two.home, tmp_path / "three", symlinks=True)
    third = NodeLease(two.catalog, tmp_path / "three", two.config.node, is_needed=True)
    assert refused(lease(two, third.hold))
    third.close()


def test_a_copy_of_a_home_is_another_home(homes: tuple[Instance, Instance], tmp_path: Path) -> None:
    one, _ = homes
    assert home_id(one.home) == home_id(one.home)
    shutil.copytree(one.home, tmp_path / "copy", symlinks=True)
    assert home_id(tmp_path / "copy") != home_id(one.home)
    one.home.rename(tmp_path / "moved")
    moved = home_id(tmp_path / "moved")
    (tmp_path / "moved").rename(one.home)
    assert moved == home_id(one.home)


def test_a_catalog_in_the_home_needs_no_lease(tmp_path: Path) -> None:
    instance = create_instance(tmp_path / "home", time_zone="Europe/Berlin")
    recover_backups(instance)
    assert not (tmp_path / "home" / "home.id").exists()
    instance.close()
