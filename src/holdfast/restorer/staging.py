"""Staging: everything that a restore puts is written whole beside the target before anything of the target changes.

So a damaged backup, a full disk or a crash while writing leaves the target as it was.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from holdfast.native import library as native
from holdfast.restorer import STAGING_PREFIX
from holdfast.restorer.changes import NewFolder, RestorePlan
from holdfast.restorer.removal import remove_tree
from holdfast.sources.reader import DirectoryReader
from holdfast.vault.control import Control
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Entry, Kind
from holdfast.vault.path_warnings import PathWarning
from holdfast.vault.paths import shown
from holdfast.vault.reader.extract import FilePart, Large, Small, check_whole

BATCH_FILES_MAX = 256
BATCH_BYTES_MAX = 4 * 1024 * 1024
BATCHES_AHEAD = 2
PARTS_AHEAD = 4
WRITERS = 2
CANCELLED = "The restore was cancelled; nothing was changed."
_PATH_BYTES_MAX = 4000
"""Longer paths are not given to the kernel in one piece."""


class TargetError(Exception):
    """The target cannot be written; the message is one sentence for a person."""


class TargetFull(TargetError):
    """Its disk is full."""


def target_error(error: OSError, where: Path) -> TargetError:
    """Turn an error of the target's disk into one with a sentence for people."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return TargetFull(f"The disk that the restore writes to, that of {where}, is full; free some space there.")
    if error.errno == errno.EXDEV:
        return TargetError(f"A part of {where} lies on another disk; restore that part by itself, with --path.")
    return TargetError(f"{where} cannot be written ({error.strerror}); fix that and restore again.")


def staging_folder(root: Path, restore_id: str) -> Path:
    """Return the staging folder of a restore to `root`: beside it, or inside it if we cannot write beside it or that is
    another disk.

    Of a restore that was begun it is the one that is there.
    """
    beside = root.parent / f"{STAGING_PREFIX}{restore_id}"
    inside = root / f"{STAGING_PREFIX}{restore_id}"
    if inside.is_dir():
        return inside
    if beside.is_dir():
        return beside
    same_disk = root.parent.exists() and root.exists() and root.stat().st_dev == root.parent.stat().st_dev
    return beside if same_disk and os.access(root.parent, os.W_OK | os.X_OK) else inside


@dataclass(slots=True)
class _Folder:
    """A folder whose rights and times are set when all is in it. `number`: of its entry."""

    number: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: tuple[tuple[bytes, bytes], ...]


_INTO = b"0"
"""The staged folder of a restore that puts all into a new folder: that of its only change."""
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _checked_identity(fd: int) -> tuple[int, int]:
    """(device, inode) of a folder that is ours alone. Raises OSError."""
    found = os.fstat(fd)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise OSError(errno.EPERM, "another folder was put in the place of the staging folder")
    return found.st_dev, found.st_ino


def _open_parts(fd: int) -> tuple[int, int]:
    """Return the descriptors of `new` and `old`. Raises OSError."""
    new = os.open("new", _OPEN_FOLDER, dir_fd=fd)
    try:
        return new, os.open("old", _OPEN_FOLDER, dir_fd=fd)
    except OSError:
        os.close(new)
        raise


@contextmanager
def reopened(folder: Path, identity: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Descriptors of `new` and `old` of a staging that another process made. Raises OSError when it is another one."""
    fd = os.open(folder, _OPEN_FOLDER)
    try:
        if _checked_identity(fd) != identity:
            raise OSError(errno.ESTALE, "another folder is in the place of the staging folder")
        new, old = _open_parts(fd)
    finally:
        os.close(fd)
    try:
        yield new, old
    finally:
        os.close(new)
        os.close(old)


class Staging:
    """The staging of one restore. `close` it; `remove` takes it away."""

    def __init__(self, folder: Path, *, owners: bool) -> None:
        """Makes the folder. From then on it is reached by descriptors alone: whoever owns the folder around it can
        put another one in its place, and must gain nothing by that. Raises TargetError."""
        self.folder = folder
        self._owners = owners
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise target_error(error, folder.parent) from error
        self.fd = -1
        try:
            self.fd = os.open(folder, _OPEN_FOLDER)
            self.identity = _checked_identity(self.fd)
            for name in ("new", "old"):
                os.mkdir(name, mode=0o700, dir_fd=self.fd)
            self.new, self.old = _open_parts(self.fd)
        except OSError as error:
            if self.fd >= 0:
                os.close(self.fd)
            with suppress(OSError):
                remove_tree(folder)
            raise target_error(error, folder.parent) from error
        self._batch = _Batch()
        self._writer = ThreadPoolExecutor(WRITERS, thread_name_prefix="restore")
        self._written: list[Future[None]] = []
        self._folders: list[_Folder] = []
        self.notices: list[PathWarning] = []

    def close(self) -> None:
        """Release what is open; the folder stays."""
        self._writer.shutdown(wait=True, cancel_futures=True)
        for fd in (self.new, self.old, self.fd):
            if fd >= 0:
                os.close(fd)
        self.new = self.old = self.fd = -1

    def write(
        self,
        plan: RestorePlan,
        contents: Callable[[Callable[[Block, int], None]], Iterable[Small | Large]],
        large_parts: Callable[[Entry], Iterator[FilePart]],
        target: DirectoryReader,
        on_bytes: Callable[[int, int], None],
        control: Control,
    ) -> None:
        """Write all that `plan` puts. `contents(on_block)` gives the files; links are made at the end.

        Raises TargetError, Cancelled, and what `contents` raises; then nothing of the target was touched.
        """
        tops = [len(change.path) for change in plan.changes]

        def place(number: int) -> bytes:
            """Return the path at which an entry is staged, relative to `new`."""
            change = int(plan.change_of[number])
            if plan.into is not None:
                return b"%d/" % change + plan.paths[number]
            return b"%d" % change + plan.paths[number][tops[change] :]

        def on_block(block: Block, base: int) -> None:
            control.check(CANCELLED)
            self._make_rest(plan, block, base, place)

        try:
            if plan.into is not None:
                os.mkdir(_INTO, 0o700, dir_fd=self.new)
            for item in contents(on_block):
                control.check(CANCELLED)
                path = place(item.number)
                if isinstance(item, Small):
                    self._add(path, item)
                    on_bytes(1, len(item.data))
                else:
                    self._write_large(path, item.entry, large_parts(item.entry), on_bytes, control)
                    on_bytes(1, 0)
            self._flush()
            self._wait(0)
            self._make_links(plan, place, target)
            self._finish_folders(place)
            if plan.into is not None:
                self._finish_into(plan.into, target)
        except OSError as error:
            raise target_error(error, self.folder.parent) from error

    # -- folders and links -----------------------------------------------------------------------------------------

    def _make_rest(self, plan: RestorePlan, block: Block, base: int, place: Callable[[int], bytes]) -> None:
        """Make the folders and symbolic links of a block, before its files."""
        part = plan.change_of[base : base + len(block)]
        for i in ((part >= 0) & (block.kind != Kind.FILE)).nonzero()[0].tolist():
            path = place(base + i)
            entry = block.entry(i)
            if entry.kind is Kind.FOLDER:
                with _at(self.new, path) as (folder, name):
                    os.mkdir(name, 0o700, dir_fd=folder)
                self._folders.append(
                    _Folder(base + i, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.extra.xattrs)
                )
            else:
                with _at(self.new, path) as (folder, name):
                    os.symlink(entry.extra.target or b"", name, dir_fd=folder)
                    if self._owners:
                        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
                    os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)

    def _make_links(self, plan: RestorePlan, place: Callable[[int], bytes], target: DirectoryReader) -> None:
        for number, of in plan.links.items():
            with _at(self.new, place(number)) as (folder, name):
                if plan.change_of[of] >= 0:
                    with _at(self.new, place(of)) as (source, source_name):
                        os.link(source_name, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
                    continue
                above, _, source_name = plan.paths[of].rpartition(b"/")
                source = target.open_folder(above)
                try:
                    os.link(source_name, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
                finally:
                    os.close(source)

    def _finish_folders(self, place: Callable[[int], bytes]) -> None:
        """Rights and times of the new folders, from the innermost out: making something in one changes its time."""
        for made in reversed(self._folders):
            path = place(made.number)
            with _at(self.new, path) as (above, name):
                fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
                try:
                    self._set_xattrs(fd, path, made.xattrs)
                    if self._owners:
                        os.fchown(fd, made.uid, made.gid)
                    os.fchmod(fd, made.mode)
                    os.utime(fd, ns=(made.mtime_ns, made.mtime_ns))
                finally:
                    os.close(fd)

    def _finish_into(self, folder: NewFolder, target: DirectoryReader) -> None:
        """Give the new folder that holds all the owner and rights of the one that it goes into, and its mark."""
        above = target.open_folder(folder.path.rpartition(b"/")[0])
        try:
            like = os.fstat(above)
        finally:
            os.close(above)
        fd = os.open(_INTO, _OPEN_FOLDER, dir_fd=self.new)
        try:
            try:
                os.setxattr(fd, *folder.mark)
            except OSError as error:
                message = (
                    f"Backups do not leave out {shown(folder.path)}, as its file system keeps no attributes "
                    f"({error.strerror}); add the pattern /{shown(folder.path)}/ to ignore if they should."
                )
                self.notices.append(PathWarning(folder.path, "NOT_LEFT_OUT", message))
            if self._owners:
                os.fchown(fd, like.st_uid, like.st_gid)
            os.fchmod(fd, stat.S_IMODE(like.st_mode))
        finally:
            os.close(fd)

    def _set_xattrs(self, fd: int, path: bytes, xattrs: Iterable[tuple[bytes, bytes]]) -> None:
        for key, value in xattrs:
            try:
                os.setxattr(fd, key, value)
            except OSError as error:
                inside = path.partition(b"/")[2] or path
                self.notices.append(
                    PathWarning(
                        path,
                        "ATTRIBUTE_LEFT_OUT",
                        f"The attribute {shown(key)} of {shown(inside)} could not be set ({error.strerror}).",
                    )
                )

    # -- files -----------------------------------------------------------------------------------------------------

    def _add(self, path: bytes, item: Small) -> None:
        block, i = item.block, item.at
        extra = block.extra(i)
        if len(path) > _PATH_BYTES_MAX or extra.xattrs:
            self._flush()
            with self._made(path, block.entry(i)) as fd:
                _write_at(fd, 0, item.data)
            return
        self._batch.add(
            path, item.data, int(block.mode[i]), int(block.uid[i]), int(block.gid[i]), int(block.mtime_ns[i])
        )
        if self._batch.is_full:
            self._flush()

    def _flush(self) -> None:
        if not self._batch.is_empty:
            batch, self._batch = self._batch, _Batch()
            self._wait(BATCHES_AHEAD)
            self._written.append(self._writer.submit(batch.write, self.new, self._owners))

    def _wait(self, ahead: int) -> None:
        """Wait until at most `ahead` batches are still to be written. Raises what writing raised."""
        while len(self._written) > ahead:
            self._written.pop(0).result()

    def _write_large(
        self,
        path: bytes,
        entry: Entry,
        parts: Iterator[FilePart],
        on_bytes: Callable[[int, int], None],
        control: Control,
    ) -> None:
        """Inflate and write part by part, on the writer's threads."""
        checks: list[tuple[int, int, int]] = []
        under_way: deque[Future[tuple[int, int, int]]] = deque()
        with self._made(path, entry) as fd:
            try:
                for part in parts:
                    control.check(CANCELLED)
                    if len(under_way) > PARTS_AHEAD:
                        checks.append(under_way.popleft().result())
                    under_way.append(self._writer.submit(part.write, partial(_write_at, fd)))
                    on_bytes(0, part.size)
                checks += [one.result() for one in under_way]
            finally:
                wait(under_way)  # none may write to a descriptor that is somebody else's by then
        check_whole(entry, checks)

    @contextmanager
    def _made(self, path: bytes, entry: Entry) -> Iterator[int]:
        """A new file to be written; its rights and times are set when that is done."""
        with _at(self.new, path) as (folder, name):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            yield fd
            os.ftruncate(fd, entry.size)
            self._set_xattrs(fd, entry.path, entry.extra.xattrs)
            if self._owners:
                os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)


class _Batch:
    """Small files to be written with one call."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []
        self._paths: list[bytes] = []
        self._data: list[bytes] = []
        self._path_bytes = 0
        self._bytes = 0

    @property
    def is_empty(self) -> bool:
        return not self._rows

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= BATCH_FILES_MAX or self._bytes >= BATCH_BYTES_MAX

    def add(self, path: bytes, data: bytes, mode: int, uid: int, gid: int, mtime_ns: int) -> None:
        row = native.NEW_FILE.pack(self._path_bytes, self._bytes, len(data), mtime_ns, mode, uid, gid, 0)
        self._rows.append(row)
        self._paths.append(path + b"\0")
        self._data.append(data)
        self._path_bytes += len(path) + 1
        self._bytes += len(data)

    def write(self, top: int, owners: bool) -> None:
        """Make the files. Raises OSError."""
        failed = ctypes.c_uint64(0)
        code = native.write_files(
            top,
            b"".join(self._rows),
            len(self._rows),
            b"".join(self._paths),
            b"".join(self._data),
            int(owners),
            ctypes.byref(failed),
        )
        if code:
            raise OSError(-code, os.strerror(-code), os.fsdecode(self._paths[failed.value][:-1]))


class _at:
    """The folder that holds a staged path, opened step by step where the path is long, and the last name."""

    def __init__(self, top: int, path: bytes) -> None:
        self._top = top
        self._path = path
        self._fd = -1

    def __enter__(self) -> tuple[int, bytes]:
        if len(self._path) <= _PATH_BYTES_MAX:
            return self._top, self._path
        *folders, name = self._path.split(b"/")
        fd = os.dup(self._top)
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            os.close(fd)
            fd = below
        self._fd = fd
        return fd, name

    def __exit__(self, *failure: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def remove_staging(folder: Path) -> None:
    """Remove a staging folder and everything in it. Raises TargetError."""
    try:
        remove_tree(folder)
    except OSError as error:
        raise target_error(error, folder) from error


def _write_at(fd: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written
