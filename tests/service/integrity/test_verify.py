"""Damage shows at the backups that it hits, and goes when it is healed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kit.refusing import audit_refused
from kit.world import World
from msgspec import to_builtins
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.events.audit import entries
from holdfast.catalog.jobs.rows import start_job
from holdfast.catalog.records import SYSTEM, AuditEntry, AuditFilter, Backup, JobState, Warned
from holdfast.service.errors import Conflict
from holdfast.service.integrity.verify import Checked, check_account, recover_verifies, request_verify, run_verify
from holdfast.service.jobs.lifecycle import cancel_job, get_job
from holdfast.service.registry.backups import full_object
from holdfast.service.registry.trash import delete_backup
from holdfast.service.retention.prune import prune_account
from holdfast.service.take.request import request_backup
from holdfast.vault.control import Control
from holdfast.vault.errors import ChunkMissing
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.writer import PackKind


def check(world: World, share: float = 1.0, repair: bool = True) -> Checked:
    return check_account(world.instance, world.account, SYSTEM, share=share, repair=repair)


def packs(world: World, kind: PackKind = PackKind.DATA) -> list[Path]:
    ledger = world.instance.vault(world.account.id)._ledger
    base = world.instance.home / "store" / "vaults" / world.account.id / "packs"
    return [base / p.hex()[:2] / p.hex() for p, k, _ in ledger.live_packs() if k == kind]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def test_all_is_well_and_says_so(world: World) -> None:
    backup = world.take()
    assert check(world, share=0).is_clean
    assert world.again(backup).verified_at is None
    world.clock.ns += 1_000_000_000
    assert check(world).is_clean
    assert world.again(backup).verified_at == world.clock.ns
    assert to_builtins(full_object(world.instance, world.again(backup)))["error"] is None


def test_a_hit_backup_says_so_until_it_is_healed(world: World) -> None:
    first = world.take()
    damage(packs(world)[0])
    result = check(world)
    assert [b.id for b in result.damaged_backups] == [first.id]
    assert world.again(first).damage == (Warned("sub/b.bin", "DAMAGED", "The file sub/b.bin can't be read."),)
    shown = to_builtins(full_object(world.instance, world.again(first)))
    assert shown["state"] == "successful"
    assert shown["error"] == {
        "code": "DAMAGED",
        "message": "1 of its files can't be read: sub/b.bin; take a new backup, which heals what is still the same.",
    }
    assert list(shown["warnings"]) == [
        {"path": "sub/b.bin", "code": "DAMAGED", "message": "The file sub/b.bin can't be read."}
    ]
    assert shown["verified_at"] is None
    second = world.take()
    assert world.again(first).damage == world.again(second).damage == ()
    assert to_builtins(full_object(world.instance, world.again(first)))["error"] is None
    assert check(world).is_clean
    assert world.again(first).verified_at is not None


def repairs(world: World) -> list[AuditEntry]:
    return entries(world.instance.catalog, AuditFilter(action="account.repaired"), 10)


def test_packs_go_out_of_use_with_their_entry_in_the_audit_or_not_at_all(world: World) -> None:
    backup = world.take()
    damage(packs(world)[0])
    live = packs(world)
    with audit_refused(world.instance.catalog), pytest.raises(IntegrityError):
        check(world)
    assert (packs(world), repairs(world)) == (live, [])
    run_verify(world.instance, request_verify(world.instance, backup, "main", SYSTEM).id)
    (entry,) = repairs(world)
    assert (entry.actor.kind, entry.data["packs"], entry.data["count"]) == ("system", [live[0].name], 1)
    assert not check(world).is_clean
    assert repairs(world) == [entry], "nothing went out of use any more"


def test_what_is_not_the_same_any_more_is_not_healed(world: World) -> None:
    (world.root / "keep.bin").write_bytes(os.urandom(5000))
    first = world.take()
    for pack in packs(world):
        pack.unlink()
    (world.root / "sub" / "b.bin").write_bytes(b"other")
    assert [w.path for w in check_damage(world, first)] == ["keep.bin", "sub/b.bin"]
    world.take()
    assert [w.path for w in world.again(first).damage] == ["sub/b.bin"]
    with pytest.raises(ChunkMissing):
        prune_account(world.instance, world.account, SYSTEM, grace_ns=0)
    delete_backup(world.instance, world.again(first), SYSTEM, is_final=True)
    assert check(world).is_clean
    prune_account(world.instance, world.account, SYSTEM, grace_ns=0)


def check_damage(world: World, backup: Backup) -> tuple[Warned, ...]:
    assert not check(world, share=0).is_clean
    return world.again(backup).damage


def test_without_repair_nothing_is_changed(world: World) -> None:
    backup = world.take()
    damage(packs(world)[0])
    live = packs(world)
    result = check(world, repair=False)
    assert [b.count for b in result.damaged_backups] == [1]
    assert not result.is_repaired
    assert world.again(backup).damage == ()
    assert packs(world) == live


def test_a_lost_root(world: World) -> None:
    backup = world.take()
    world.instance.vault_store(world.account.id).delete(root_name(backup.id))
    assert check(world, share=0).damaged_backups[0].is_unreadable
    error = to_builtins(full_object(world.instance, world.again(backup)))["error"]
    assert error["message"].startswith("Its root is missing from the store")


def test_many_hit_files_are_counted(world: World) -> None:
    for n in range(1100):
        (world.root / f"f{n:04}").write_bytes(os.urandom(300))
    backup = world.take()
    for pack in packs(world):
        pack.unlink()
    check(world)
    found = world.again(backup)
    assert len(found.damage) == 1001
    assert found.damage[-1].message == "There are 101 more files that can't be read."
    assert (
        "More than 1000 of its files can't be read: f0000, f0001, f0002 ...;"
        in (to_builtins(full_object(world.instance, found))["error"]["message"])
    )


def test_one_backup_by_job(world: World) -> None:
    backup = world.take()
    job = request_verify(world.instance, backup, "main", SYSTEM)
    assert request_verify(world.instance, backup, "main", SYSTEM).id == job.id
    done = run_verify(world.instance, job.id)
    assert done.state is JobState.SUCCESSFUL
    assert '"is_whole":true' in (done.result or "")
    assert world.again(backup).verified_at == world.clock.ns
    damage(packs(world)[0])
    done = run_verify(world.instance, request_verify(world.instance, backup, "main", SYSTEM).id)
    assert '"is_whole":false,"files":1' in (done.result or "")
    assert [w.path for w in world.again(backup).damage] == ["sub/b.bin"]
    world.take()
    assert world.again(backup).damage == ()


def test_a_job_that_cannot_be(world: World) -> None:
    queued, _ = request_backup(world.instance, world.app.id, SYSTEM)
    with pytest.raises(Conflict) as error:
        request_verify(world.instance, queued, "main", SYSTEM)
    assert error.value.code == "BACKUP_NOT_USABLE"


def test_a_job_is_cancelled_or_found_dead(world: World) -> None:
    backup = world.take()
    job = request_verify(world.instance, backup, "main", SYSTEM)
    assert cancel_job(world.instance, job, SYSTEM).state is JobState.CANCELLED
    job = request_verify(world.instance, backup, "main", SYSTEM)
    assert run_verify(world.instance, job.id, control=Control(lambda: True)).state is JobState.CANCELLED
    job = request_verify(world.instance, backup, "main", SYSTEM)
    start_job(world.instance.catalog, job.id, world.clock.now_ns())
    recover_verifies(world.instance)
    dead = get_job(world.instance, job.id)
    assert (dead.state, dead.error_code) == (JobState.FAILED, "INTERRUPTED")
