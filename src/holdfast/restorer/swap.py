"""The swap: staged things go in and replaced things go out, one rename each; and the way back.

The journal is durable before the first rename and goes last, by a rename to `.done`; so whoever comes after a crash
knows what to do: with a journal the restore is undone, with `.done` it was finished, with neither nothing was touched.
How far the renames had come is seen from the staging: `old/<n>` is there when the old thing went out, and `new/<n>` is
gone when the new one went in. The journal lies in the instance's home and never beside the target: who could write
one could have us rename whatever they like.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

import msgspec

from holdfast.native import library as native
from holdfast.restorer.changes import Change, Fix
from holdfast.restorer.staging import Staging, TargetError, TargetFull, reopened, target_error
from holdfast.sources.reader import DirectoryReader, SourceFileRefused
from holdfast.stores.durable import sync_folder, write_durably
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.path_warnings import PathWarning
from holdfast.vault.paths import shown
from holdfast.vault.source import Scan

_PUT_TRIES = 20
_OPEN_TRIES, _OPEN_PAUSE_SECONDS = 400, 0.005
_NOT_AS_IT_WAS = (FileNotFoundError, NotADirectoryError, SourceFileRefused)


class Old(msgspec.Struct, frozen=True, array_like=True):
    """The former state of a file or folder that is fixed, or in which something is renamed."""

    path: bytes
    kind: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: tuple[tuple[bytes, bytes], ...] | None


class JournalChange(msgspec.Struct, frozen=True, array_like=True):
    """A `plan.Change`, as the journal keeps it."""

    number: int
    path: bytes
    puts: bool
    takes: bool


class Journal(msgspec.Struct, frozen=True):
    """Everything that undoing needs."""

    root: bytes
    staging: bytes
    identity: tuple[int, int]
    """Device and inode of the staging folder."""
    changes: list[JournalChange]
    olds: list[Old]


class Outcome(Enum):
    """The state in which a crash left a restore."""

    UNTOUCHED = "untouched"
    UNDONE = "undone"
    FINISHED = "finished"


_decoder = msgspec.msgpack.Decoder(Journal)


class JournalError(TargetError):
    """The journal cannot be written: the fault of its own disk, not of the target's."""


class JournalFull(TargetFull):
    """The disk of the journal is full, not that of the target."""


class TargetTaken(TargetError):
    """Somebody else has made meanwhile the folder that was to be new."""


class RollBackFailed(TargetError):
    """The old state could not be put back; it lies in the staging folder, and the next start tries again."""


class Swap:
    """Applies the changes of one restore whose new things are staged."""

    def __init__(self, root: Path, staging: Staging, journal: Path, *, owners: bool) -> None:
        self._root = root
        self._staging = staging
        self._journal = journal
        self._owners = owners
        self.notices: list[PathWarning] = []

    def run(
        self,
        changes: list[Change],
        fixes: list[Fix],
        scan: Scan,
        target: DirectoryReader,
        confirm: Callable[[], None] = lambda: None,
    ) -> None:
        """Swap everything; when that fails midway, all is put back.

        `confirm` looks at it when all is swapped; what it raises puts all back. Raises TargetError, RollBackFailed.
        """
        journal = Journal(
            os.fsencode(self._root),
            os.fsencode(self._staging.folder),
            self._staging.identity,
            [JournalChange(c.number, c.path, c.puts, c.takes) for c in changes],
            self._olds(changes, fixes, scan, target),
        )
        # Where nothing is replaced a power cut costs nothing that the backup does not have: as for any copy.
        replaces = bool(fixes) or any(change.takes for change in changes)
        try:
            if replaces:
                _sync_disk(self._staging.fd)  # what is staged must outlive what it replaces
        except OSError as error:
            raise target_error(error, self._staging.folder) from error
        with self._journal_errors():
            try:
                write_durably(self._journal, msgspec.msgpack.encode(journal))
            except BaseException:
                with suppress(OSError):  # nothing was swapped, so nothing is to be undone
                    self._journal.unlink(missing_ok=True)
                raise
        try:
            for change in changes:
                self._apply(change, target, self._staging.new, self._staging.old)
            self._fix(fixes, target)
            self._restore_times(journal, fixes, target)
            confirm()
            if replaces:
                _sync_disk(self._staging.fd)
            with self._journal_errors():
                os.rename(self._journal, _done(self._journal))
                sync_folder(self._journal.parent)
        except BaseException as error:
            if _done(self._journal).exists():
                return  # all was done; only the last look at the disk failed
            roll_back(self._journal, owners=self._owners)
            if isinstance(error, OSError):
                raise target_error(error, self._root) from error
            raise

    @contextmanager
    def _journal_errors(self) -> Iterator[None]:
        """Turn errors of the journal's disk, which is the home's, into ones with a sentence that names it."""
        try:
            yield
        except OSError as error:
            folder = self._journal.parent
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise JournalFull(
                    f"The disk of {folder}, where the journal of the restore lies, is full; free some space there and "
                    "restore again."
                ) from error
            raise JournalError(
                f"The journal of the restore cannot be written in {folder} ({error.strerror}); fix that and restore "
                "again."
            ) from error

    def _olds(self, changes: list[Change], fixes: list[Fix], scan: Scan, target: DirectoryReader) -> list[Old]:
        touched = {c.path.rpartition(b"/")[0] for c in changes}
        fixed = {fix.path for fix in fixes}
        olds = []
        for path in sorted(touched | fixed, key=lambda p: p.count(b"/"), reverse=True):
            j = scan.paths.number_of(path)
            if path == b"":
                with _opened(target, b"", Kind.FOLDER) as fd:
                    found = os.fstat(fd)
                mode = stat.S_IMODE(found.st_mode)
                olds.append(Old(b"", Kind.FOLDER, mode, found.st_uid, found.st_gid, found.st_mtime_ns, None))
            elif j >= 0:
                kind = int(scan.kind[j])
                xattrs = None
                if path in fixed:
                    with suppress(OSError), _opened(target, path, kind) as fd:
                        xattrs = target.xattrs(fd)
                olds.append(
                    Old(
                        path,
                        kind,
                        int(scan.mode[j]),
                        int(scan.uid[j]),
                        int(scan.gid[j]),
                        int(scan.mtime_ns[j]),
                        xattrs,
                    )
                )
        return olds

    def _apply(self, change: Change, target: DirectoryReader, new: int, old: int) -> None:
        above, _, name = change.path.rpartition(b"/")
        number = b"%d" % change.number
        folder = target.open_folder(above)
        try:
            if change.takes:
                with suppress(FileNotFoundError):  # the application removed it itself in the meantime
                    os.rename(name, number, src_dir_fd=folder, dst_dir_fd=old)
            if change.puts:
                for attempt in range(_PUT_TRIES):
                    code = native.rename_new(new, number, folder, name)
                    if code != -errno.EEXIST:
                        break
                    if change.must_be_free:
                        raise TargetTaken(f"{shown(change.path)} was made while this ran; restore into another folder.")
                    # The application made it anew in this instant; that is not part of the old state.
                    os.rename(name, b"%s-%d" % (number, attempt), src_dir_fd=folder, dst_dir_fd=old)
                if code:
                    raise OSError(-code, os.strerror(-code))
        finally:
            os.close(folder)

    def _fix(self, fixes: list[Fix], target: DirectoryReader) -> None:
        # Folders last and from the innermost out, so that what is done in them does not change their times again.
        for fix in sorted(fixes, key=lambda f: (f.kind == Kind.FOLDER, -f.path.count(b"/"))):
            try:
                with _opened(target, fix.path, fix.kind) as fd:
                    _set(fd, fix.mode, fix.uid, fix.gid, fix.mtime_ns, fix.xattrs, owners=self._owners)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
                    raise
                why = error.strerror or str(error)
                message = f"Rights and times of {shown(fix.path)} could not be set ({why})."
                self.notices.append(PathWarning(fix.path, "RIGHTS_LEFT", message))

    def _restore_times(self, journal: Journal, fixes: list[Fix], target: DirectoryReader) -> None:
        """Folders that the backup has as they are, but in which something was renamed, get their times back."""
        fixed = {fix.path: fix.mtime_ns for fix in fixes}
        for old in journal.olds:
            if old.kind == Kind.FOLDER and old.path:
                with suppress(OSError), _opened(target, old.path, Kind.FOLDER) as fd:
                    mtime_ns = fixed.get(old.path, old.mtime_ns)
                    os.utime(fd, ns=(mtime_ns, mtime_ns))


def clean_up(journal: Path, *, owners: bool) -> Outcome:
    """Complete or undo a restore that was cut off; its staging stays. Raises RollBackFailed, JournalError."""
    if _done(journal).exists():
        return Outcome.FINISHED
    if journal.exists():
        roll_back(journal, owners=owners)
        return Outcome.UNDONE
    # A folder that is gone has no journal either, and what it would undo must not be thrown away for that.
    if journal.name in _names_in(journal.parent):
        raise JournalError(f"The journal in {journal.parent} comes and goes; check its disk, and start again.")
    return Outcome.UNTOUCHED


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise JournalError(
            f"The folder {folder}, where the journal of the restore lies, cannot be read ({error.strerror}); bring it "
            "back, and the next start of Holdfast goes on."
        ) from error


def forget(journal: Path) -> None:
    """Remove what tells how a restore ended; the last thing of all."""
    _done(journal).unlink(missing_ok=True)


def _done(journal: Path) -> Path:
    return journal.with_suffix(".done")


def roll_back(path: Path, *, owners: bool) -> None:
    """Undo what the journal lists, as far as it was done; idempotent. Raises RollBackFailed."""
    staging = path
    try:
        journal = _decoder.decode(path.read_bytes())
        staging = Path(os.fsdecode(journal.staging))
        reader = DirectoryReader(Path(os.fsdecode(journal.root)))
        try:
            with reopened(staging, journal.identity) as (new, old):
                for change in reversed(journal.changes):
                    _undo(change, reader, new, old)
                for was in journal.olds:
                    # Gone, or something else by now: then it is the application's own, and not ours to set.
                    with suppress(*_NOT_AS_IT_WAS), _opened(reader, was.path, was.kind) as fd:
                        _set(fd, was.mode, was.uid, was.gid, was.mtime_ns, was.xattrs, owners=owners)
                _sync_disk(new)
        finally:
            reader.close()
        os.unlink(path)
        sync_folder(path.parent)
    except (OSError, msgspec.MsgspecError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise RollBackFailed(
            f"The old state could not be restored completely ({why}); the rest is in {staging}, and the next start of "
            "Holdfast tries again."
        ) from error


def _undo(change: JournalChange, reader: DirectoryReader, new: int, old: int) -> None:
    number = b"%d" % change.number
    went_out, is_in = _exists(old, number), change.puts and not _exists(new, number)
    if not (went_out or is_in):
        return
    above, _, name = change.path.rpartition(b"/")
    folder = _patiently_opened(reader, above)
    try:
        if is_in:
            with suppress(FileNotFoundError):
                os.rename(name, number, src_dir_fd=folder, dst_dir_fd=new)
        if went_out:
            code = native.rename_new(old, number, folder, name)
            if code == -errno.EEXIST:  # made anew by the application; the old state goes first
                os.rename(name, number + b"-late", src_dir_fd=folder, dst_dir_fd=old)
                code = native.rename_new(old, number, folder, name)
            if code:
                raise OSError(-code, os.strerror(-code))
    finally:
        os.close(folder)


def _patiently_opened(reader: DirectoryReader, path: bytes) -> int:
    """Return the folder at `path`; wait a moment for an application that is moving it to put it back."""
    for _ in range(_OPEN_TRIES):
        with suppress(*_NOT_AS_IT_WAS):
            return reader.open_folder(path)
        time.sleep(_OPEN_PAUSE_SECONDS)
    return reader.open_folder(path)


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _set(
    fd: int,
    mode: int,
    uid: int,
    gid: int,
    mtime_ns: int,
    xattrs: tuple[tuple[bytes, bytes], ...] | None,
    *,
    owners: bool,
) -> None:
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        raise OSError(errno.EPERM, "it has other names now")
    if xattrs is not None:
        there = {os.fsencode(name) for name in os.listxattr(fd)}
        for name in there - {key for key, _ in xattrs}:
            os.removexattr(fd, name)
        for key, value in xattrs:
            os.setxattr(fd, key, value)
    if owners and (found.st_uid, found.st_gid) != (uid, gid):
        os.fchown(fd, uid, gid)
    os.fchmod(fd, mode)
    os.utime(fd, ns=(mtime_ns, mtime_ns))


@contextmanager
def _opened(reader: DirectoryReader, path: bytes, kind: int) -> Iterator[int]:
    fd = reader.open_folder(path) if kind == Kind.FOLDER else reader.open(path)
    try:
        yield fd
    finally:
        os.close(fd)


def _sync_disk(fd: int) -> None:
    """Flush the file system of `fd` to its disk."""
    code = native.sync_disk(fd)
    if code:
        raise OSError(-code, os.strerror(-code))
