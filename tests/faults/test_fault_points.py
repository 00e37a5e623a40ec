"""Every operation against a store and a home of which the n-th call goes wrong, for each n.

After each: nothing acknowledged is lost, the sentence says what to do, and the same operation succeeds the next time.
The short form (`make test`) has one kind of fault; all kinds on both places are `make faults` (HOLDFAST_FAULTS=all).
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.archives import member, tar_of
from kit.ground import take, zip_digest
from kit.stores.faults import Faults, Kind, Place, strike
from sqlalchemy import event
from sqlalchemy.pool import Pool

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.records import SYSTEM, Backup, Job, Retention, State
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance, InstanceError, create_instance, open_instance
from holdfast.service.integrity.prove import request_prove, run_prove
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.jobs.lifecycle import queued_jobs
from holdfast.service.registry.account_record import store_records
from holdfast.service.registry.accounts import add_account, get_account
from holdfast.service.registry.apps import add_app, find_app
from holdfast.service.registry.backups import delete_backup, list_backups, resume_deletions
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.retention.prune import prune_account
from holdfast.service.retention.retain import retain_app
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.request import queued_backups
from holdfast.service.take.run import run_backup
from holdfast.stores.port import StoreError
from holdfast.vault.errors import VaultError
from holdfast.worker.job_kinds import JOBS, recover

IS_ALL = os.environ.get("HOLDFAST_FAULTS") == "all"
pytestmark = pytest.mark.timeout(1200 if IS_ALL else 300)

CASES = [(Place.STORE, Kind.ERROR)]
if IS_ALL:
    # Half a statement does not exist: of a torn write in the home only the commit is tried.
    CASES = [(place, kind) for place in Place for kind in Kind]

POINTS = Path(__file__).parent / "points.txt"
"""How many points each form tries at least: fewer mean that calls are no longer counted."""

FORESEEN = (ServiceError, StoreError, VaultError, CatalogError, InstanceError)
ADVICE = re.compile(
    r"check|mount|free|try again|run |take |put |restore|choose|back |ask for it again|wait|remove|fix|`holdfast"
)
"""Words of a sentence that says what to do."""

tried: dict[str, int] = {}


@dataclass
class Ground:
    """What every point starts from: a home with three good backups and a deleted one, and their downloads."""

    home: Path
    app: Path
    app_id: str
    account_id: str
    zips: dict[str, str]
    template: Path

    def reset(self, *, without_catalog: bool) -> None:
        for place, name in ((self.home, "home"), (self.app, "app")):
            shutil.rmtree(place)
            shutil.copytree(self.template / name, place, symlinks=True)
        if without_catalog:
            for path in self.home.glob("catalog.sqlite*"):
                path.unlink()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("ground")
    app = folder / "app"
    (app / "sub").mkdir(parents=True)
    (folder / "home").mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv("HOLDFAST_WORKERS", "0")  # all calls in one process, where they can be counted
    instance = create_instance(folder / "home")
    account = add_account(instance, "ana@example.com", "Silver", SYSTEM).account
    made = add_app(instance, account.id, "bot", app, SYSTEM)
    zips = {}
    for n in range(4):
        (app / f"only-{n}").write_bytes(os.urandom(60_000))
        (app / "sub" / "same").write_bytes(b"same" * 300)
        if n:
            (app / f"only-{n - 1}").unlink()
        backup = take(instance, made.id)
        zips[backup.id] = zip_digest(instance, backup)
    gone = list_backups(instance, made.id)[1]
    delete_backup(instance, gone, SYSTEM)
    del zips[gone.id]
    instance.close()
    template = folder / "template"
    template.mkdir()
    shutil.copytree(folder / "home", template / "home")
    shutil.copytree(app, template / "app", symlinks=True)
    # Durability is the crash tests' subject; here it would only take time.
    patch.setattr(os, "fsync", lambda fd: None)
    event.listen(Pool, "checkout", _not_durable)
    yield Ground(folder / "home", app, made.id, account.id, zips, template)
    event.remove(Pool, "checkout", _not_durable)
    patch.undo()


def _not_durable(connection: Any, _record: object, _proxy: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


# -- the operations: each returns the backup or job that says how it ended, if there is one ---------------------------

Ended = Backup | Job | None


def do_take(instance: Instance, ground: Ground) -> Ended:
    (ground.app / "fresh").write_bytes(os.urandom(9_000))
    return take(instance, ground.app_id)


def do_delete(instance: Instance, ground: Ground) -> Ended:
    oldest = list_backups(instance, ground.app_id)[0]
    delete_backup(instance, oldest, SYSTEM)
    return None


def do_prune(instance: Instance, ground: Ground) -> Ended:
    prune_account(instance, get_account(instance, ground.account_id), SYSTEM, grace_ns=0)
    return None


def do_retain(instance: Instance, ground: Ground) -> Ended:
    rules = Retention(keep_last=1)
    change_settings(
        instance.catalog, ground.app_id, lambda s: msgspec.structs.replace(s, retention=rules), 0, SYSTEM, "x.set"
    )
    retain_app(instance, find_app(instance, ground.app_id), SYSTEM)
    return None


def do_restore(instance: Instance, ground: Ground) -> Ended:
    oldest = list_backups(instance, ground.app_id)[0]
    job = request_restore(instance, oldest, find_app(instance, ground.app_id), Wanted(), SYSTEM)
    return run_restore(instance, job.id)


def do_import(instance: Instance, ground: Ground) -> Ended:
    with Upload(instance, ground.app_id, SYSTEM, None) as upload:
        upload.write(tar_of(member("d/a", b"hello" * 2000), member("b", b"x" * 5000), mode="w:gz"))
        queued = upload.queue()
    return run_backup(instance, queued.id)


def do_prove(instance: Instance, ground: Ground) -> Ended:
    newest = list_backups(instance, ground.app_id)[-1]
    return run_prove(instance, request_prove(instance, newest, SYSTEM).id)


def do_rebuild(instance: Instance, ground: Ground) -> Ended:
    rebuild(instance, SYSTEM)
    return None


OPERATIONS: dict[str, Callable[[Instance, Ground], Ended]] = {
    "take": do_take,
    "delete": do_delete,
    "prune": do_prune,
    "retain": do_retain,
    "restore": do_restore,
    "import": do_import,
    "prove": do_prove,
    "rebuild": do_rebuild,
}
MAY_GO = {"delete": 1, "retain": 10}
"""How many of the oldest backups an operation may delete."""


def try_one(ground: Ground, name: str, faults: Faults) -> str | None:
    """Run an operation with a fault; return the sentence of its failure, None when it went well all the same."""
    instance = open_instance(ground.home, new_catalog=name == "rebuild")
    strike(instance, faults)
    try:
        ended = OPERATIONS[name](instance, ground)
        if ended is None or ended.state == "successful":
            return None
        return f"{ended.error_code}: {ended.error_message}"
    except FORESEEN as error:
        return str(error)
    finally:
        with suppress(*FORESEEN):
            instance.close()


def settle(instance: Instance) -> None:
    """As the jobs' process does at its start."""
    recover(instance)
    resume_deletions(instance)
    store_records(instance)
    for waiting in queued_jobs(instance):
        JOBS[waiting.kind](instance, waiting.id)
    for queued in queued_backups(instance):
        run_backup(instance, queued.id)


def verify(ground: Ground, name: str) -> None:
    """Nothing acknowledged is lost, and the operation succeeds now."""
    instance = open_instance(ground.home, new_catalog=name == "rebuild")
    try:
        if name == "rebuild":
            assert not any(done.problems for done in rebuild(instance, SYSTEM))
        settle(instance)
        there = {backup.id: backup for backup in list_backups(instance, ground.app_id)}
        kept = list(ground.zips)[MAY_GO.get(name, 0) :] or list(ground.zips)[-1:]
        for backup_id in kept:
            assert there[backup_id].state is State.SUCCESSFUL
            assert not there[backup_id].damage
            assert zip_digest(instance, there[backup_id]) == ground.zips[backup_id]
        ended = OPERATIONS[name](instance, ground)
        assert ended is None or ended.state == "successful", ended.error_message
    finally:
        instance.close()


@pytest.mark.parametrize(("place", "kind"), CASES)
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_a_fault_at_every_call(ground: Ground, name: str, place: Place, kind: Kind) -> None:
    ground.reset(without_catalog=name == "rebuild")
    counting = Faults(place, kind)
    assert try_one(ground, name, counting) is None
    for at in range(counting.count):
        ground.reset(without_catalog=name == "rebuild")
        said = try_one(ground, name, Faults(place, kind, at))
        if said is not None:
            assert "Traceback" not in said
            assert "unexpected" not in said, said
            assert ADVICE.search(said), f"call {at}: {said}"
        verify(ground, name)
    key = f"{place} {kind} {name}".replace(" ", "-")
    tried[key] = counting.count
    print(f"{place}, {kind}: {name}: {counting.count} points tried, 0 lost")


def test_enough_points_were_tried() -> None:
    """Run last: the counts of the file are the least that each case has, and all kinds means all of its lines."""
    least = dict(line.split() for line in POINTS.read_text().splitlines())
    assert not IS_ALL or set(tried) == set(least)
    for key, count in tried.items():
        assert count >= int(least[key]), f"{key}: {count} points tried, and {least[key]} are the least"
    if tried:
        print(f"{sum(tried.values())} points tried, 0 lost")
