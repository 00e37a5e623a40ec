"""Crash points: each deed dies at each of its effects, and no acknowledged backup is lost.

The short form takes every few effects; the whole is `make crashtest` (HOLDFAST_CRASHTEST=whole).
"""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from kit.ground import take, zip_digest
from kit.sized import sized
from kit.stores.effects import DIED, Effects, Mode, install
from kit.trees import Tree, tree_of

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.records import SYSTEM, Retention, State
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance, create_instance, open_instance
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.jobs.lifecycle import queued_jobs
from holdfast.service.registry.account_record import store_records
from holdfast.service.registry.accounts import add_account, get_account
from holdfast.service.registry.apps import add_app, find_app
from holdfast.service.registry.backups import list_backups
from holdfast.service.registry.trash import delete_backup, list_trash, resume_deletions, undelete
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.retention.prune import prune_account
from holdfast.service.retention.retain import retain_after
from holdfast.service.take.failing import recover_backups
from holdfast.service.take.request import queued_backups
from holdfast.service.take.run import run_backup
from holdfast.stores.port import StoreError
from holdfast.vault.errors import VaultError
from holdfast.worker.job_kinds import JOBS, recover

IS_WHOLE = os.environ.get("HOLDFAST_CRASHTEST") == "whole"
pytestmark = pytest.mark.timeout(7200 if IS_WHOLE else 300)  # the whole dies at every effect
STEP = 1 if IS_WHOLE else sized(7, short=14)
"""Every so many effects in the short form, another first one for each mode."""

points = 0


@dataclass
class Ground:
    """What every point starts from: an instance with backups, and what each of them held."""

    home: Path
    app: Path
    app_id: str
    account_id: str
    trees: dict[str, Tree]
    zips: dict[str, str]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Four backups of a small application, one of them deleted but not pruned yet."""
    folder = tmp_path_factory.mktemp("ground")
    app = folder / "app"
    (app / "sub").mkdir(parents=True)
    (folder / "home").mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv("HOLDFAST_WORKERS", "0")  # all effects in one process, where they can be counted
    instance = create_instance(folder / "home")
    account = add_account(instance, "ana@example.com", "Silver", SYSTEM).account
    made = add_app(instance, account.id, "bot", app, SYSTEM)
    trees, zips = {}, {}
    for n in range(4):
        (app / f"only-{n}").write_bytes(os.urandom(120_000))
        (app / "sub" / "changing").write_bytes(os.urandom(5_000))
        (app / "sub" / "same").write_bytes(b"same" * 300)
        if n:
            (app / f"only-{n - 1}").unlink()
        backup = take(instance, made.id)
        trees[backup.id], zips[backup.id] = tree_of(app), zip_digest(instance, backup)
    gone = list_backups(instance, made.id)[1]
    delete_backup(instance, gone, SYSTEM, is_final=True)
    del trees[gone.id], zips[gone.id]
    instance.close()
    yield Ground(folder / "home", app, made.id, account.id, trees, zips)
    patch.undo()


Operation = Callable[[Instance, Ground, Callable[[str], None]], None]


def do_take(instance: Instance, ground: Ground, acknowledge: Callable[[str], None]) -> None:
    (ground.app / "fresh").write_bytes(b"fresh" * 9_000)
    done = take(instance, ground.app_id)
    if done.state is State.SUCCESSFUL:
        acknowledge(f"taken {done.id}")


def do_delete(instance: Instance, ground: Ground, acknowledge: Callable[[str], None]) -> None:
    first = list_backups(instance, ground.app_id)[0]
    acknowledge(f"deleting {first.id}")
    delete_backup(instance, first, SYSTEM, is_final=True)
    acknowledge(f"deleted {first.id}")


def do_trash(instance: Instance, ground: Ground, acknowledge: Callable[[str], None]) -> None:
    """A deletion that can be undone, a prune behind it, and the undoing."""
    delete_backup(instance, list_backups(instance, ground.app_id)[0], SYSTEM)
    prune_account(instance, get_account(instance, ground.account_id), SYSTEM, grace_ns=0)
    bring_back(instance, ground)


def bring_back(instance: Instance, ground: Ground) -> None:
    for one in list_trash(instance, ground.app_id):
        undelete(instance, one, SYSTEM)


def do_retain(instance: Instance, ground: Ground, acknowledge: Callable[[str], None]) -> None:
    """A backup, and behind it retention by a rule that lets all older ones go."""
    rules = Retention(keep_last=1)
    change_settings(
        instance.catalog, ground.app_id, lambda s: msgspec.structs.replace(s, retention=rules), 0, SYSTEM, "x.set"
    )
    older = list_backups(instance, ground.app_id)
    (ground.app / "fresh").write_bytes(b"fresh" * 9_000)
    done = take(instance, ground.app_id)
    if done.state is State.SUCCESSFUL:
        acknowledge(f"taken {done.id}")
        for backup in older:
            acknowledge(f"deleting {backup.id}")
        retain_after(instance, ground.app_id)


def do_prune(instance: Instance, ground: Ground, acknowledge: Callable[[str], None]) -> None:
    prune_account(instance, get_account(instance, ground.account_id), SYSTEM, grace_ns=0)


def do_restore(instance: Instance, ground: Ground, acknowledge: Callable[[str], None]) -> None:
    first = list_backups(instance, ground.app_id)[0]
    job = request_restore(instance, first, find_app(instance, ground.app_id), Wanted(), SYSTEM)
    done = run_restore(instance, job.id)
    if done.state == "successful":
        acknowledge(f"restored {first.id}")


def do_rebuild(instance: Instance, ground: Ground, acknowledge: Callable[[str], None]) -> None:
    rebuild(instance, SYSTEM)


OPERATIONS: dict[str, Operation] = {
    "take": do_take,
    "delete": do_delete,
    "trash": do_trash,
    "retain": do_retain,
    "prune": do_prune,
    "restore": do_restore,
    "rebuild": do_rebuild,
}


def run_in_child(ground: Ground, operation: str, effects: Effects, acknowledged: Path) -> int:
    """Do a deed in a process of its own; returns the number of effects, or -1 when it died at the chosen one."""
    counted = acknowledged.with_suffix(".count")
    child = os.fork()
    if not child:
        try:
            instance = open_instance(ground.home, new_catalog=operation == "rebuild")
            install(instance, effects)

            def acknowledge(what: str) -> None:
                with acknowledged.open("a") as file:
                    file.write(what + "\n")

            foreseen = (ServiceError, StoreError, VaultError, CatalogError) if effects.at >= 0 else ()
            with suppress(*foreseen):
                OPERATIONS[operation](instance, ground, acknowledge)
            counted.write_text(str(effects.count))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == DIED:
        return -1
    assert code == 0, "the child failed otherwise"
    return int(counted.read_text())


def requeue(ground: Ground, template: Path) -> None:
    """Everything as it was before the first point."""
    for place, name in ((ground.home, "home"), (ground.app, "app")):
        shutil.rmtree(place)
        shutil.copytree(template / name, place, symlinks=True)


def verify(ground: Ground, operation: str, said: list[str], scratch: Path) -> None:
    """Start again as the jobs' process does, and look at everything that was acknowledged."""
    new_catalog = operation == "rebuild"
    instance = open_instance(ground.home, new_catalog=new_catalog)
    try:
        if new_catalog:
            rebuild(instance, SYSTEM)  # a rebuild that was cut off is done again
        recover(instance)
        recover_backups(instance)
        resume_deletions(instance)
        store_records(instance)
        for waiting in queued_jobs(instance):
            JOBS[waiting.kind](instance, waiting.id)
        for queued in queued_backups(instance):
            run_backup(instance, queued.id)
        if operation == "trash":
            bring_back(instance, ground)
        expected = dict(ground.trees)
        zips = dict(ground.zips)
        for word, backup_id in (line.split() for line in said):
            if word == "taken":
                expected[backup_id] = tree_of(ground.app)
            elif word == "deleting":
                there = {b.id for b in list_backups(instance, ground.app_id)}
                if backup_id not in there or f"deleted {backup_id}" in said:
                    assert backup_id not in there
                    expected.pop(backup_id)
        found = {b.id: b for b in list_backups(instance, ground.app_id)}
        for backup_id, tree in expected.items():
            assert found[backup_id].state is State.SUCCESSFUL, backup_id
            if backup_id in zips:
                assert zip_digest(instance, found[backup_id]) == zips[backup_id]
            target = scratch / backup_id
            job = request_restore(
                instance,
                found[backup_id],
                find_app(instance, ground.app_id),
                Wanted(to=str(target), mode="overlay"),
                SYSTEM,
            )
            done = run_restore(instance, job.id)
            assert done.state == "successful", done.error_message
            assert tree_of(target) == tree, backup_id
            shutil.rmtree(target)
        if operation == "restore":
            first = next(iter(ground.trees))
            states = [ground.trees[first], list(ground.trees.values())[-1]]
            assert tree_of(ground.app) in (states[:1] if f"restored {first}" in said else states)
        account = get_account(instance, ground.account_id)
        prune_account(instance, account, SYSTEM, grace_ns=0)
        assert take(instance, ground.app_id).state is State.SUCCESSFUL
    finally:
        instance.close()


def effects_of(mode: Mode, total: int) -> range:
    return range(0 if IS_WHOLE else list(Mode).index(mode) % STEP, total, STEP)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_no_acknowledged_backup_is_lost(ground: Ground, tmp_path: Path, operation: str, mode: Mode) -> None:
    global points
    template = tmp_path / "template"
    template.mkdir()
    if operation == "rebuild":
        for path in ground.home.glob("catalog.sqlite*"):
            shutil.move(path, tmp_path / path.name)
    shutil.copytree(ground.home, template / "home")
    shutil.copytree(ground.app, template / "app")
    try:
        total = run_in_child(ground, operation, Effects(), tmp_path / "counting")
        assert total > 3
        for at in effects_of(mode, total):
            requeue(ground, template)
            said = tmp_path / f"said-{at}"
            run_in_child(ground, operation, Effects(at, mode), said)
            lines = said.read_text().splitlines() if said.exists() else []
            verify(ground, operation, lines, tmp_path / "scratch")
            points += 1
    finally:
        requeue(ground, template)
        if operation == "rebuild":
            for path in tmp_path.glob("catalog.sqlite*"):
                shutil.move(path, ground.home / path.name)
    print(f"{operation}, {mode} each of {total} effects: {points} crash points, 0 acknowledged backups lost")
