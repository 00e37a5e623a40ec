"""Listing, renaming, locking, deleting, downloading."""

from __future__ import annotations

import io
import zipfile
from typing import get_args

import pytest
from kit.links import key_of
from kit.world import World

from holdfast.catalog.records import SYSTEM, Backup, State
from holdfast.service.access.download import find_download
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.registry import backups
from holdfast.stores.port import StoreError
from holdfast.vault.manifest.root import root_name


@pytest.fixture
def three(world: World) -> list[Backup]:
    made = []
    for name in ("one", "two", "three"):
        made.append(world.take(name))
        world.clock.ns += 60_000_000_000
    return made


def test_the_list_is_oldest_first_and_pages(world: World, three: list[Backup]) -> None:
    names = [b.name for b in backups.list_backups(world.instance, world.app.id)]
    assert names == ["one", "two", "three"]
    page = backups.list_backups(world.instance, world.app.id, 2)
    rest = backups.list_backups(world.instance, world.app.id, 2, page[-1].id)
    assert [b.name for b in page + rest] == names
    assert [b.name for b in backups.list_account_backups(world.instance, world.account.id)] == names[::-1]


def test_a_backup_is_found_by_id_and_by_name(world: World, three: list[Backup]) -> None:
    one = three[0]
    assert backups.find_backup(world.instance, world.app.id, one.id).name == "one"
    assert backups.find_backup(world.instance, world.app.id, "one").id == one.id
    for app, ref in ((world.app.id, "four"), ("0" * 32, one.id)):
        with pytest.raises(NotFound):
            backups.find_backup(world.instance, app, ref)


def test_rename_moves_the_download(world: World, three: list[Backup]) -> None:
    renamed = backups.rename(world.instance, three[0], "ein schöner Name", SYSTEM)
    assert backups.download_url(world.instance, renamed).endswith(
        f"/{world.account.id}_ein%20sch%C3%B6ner%20Name.zip?{key_of(world.instance, renamed)}"
    )
    with pytest.raises(Invalid):
        backups.rename(world.instance, three[1], "ein schöner Name", SYSTEM)
    assert find_download(world.instance, world.account.id, "one", key_of(world.instance, renamed), "zip") is None


def test_locked_ones_stay(world: World, three: list[Backup]) -> None:
    locked = backups.set_lock(world.instance, three[0], SYSTEM, True)
    with pytest.raises(Conflict, match="unlock it first"):
        backups.delete_backup(world.instance, locked, SYSTEM)
    backups.delete_backup(world.instance, backups.set_lock(world.instance, locked, SYSTEM, False), SYSTEM)
    until = world.clock.ns + 3600_000_000_000
    timed = backups.set_lock(world.instance, three[1], SYSTEM, locked_until=until)
    for attempt in (
        lambda: backups.delete_backup(world.instance, timed, SYSTEM),
        lambda: backups.set_lock(world.instance, timed, SYSTEM, locked_until=until - 1),
    ):
        with pytest.raises(Conflict):
            attempt()
    world.clock.ns = until
    backups.delete_backup(world.instance, timed, SYSTEM)
    assert [b.name for b in backups.list_backups(world.instance, world.app.id)] == ["three"]


def test_a_deletion_that_was_cut_off_is_finished(
    world: World, three: list[Backup], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.instance.vault_store(world.account.id)

    def broken(account_id: str) -> None:
        raise StoreError("The disk reported an error.")

    monkeypatch.setattr(world.instance, "vault_store", broken)
    with pytest.raises(StoreError):
        backups.delete_backup(world.instance, three[0], SYSTEM)
    monkeypatch.undo()
    assert backups.find_backup(world.instance, world.app.id, "one").state is State.DELETING
    assert backups.resume_deletions(world.instance) == 1
    assert [b.name for b in backups.list_backups(world.instance, world.app.id)] == ["two", "three"]
    assert root_name(three[0].id) not in [name for name, _ in store.list("backups/")]


def test_a_link_opens_its_backup_and_nothing_else(world: World, three: list[Backup]) -> None:
    (world.root / "a.txt").write_text("changed\n")
    other = world.take("other")
    one = three[0]
    found = find_download(world.instance, world.account.id, "one", key_of(world.instance, one), "zip")
    assert found is not None
    data = b"".join(found.stream(0, found.length))
    assert zipfile.ZipFile(io.BytesIO(data)).read("a.txt") == b"hello\n"
    wrong = (
        (world.account.id, "one", key_of(world.instance, other)),
        (world.account.id, "other", key_of(world.instance, one)),
        ("elsewhere", "one", key_of(world.instance, one)),
        (world.account.id, "one", ""),
        (world.account.id, "one", key_of(world.instance, one)[:-1]),
        (world.account.id, "one", key_of(world.instance, one).upper()),
    )
    for account, name, key in wrong:
        assert find_download(world.instance, account, name, key, "zip") is None


def test_any_range_is_the_same_bytes(world: World, three: list[Backup]) -> None:
    for format in get_args(backups.Format):
        found = find_download(world.instance, world.account.id, "one", key_of(world.instance, three[0]), format)
        assert found is not None
        whole = b"".join(found.stream(0, found.length))
        assert len(whole) == found.length
        for start in range(0, found.length, 97):
            assert b"".join(found.stream(start, min(start + 50, found.length))) == whole[start : start + 50]


def test_etags_differ_by_format_and_content(world: World, three: list[Backup]) -> None:
    def etag(name: str, key: str, format: backups.Format) -> str:
        found = find_download(world.instance, world.account.id, name, key, format)
        assert found is not None
        return found.etag

    one, two = three[0], three[1]
    assert etag("one", key_of(world.instance, one), "zip") == etag("two", key_of(world.instance, two), "zip")
    assert etag("one", key_of(world.instance, one), "zip") != etag("one", key_of(world.instance, one), "tar.gz")
