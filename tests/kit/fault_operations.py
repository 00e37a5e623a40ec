"""The operations of the fault tests, and the home that every point of them starts from."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.records import SYSTEM, AppSettings, Backup, Hook, Job, Retention
from holdfast.restorer.swap import Swap
from holdfast.schemas.keys import NewKey
from holdfast.schemas.links import NewLink
from holdfast.service.instance.home import Instance, create_instance
from holdfast.service.integrity.prove import request_prove, run_prove
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.people.giving import operator_giver
from holdfast.service.people.keys import end_key, make_key
from holdfast.service.people.links import end_link, make_link
from holdfast.service.registry.accounts import add_account, get_account
from holdfast.service.registry.apps import add_app, find_app
from holdfast.service.registry.backups import list_backups
from holdfast.service.registry.trash import delete_backup, list_trash, undelete
from holdfast.service.restore import files
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.restore.undo import request_undo
from holdfast.service.retention.prune import prune_account
from holdfast.service.retention.retain import retain_app
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.run import run_backup
from holdfast.worker.job_kinds import recover
from kit.archives import member, tar_of
from kit.ground import take, zip_digest

POINTS_TRIED = "fault points tried"
"""The property of a test that says at how many calls a fault struck."""

Ended = Backup | Job | None
"""The backup or job that says how an operation ended, if there is one."""


@dataclass
class Ground:
    """A home with three good backups and a deleted one, their downloads, and the application's folder."""

    home: Path
    app: Path
    app_id: str
    account_id: str
    zips: dict[str, str]
    template: Path
    job: Job | None = None
    """The restore that the operation is about."""

    @property
    def hooks_log(self) -> Path:
        """The file in which the hooks of the application say that they ran."""
        return self.home.parent / "hooks.log"

    def reset(self, *, without_catalog: bool) -> None:
        """Put everything back to the start."""
        for place, name in ((self.home, "home"), (self.app, "app")):
            shutil.rmtree(place)
            shutil.copytree(self.template / name, place, symlinks=True)
        for left in self.app.parent.glob(".holdfast-restore-*"):
            shutil.rmtree(left)
        self.hooks_log.unlink(missing_ok=True)
        self.job = None
        if without_catalog:
            for path in self.home.glob("catalog.sqlite*"):
                path.unlink()

    def tree(self) -> dict[str, bytes]:
        """The files of the application, by path."""
        found = sorted(path for path in self.app.rglob("*") if path.is_file())
        return {str(path.relative_to(self.app)): path.read_bytes() for path in found}


@contextmanager
def fault_ground(folder: Path) -> Iterator[Ground]:
    """Make the home; what is written while this is open is not durable, which is the crash tests' subject."""
    app = folder / "app"
    (app / "sub").mkdir(parents=True)
    (folder / "home").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_WORKERS", "0")  # all calls in one process, where they can be counted
        patch.setattr(os, "fsync", lambda fd: None)
        event.listen(Pool, "checkout", _not_durable)
        try:
            yield _made(folder, app)
        finally:
            event.remove(Pool, "checkout", _not_durable)


def _made(folder: Path, app: Path) -> Ground:
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
    delete_backup(instance, gone, SYSTEM, is_final=True)
    del zips[gone.id]
    instance.close()
    template = folder / "template"
    template.mkdir()
    shutil.copytree(folder / "home", template / "home")
    shutil.copytree(app, template / "app", symlinks=True)
    return Ground(folder / "home", app, made.id, account.id, zips, template)


def _not_durable(connection: Any, _record: object, _proxy: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


# -- the operations ----------------------------------------------------------------------------------------------------


def do_take(instance: Instance, ground: Ground) -> Ended:
    (ground.app / "fresh").write_bytes(os.urandom(9_000))
    return take(instance, ground.app_id)


def do_delete(instance: Instance, ground: Ground) -> Ended:
    oldest = list_backups(instance, ground.app_id)[0]
    delete_backup(instance, oldest, SYSTEM, is_final=True)
    return None


def do_trash(instance: Instance, ground: Ground) -> Ended:
    oldest = list_backups(instance, ground.app_id)[0]
    delete_backup(instance, oldest, SYSTEM)
    return None


def do_undelete(instance: Instance, ground: Ground) -> Ended:
    for one in list_trash(instance, ground.app_id):
        undelete(instance, one, SYSTEM)
    return None


def do_prune(instance: Instance, ground: Ground) -> Ended:
    prune_account(instance, get_account(instance, ground.account_id), SYSTEM, grace_ns=0)
    return None


def do_retain(instance: Instance, ground: Ground) -> Ended:
    _set(instance, ground, lambda s: msgspec.structs.replace(s, retention=Retention(keep_last=1)))
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


def do_undo(instance: Instance, ground: Ground) -> Ended:
    assert ground.job is not None
    return run_restore(instance, request_undo(instance, ground.job, SYSTEM).id)


def do_recover(instance: Instance, ground: Ground) -> Ended:
    recover(instance)
    return None


def do_keys(instance: Instance, ground: Ground) -> Ended:
    made = make_key(instance, ground.account_id, NewKey(name="ci", group="view"), operator_giver(SYSTEM))
    end_key(instance, made.key, SYSTEM)
    return None


def do_links(instance: Instance, ground: Ground) -> Ended:
    newest = list_backups(instance, ground.app_id)[-1]
    link, _ = make_link(instance, newest, NewLink(expires_in=3600), SYSTEM)
    end_link(instance, link, SYSTEM)
    return None


OPERATIONS: dict[str, Callable[[Instance, Ground], Ended]] = {
    "take": do_take,
    "delete": do_delete,
    "trash": do_trash,
    "undelete": do_undelete,
    "prune": do_prune,
    "retain": do_retain,
    "restore": do_restore,
    "import": do_import,
    "prove": do_prove,
    "rebuild": do_rebuild,
    "hooks": do_take,
    "undo": do_undo,
    "recover": do_recover,
    "keys": do_keys,
    "links": do_links,
}


# -- what some of them need before ------------------------------------------------------------------------------------


def _set(instance: Instance, ground: Ground, change: Callable[[AppSettings], AppSettings]) -> None:
    change_settings(instance.catalog, ground.app_id, change, 0, SYSTEM, "x.set")


def with_hooks(instance: Instance, ground: Ground) -> None:
    """Give the application hooks that say when they ran."""
    before, after = (Hook(f"echo {name} >> '{ground.hooks_log}'") for name in ("before", "after"))
    _set(instance, ground, lambda s: msgspec.structs.replace(s, before=before, after=after))


def restored(instance: Instance, ground: Ground) -> None:
    """Restore the oldest backup; the job is what an undo is about."""
    done = do_restore(instance, ground)
    assert isinstance(done, Job)
    ground.job = done


class _Killed(BaseException):
    """The process ends here, and nothing of it runs any more."""


def cut_off(instance: Instance, ground: Ground) -> None:
    """Leave a restore as a process does that is killed amid its swap: one thing is out, and nothing is in yet."""
    apply, applied = Swap._apply, list[object]()

    def killed(*arguments: object, **options: object) -> None:
        raise _Killed

    def killed_at_second(swap: Swap, *arguments: Any) -> None:
        if applied:
            raise _Killed
        applied.append(arguments)
        apply(swap, *arguments)

    with pytest.MonkeyPatch.context() as patch, suppress(_Killed):
        patch.setattr(Swap, "_apply", killed_at_second)
        patch.setattr("holdfast.restorer.swap.roll_back", killed)
        patch.setattr(files, "remove_staging", killed)
        patch.setattr("holdfast.service.jobs.lifecycle.fail", killed)
        do_restore(instance, ground)


def in_trash(instance: Instance, ground: Ground) -> None:
    """Put the oldest backup into the trash."""
    do_trash(instance, ground)


PREPARE: dict[str, Callable[[Instance, Ground], None]] = {
    "hooks": with_hooks,
    "undo": restored,
    "recover": cut_off,
    "undelete": in_trash,
}
MOVES_FILES = ("restore", "undo", "recover")
"""Operations that change the application's folder: afterwards it is as before, or as after, and nothing between."""
MAY_GO = {"delete": 1}
"""How many of the oldest backups an operation may delete for good."""
