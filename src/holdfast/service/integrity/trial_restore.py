"""One test restore: into a scratch folder, by the code of every other restore, then compared with the backup.

The folder is accessible only to us (0700), since files in it may be set-user-id programs. This module records nothing;
`prove.py` does.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.records import Backup, Warned
from holdfast.restorer.compare import Mismatch, other_contents, other_entries
from holdfast.restorer.staging import Staging, TargetError, remove_staging
from holdfast.restorer.swap import Swap
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.sentences import sentence_of
from holdfast.service.restore.files import stage
from holdfast.service.restore.plan import Planned, Wanted, may_set_owners, planned_restore, without_privileges
from holdfast.service.restore.target import is_in_store
from holdfast.service.take.run import WARNINGS_MAX
from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.reader import DirectoryReader
from holdfast.sources.sqlite.checking import check_databases
from holdfast.vault.control import Control, Progress
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.paths import shown

RESERVE_BYTES = 512 * 1024**2
"""A test restore leaves at least this much room on the scratch disk."""

ENTRY_BYTES = 4096
"""Room that a file or folder takes beside its content, or more."""

SAMPLE_FILES_MAX = 200
"""At most this many files of a backup that is too large are restored."""

SCRATCH_PREFIX = "prove-"
_PLAIN_DATABASES = ("DATABASE_DAMAGED", "DATABASE_RAW")
"""Warnings of backups about files that look like databases and are kept as they are."""


_log = logging.getLogger(__name__)


class ScratchError(ServiceError):
    """The test restore could not be made; that says nothing about the backup."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, sentence_of(code, "The test restore"), detail)


class Proved(msgspec.Struct, frozen=True):
    """The `result` of a finished test restore. `bytes`: of content that was compared."""

    is_whole: bool
    """All of the backup was restored; else only some files, as it is larger than the limit."""
    files: int
    bytes: int
    databases: int
    """Databases that SQLite found sound."""
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome of the comparison: `proved` counts when there are no mismatches."""

    mismatches: list[Mismatch]
    proved: Proved


def restored_and_compared(instance: Instance, job_id: str, backup: Backup, control: Control) -> Compared:
    """Restore a backup into the scratch folder of a job, and compare. `remove_scratch` is the caller's to call.

    Raises VaultError, StoreError (the backup or its store), ScratchError, TargetError (the disk), Cancelled.
    """
    scratch = scratch_folder(instance, job_id)
    tree = scratch / "tree"
    if is_in_store(instance, scratch):
        message = f"The folder for test restores, {scratch.parent}, lies in the store; set `scratch` to another."
        raise ScratchError("SCRATCH_FAILED", message)
    try:
        scratch.mkdir(mode=0o700)
        tree.mkdir(mode=0o700)
        room = os.statvfs(scratch)
    except OSError as error:
        raise ScratchError("SCRATCH_FAILED", f"{scratch} cannot be made ({error.strerror}); fix that.") from error
    is_whole = backup.content_bytes <= instance.config.prove_bytes_max
    paths = () if is_whole else _sample(instance, backup)
    if not (is_whole or paths):
        message = "No file of the backup is small enough for a test restore; raise prove_bytes_max."
        raise ScratchError("TOO_LARGE", message)
    view = _view(instance, backup)
    with planned_restore(instance, backup, None, tree, Wanted(paths=paths), view, control, with_dumps=True) as planned:
        plan = planned.plan
        need = plan.write_bytes + ENTRY_BYTES * int((plan.change_of >= 0).sum())
        if room.f_bavail * room.f_frsize < need + RESERVE_BYTES:
            message = f"A test restore needs {need:,} bytes in {scratch.parent}, which is full; free some."
            raise ScratchError("SCRATCH_FULL", message)
        total = plan.write_bytes

        def half(progress: Progress) -> None:
            control.check("The test restore was cancelled.")
            control.progress(Progress(progress.files, progress.bytes, plan.write_files, 2 * total))

        staging = Staging(scratch / "staging", owners=may_set_owners())
        try:
            stage(planned, staging, Control(control.is_cancelled, half))
            swap = Swap(tree, staging, scratch / "journal", owners=may_set_owners())
            swap.run(plan.changes, plan.fixes, planned.scan, planned.target)
        finally:
            staging.close()
        may_lack = bool(staging.notices or swap.notices)
        return _compare(instance, backup, planned, scratch, may_lack, is_whole, control)


def _compare(
    instance: Instance,
    backup: Backup,
    planned: Planned,
    scratch: Path,
    may_lack_attributes: bool,
    is_whole: bool,
    control: Control,
) -> Compared:
    """Look at what lies on the disk now."""
    plan, before = planned.plan, planned.before
    tree = scratch / "tree"
    wanted = np.ones(len(before), bool) if is_whole else plan.change_of >= 0
    scan = DirectorySource(tree, bounds=instance.config.tree_bounds).scan()
    reader = DirectoryReader(tree)
    files = compared = 0

    def on_file(size: int) -> None:
        nonlocal files, compared
        files += 1
        compared += size
        done = plan.write_bytes + compared
        control.progress(Progress(plan.write_files, done, plan.write_files, max(done, 2 * plan.write_bytes)))

    try:
        vault = instance.vault(backup.account_id)
        own = wanted.copy()
        for number in plan.links:
            own[number] = False  # one of another's names: compared there
        found: Iterator[Mismatch] = itertools.chain(
            other_entries(
                before,
                scan,
                wanted,
                plan.links,
                reader,
                owners=may_set_owners(),
                may_lack_attributes=may_lack_attributes,
            ),
            other_contents(
                planned.snapshot.all_blocks(),
                own,
                reader,
                lambda entry, read_into: vault.is_given_back(planned.large, entry, read_into),
                on_file,
                control,
            ),
        )
        mismatches = list(itertools.islice(found, WARNINGS_MAX))
        plain = _plain_databases(backup)
        is_plain = [p for p in before.paths if shown(p) in plain] if plain else []
        verdicts = check_databases(scan, reader, scratch / "databases", is_plain, control) if not mismatches else []
    finally:
        reader.close()
    for one in verdicts:
        if one.problem is not None and plain is not None:
            mismatches.append(Mismatch(one.path, f"is a database that SQLite finds damaged ({one.problem})"))
    warnings = tuple(
        Warned(shown(one.path), "DATABASE_NOTE", f"The database {shown(one.path)} came back as it was: {fault}.")
        for one in verdicts
        if (fault := one.note or one.problem) is not None
    )
    return Compared(mismatches, Proved(is_whole, files, compared, len(verdicts), warnings))


def _plain_databases(backup: Backup) -> set[str] | None:
    """Paths of files that look like databases and were kept as they are, sound or not; None: not all are known."""
    if any(w.code == "MORE_WARNINGS" for w in backup.warnings):
        return None
    return {w.path for w in backup.warnings if w.code in _PLAIN_DATABASES}


def _sample(instance: Instance, backup: Backup) -> tuple[str, ...]:
    """Some files of a backup, as they fall, with no more content than a test restore may have."""
    snapshot = instance.vault(backup.account_id).open(backup.id)
    try:
        sizes = [(b, i) for b in snapshot.all_blocks() for i in (b.kind == Kind.FILE).nonzero()[0].tolist()]
        random.shuffle(sizes)
        chosen: list[str] = []
        left = instance.config.prove_bytes_max
        for block, i in sizes:
            if len(chosen) == SAMPLE_FILES_MAX:
                break
            if int(block.size[i]) <= left:
                left -= int(block.size[i])
                chosen.append(shown(block.path(i)))
        return tuple(chosen)
    finally:
        snapshot.close()


def _view(instance: Instance, backup: Backup) -> Callable[[Block], Block]:
    """The view of a backup's blocks that a restore to the application's folder would have."""
    app = app_by_id(instance.catalog, backup.app_id)
    try:
        return without_privileges(backup, os.stat(app.path) if app is not None else None)
    except OSError:
        return without_privileges(backup, None)


def scratch_parent(instance: Instance) -> Path:
    """Return the folder of all scratch folders."""
    return Path(instance.config.scratch).resolve() if instance.config.scratch else instance.run.resolve()


def scratch_folder(instance: Instance, job_id: str) -> Path:
    """Return the folder of a test restore's files while it runs."""
    return scratch_parent(instance) / f"{SCRATCH_PREFIX}{job_id}"


def is_ours(folder: Path) -> bool:
    """True if a scratch folder is ours, by its name and its owner: others may write there too."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    is_named = re.fullmatch(SCRATCH_PREFIX + "[0-9a-f]{32}", folder.name) is not None
    return is_named and stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def remove_scratch(instance: Instance, job_id: str) -> None:
    """Remove all of a test restore's files; what cannot be removed is logged, and tried again at the next start."""
    try:
        remove_staging(scratch_folder(instance, job_id))
    except TargetError as error:
        _log.warning("what a test restore left in %s stays: %s", scratch_folder(instance, job_id), error)
