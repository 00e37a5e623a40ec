"""A damaged catalog: everything that meets it names the rebuild, which moves it aside and goes on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from kit.world import World

from holdfast.catalog.database.engine import CatalogDamaged
from holdfast.catalog.records import SYSTEM
from holdfast.service.doctor.diagnose import diagnose
from holdfast.service.instance.file_locks import SERVE_LOCK
from holdfast.service.instance.home import InstanceError, open_instance
from holdfast.service.integrity.rebuild import open_to_rebuild, rebuild
from holdfast.service.registry.apps import list_apps
from holdfast.service.registry.backups import list_backups


def no_header(path: Path) -> None:
    path.write_bytes(b"\xff" * 4096 + path.read_bytes()[4096:])


def pages_overwritten(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 : len(data)] = os.urandom(len(data) - 4096)
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


@pytest.fixture(params=[no_header, pages_overwritten, cut])
def damaged(request: pytest.FixtureRequest, world: World) -> World:
    """An instance with one backup, closed, whose catalog is damaged."""
    world.take("kept")
    world.instance.close()
    damage: Callable[[Path], None] = request.param
    damage(world.instance.home / "catalog.sqlite")
    return world


def test_whoever_meets_it_names_the_rebuild(damaged: World) -> None:
    with pytest.raises(CatalogDamaged, match="`holdfast rebuild`"), closing(open_instance(damaged.instance.home)) as it:
        list_apps(it)
    lines = [line for line in diagnose(damaged.instance.home) if line.level == "problem"]
    assert any("damaged" in line.message and "holdfast rebuild" in line.message + line.command for line in lines)


def test_a_rebuild_moves_it_aside_and_goes_on(damaged: World) -> None:
    home = damaged.instance.home
    bytes_of_before = (home / "catalog.sqlite").read_bytes()
    instance, aside = open_to_rebuild(home, clock=damaged.clock)
    with closing(instance):
        assert aside is not None
        assert (aside / "catalog.sqlite").read_bytes() == bytes_of_before
        assert aside.parent == home
        assert [done.backups for done in rebuild(instance, SYSTEM)] == [1]
        assert [backup.name for backup in list_backups(instance, damaged.app.id)] == ["kept"]
    assert not [line for line in diagnose(home) if line.check == "catalog" and line.level != "ok"]
    again, nothing = open_to_rebuild(home, clock=damaged.clock)
    again.close()
    assert nothing is None


def test_it_stays_where_it_is_without_the_store(damaged: World) -> None:
    home = damaged.instance.home
    (home / "store").rename(home / "unmounted")
    (home / "store").mkdir()
    with pytest.raises(InstanceError, match="is its disk mounted"):
        open_to_rebuild(home)
    assert (home / "catalog.sqlite").exists()
    assert not list(home.glob("damaged-catalog-*"))


def test_it_stays_while_a_server_runs(damaged: World) -> None:
    home = damaged.instance.home
    with (home / "run" / f"{SERVE_LOCK}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InstanceError, match="stop the server"):
            open_to_rebuild(home)
    assert not list(home.glob("damaged-catalog-*"))


def test_a_good_one_stays(world: World) -> None:
    world.take()
    world.instance.close()
    instance, aside = open_to_rebuild(world.instance.home)
    instance.close()
    assert aside is None
