"""An erased account: its keys are nowhere, its bytes are gone, the others are untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kit.world import World

from holdfast.catalog.accounts.rows import account_by_id
from holdfast.catalog.backups import rebuild as rebuilding
from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import AccessDenied, Conflict
from holdfast.service.integrity.prove import prove_due
from holdfast.service.integrity.read_back import read_back
from holdfast.service.integrity.retake import retake
from holdfast.service.people.callers import caller_of_key
from holdfast.service.policy.overdue import raise_overdue
from holdfast.service.registry.account_record import read_record, store_records
from holdfast.service.registry.accounts import add_account, list_accounts
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import list_backups
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.retention import erase
from holdfast.service.retention.erase import erase_account, is_erased
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.service.take.schedule import Schedule, set_schedule, tick
from holdfast.stores.port import StoreError


def everywhere(home: Path, secret: bytes) -> list[str]:
    return [str(p) for p in home.rglob("*") if p.is_file() and secret in p.read_bytes()]


def test_nothing_of_it_is_left(world: World, tmp_path: Path) -> None:
    other = add_account(world.instance, "b@example.com", "Silver", SYSTEM)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f").write_text("theirs")
    theirs = add_app(world.instance, other.account.id, "theirs", tmp_path / "other", SYSTEM)
    run_backup(world.instance, request_backup(world.instance, theirs.id, SYSTEM)[0].id)
    world.take()
    account = account_by_id(world.instance.catalog, world.account.id)
    assert account is not None
    key = account.data_key_sealed
    home = world.instance.home
    assert everywhere(home, key)
    deleted = erase_account(world.instance, account, SYSTEM)
    assert deleted > 1000
    assert everywhere(home, key) == []
    assert everywhere(home, account.link_secret_sealed) == []
    assert not list((home / "store" / "vaults" / account.id).rglob("*/*/*"))
    assert [a.id for a in list_accounts(world.instance)] == [other.account.id]
    with pytest.raises(AccessDenied):
        caller_of_key(world.instance, world.api_key, "")
    assert list_backups(world.instance, theirs.id)[0].state == "successful"


def test_the_key_goes_before_the_packs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.take()
    account = account_by_id(world.instance.catalog, world.account.id)
    assert account is not None
    key, home = account.data_key_sealed, world.instance.home
    found: list[list[str]] = []

    class Watched:
        """Looks for the key when the first pack is to go, and then fails."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def delete(self, name: str) -> None:
            if name.startswith("packs/"):
                found.append(everywhere(home, key))
                raise StoreError("The disk that holds the store reported an error; check the disk.")
            self._inner.delete(name)

    real = world.instance.vault_store
    monkeypatch.setattr(world.instance, "vault_store", lambda account_id: Watched(real(account_id)))
    with pytest.raises(StoreError):
        erase_account(world.instance, account, SYSTEM)
    assert found == [[]]
    monkeypatch.undo()
    half = account_by_id(world.instance.catalog, account.id)
    assert half is not None
    assert is_erased(half)
    store_records(world.instance)  # as the next start does: it must not write the account down again
    assert everywhere(home, key) == []
    erase_account(world.instance, half, SYSTEM)
    assert list_accounts(world.instance) == []


def test_not_while_a_backup_is_made(world: World) -> None:
    request_backup(world.instance, world.app.id, SYSTEM)
    with pytest.raises(Conflict) as refused:
        erase.erase_account(world.instance, world.account, SYSTEM)
    assert refused.value.code == "BACKUP_IN_PROGRESS"
    assert list_accounts(world.instance)


def test_not_while_an_application_is_restored(world: World) -> None:
    backup = world.take()
    request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    with pytest.raises(Conflict) as refused:
        erase_account(world.instance, world.account, SYSTEM)
    assert refused.value.code == "RESTORE_IN_PROGRESS"


def test_a_backup_that_is_asked_for_at_the_last_moment_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "check_nothing_running", lambda *given: None)
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM)
    with pytest.raises(Conflict):
        erase_account(world.instance, world.account, SYSTEM)
    assert read_record(world.instance, world.account.id).account == world.account
    assert run_backup(world.instance, backup.id).state == "successful"


def test_nothing_begins_on_its_own_while_its_packs_go(world: World) -> None:
    """The rounds of a server, which still has the vault's key in memory, find nothing of the account any more."""
    world.take()
    set_schedule(world.instance, world.app, Schedule(cron="* * * * *"), SYSTEM)
    world.clock.ns += 3600 * 1_000_000_000
    begun: list[object] = []

    def on_object(done: int) -> None:
        begun.extend(tick(world.instance))
        begun.extend(raise_overdue(world.instance))
        begun.extend(retake(world.instance))
        begun.extend(job for job in [prove_due(world.instance)] if job is not None)
        assert read_back(world.instance) == 0

    assert erase_account(world.instance, world.account, SYSTEM, on_object) > 0
    assert begun == []
    assert list_accounts(world.instance) == []
