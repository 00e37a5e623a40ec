"""The keys of downloads: the same for ever, and nowhere in the catalog."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
from kit.links import key_of
from kit.older_catalog import write_as
from kit.world import World

from holdfast.catalog.records import Backup
from holdfast.service.access.download import find_download
from holdfast.service.instance.home import open_instance
from holdfast.service.registry.backups import download_url, full_objects, list_items, list_rows, listed


def in_files(home: Path, key: str) -> list[str]:
    """The files right in the home that have a key in them."""
    return [path.name for path in home.iterdir() if path.is_file() and key.encode() in path.read_bytes()]


def test_no_key_is_in_the_catalog(world: World) -> None:
    key = key_of(world.instance, world.take())
    assert len(key) == 40
    world.instance.close()
    assert in_files(world.instance.home, key) == []


def test_a_key_is_shown_the_same_everywhere(world: World) -> None:
    backup = world.take()
    key = key_of(world.instance, backup)
    (item,) = list_items(world.instance, world.account.id, list_rows(world.instance, world.app.id))
    assert [item.key, listed(world.instance, [backup])[0].key, full_objects(world.instance, [backup])[0].key] == [
        key
    ] * 3
    assert download_url(world.instance, backup, "tar.gz").endswith(f".tar.gz?{key}")


def as_before(home: Path, backup: Backup, key: str) -> None:
    """Turn the catalog into what version 0004 wrote, with what it left in its pages."""
    given = f"CASE id WHEN '{backup.id}' THEN '{key}' ELSE '' END"
    write_as("0004", home / "catalog.sqlite", {("backups", "link_key"): given})
    with closing(sqlite3.connect(home / "catalog.sqlite", isolation_level=None)) as database:
        database.execute("CREATE TABLE other AS SELECT link_key FROM backups")
        database.execute("DROP TABLE other")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_links_of_before_go_on_working_and_their_keys_leave_the_catalog(world: World) -> None:
    backup = world.take()
    home, key = world.instance.home, key_of(world.instance, backup)
    world.instance.close()
    as_before(home, backup, key)
    assert in_files(home, key) == ["catalog.sqlite"]
    again = open_instance(home)
    try:
        found = find_download(again, backup.account_id, backup.name, key, "zip")
        assert found is not None
        assert found.backup == msgspec.structs.replace(backup, zip_layout=1, is_operators=False)
        assert find_download(again, backup.account_id, backup.name, key[:-1] + "x", "zip") is None
        assert in_files(home, key) == []
    finally:
        again.close()
