"""Faults of the files in one folder, such as the home's `run/`: locks, journals, marks, scratch.

The calls that this process makes to files below the folder are counted, whichever module makes them: each of them may
go wrong, as `kit.stores.faults` says. Those of other processes are not seen.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdfast.native import library as native
from kit.stores.fault_kinds import CODES, Faults, Kind

_TAKES_ROOM = ("rename", "replace", "link", "symlink", "mkdir", "fsync")
"""Calls that a full disk may refuse."""
_CHANGES = ("unlink", "remove", "rmdir", "chmod", "fchmod", "utime", "truncate")
"""Further calls that a read-only disk refuses."""
_FAN = re.compile(rb"(^|/)[0-9a-f]{2}(?=/|$)")
_OPENS_TO_WRITE = os.O_WRONLY | os.O_RDWR


class FolderFaults:
    """The calls to one folder, as `faults` counts them."""

    def __init__(self, folder: Path, faults: Faults) -> None:
        self._prefix = os.fsencode(os.path.realpath(folder))
        self._faults = faults
        self._is_inside = False
        self._seen: set[tuple[object, bytes]] = set()

    def is_below(self, path: Any, folder: int | None = None) -> bool:
        """True for the folder and all below it. `path`: a name or a descriptor; `folder`: that of a relative name."""
        if isinstance(path, int):
            return self._is_below(_named(path))
        name = os.fsencode(path)
        if folder is not None and folder >= 0 and not name.startswith(b"/"):
            name = _named(folder) + b"/" + name
        return self._is_below(name)

    def _is_one_of_many(self, operation: Callable[[], Any], path: object) -> bool:
        """True for a call to one of the 256 folders of an import's scratch, made or removed like another before it."""
        name = _path_of(path)
        alike = _FAN.sub(rb"\1*", name)
        if alike == name or not isinstance(operation, partial):
            return False
        this = (operation.func, alike)
        is_known = this in self._seen
        self._seen.add(this)
        return is_known

    def _is_below(self, name: bytes) -> bool:
        return name == self._prefix or name.startswith(self._prefix + b"/")

    def call(
        self,
        operation: Callable[[], Any],
        path: object,
        *,
        takes_room: bool = False,
        changes: bool = False,
        half: Callable[[], object] | None = None,
    ) -> Any:
        """Make one call. `takes_room`: on a full disk it fails; `changes`: on a read-only one; `half`: of a write."""
        if self._is_inside:  # a call that is made of others counts as one
            return operation()
        kind = self._faults.kind
        writes = half is not None if kind is Kind.TORN else takes_room if kind is Kind.FULL else takes_room or changes
        code = CODES.get(kind, errno.EIO)

        def error() -> Exception:
            name = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else None
            return OSError(code, os.strerror(code), name)

        is_repeated = self._is_one_of_many(operation, path)
        self._is_inside = True
        try:
            return self._faults.call(operation, error, writes=writes, half=half, is_repeated=is_repeated)
        finally:
            self._is_inside = False


def _path_of(path: object) -> bytes:
    if isinstance(path, int):
        return _named(path)
    return os.fsencode(path) if isinstance(path, str | bytes | os.PathLike) else b""


def _named(fd: int) -> bytes:
    try:
        return _readlink(b"/proc/self/fd/%d" % fd)
    except OSError:
        return b""


_readlink = os.readlink


class _File:
    """An open file, whose writes are counted."""

    def __init__(self, file: Any, faults: FolderFaults) -> None:
        self._file = file
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()

    def write(self, data: Any) -> int:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        written: int = self._faults.call(lambda: self._file.write(data), None, takes_room=True, half=half)
        return written


@contextmanager
def faults_below(folder: Path, faults: Faults) -> Iterator[None]:
    """Have the calls to files below a folder go wrong for as long as this is open."""
    to = FolderFaults(folder, faults)
    with pytest.MonkeyPatch.context() as patch:
        _patch_opening(patch, to)
        _patch_names(patch, to)
        _patch_descriptors(patch, to)
        _patch_native(patch, to)
        yield


def _patch_opening(patch: pytest.MonkeyPatch, to: FolderFaults) -> None:
    os_open, io_open = os.open, io.open

    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        operation = partial(os_open, path, flags, mode, dir_fd=dir_fd)
        if not to.is_below(path, dir_fd):
            return operation()
        makes = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        fd: int = to.call(operation, path, takes_room=makes, changes=bool(flags & _OPENS_TO_WRITE))
        return fd

    def opened_file(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        operation = partial(io_open, file, mode, *arguments, **options)
        if not to.is_below(file):
            return operation()
        writes = any(letter in mode for letter in "wax+")
        if isinstance(file, int):
            return _File(operation(), to) if writes else operation()
        made = to.call(operation, file, takes_room=writes, changes=writes)
        return _File(made, to) if writes else made

    patch.setattr(os, "open", opened)
    for module in (io, builtins):
        patch.setattr(module, "open", opened_file)


def _patch_names(patch: pytest.MonkeyPatch, to: FolderFaults) -> None:
    def named(name: str, real: Callable[..., Any], path: Any, *rest: Any, **options: Any) -> Any:
        operation = partial(real, path, *rest, **options)
        folders = [options[key] for key in ("dir_fd", "src_dir_fd") if options.get(key) is not None]
        others = [(other, options.get("dst_dir_fd")) for other in rest[:1] if name in ("rename", "replace", "link")]
        if not any(to.is_below(*one) for one in ((path, *folders[:1]), *others)):
            return operation()
        return to.call(operation, path, takes_room=name in _TAKES_ROOM, changes=name in _CHANGES)

    def listed(real: Callable[..., Any], path: Any = ".") -> Any:
        return to.call(partial(real, path), path) if to.is_below(path) else real(path)

    for name in (*_TAKES_ROOM, *_CHANGES, "stat", "lstat", "statvfs"):
        patch.setattr(os, name, partial(named, name, getattr(os, name)))
    for name in ("listdir", "scandir"):
        patch.setattr(os, name, partial(listed, getattr(os, name)))


def _patch_descriptors(patch: pytest.MonkeyPatch, to: FolderFaults) -> None:
    def written(real: Callable[..., Any], fd: int, data: Any, *rest: Any) -> Any:
        if not to.is_below(fd):
            return real(fd, data, *rest)
        half = partial(real, fd, memoryview(data)[: len(data) // 2], *rest)
        return to.call(partial(real, fd, data, *rest), None, takes_room=True, half=half)

    def locked(real: Callable[..., Any], fd: Any, *rest: Any) -> Any:
        number = fd if isinstance(fd, int) else fd.fileno()
        return to.call(partial(real, fd, *rest), None) if to.is_below(number) else real(fd, *rest)

    for name in ("write", "pwrite"):
        patch.setattr(os, name, partial(written, getattr(os, name)))
    for name in ("flock", "lockf"):
        patch.setattr(fcntl, name, partial(locked, getattr(fcntl, name)))


def _patch_native(patch: pytest.MonkeyPatch, to: FolderFaults) -> None:
    """The parts written in C report an error as its negative number."""

    def coded(real: Callable[..., int], folder: int, *rest: Any) -> int:
        if not to.is_below(folder):
            return real(folder, *rest)
        return _coded(lambda: to.call(lambda: _checked(real(folder, *rest)), None, takes_room=True))

    for name in ("rename_new", "write_files"):
        patch.setattr(native, name, partial(coded, getattr(native, name)))


def _checked(code: int) -> int:
    if code < 0:
        raise OSError(-code, os.strerror(-code))
    return code


def _coded(operation: Callable[[], int]) -> int:
    try:
        return operation()
    except OSError as error:
        return -(error.errno or errno.EIO)
