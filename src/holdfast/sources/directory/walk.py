"""One walk over a directory, as a `Scan`."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from holdfast.native import library as native
from holdfast.sources.directory.bounds import BOUNDS, TreeBounds
from holdfast.sources.directory.ignore import PatternsTooSlow, Rules
from holdfast.sources.port import SourceError, SourceTooLarge
from holdfast.vault.control import NEVER, Control
from holdfast.vault.path_tree import PathTree
from holdfast.vault.path_warnings import PathWarning, PathWarnings
from holdfast.vault.paths import shown
from holdfast.vault.source import SCAN_COLUMNS, TOO_DEEP, Scan

CHECK_SECONDS = 0.25
"""The interval between checks for a cancelled walk."""

ENTRY = np.dtype(
    [
        ("mtime_ns", "<i8"),
        ("ctime_ns", "<i8"),
        ("size", "<u8"),
        ("inode", "<u8"),
        ("device", "<u8"),
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("nlink", "<u4"),
        ("parent", "<i4"),
        ("mode", "<u2"),
        ("name_length", "<u2"),
        ("target_length", "<u2"),
        ("kind", "u1"),
        ("is_spared", "u1"),
    ],
    align=True,
)
"""`struct entry` of walk.c."""

NOTICE = np.dtype([("code", "<u4"), ("detail", "<u4"), ("path_length", "<u4"), ("reserved", "<u4")])
"""`struct notice` of walk.c."""

_SPECIAL = {
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "FIFO",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def walk(
    fd: int,
    excluded: Sequence[bytes],
    rules: Rules | None = None,
    bounds: TreeBounds = BOUNDS,
    control: Control = NEVER,
) -> Scan:
    """Walk the tree below the open folder `fd`, leaving out the paths `excluded` and what is below them.

    What `rules` leave out is not walked either; but files that may be sidecars of databases are there, as `spared`.
    Raises SourceTooLarge, SourceError when the machine runs out of memory or descriptors, PatternsTooSlow, Cancelled;
    single paths that cannot be read become notices. `control` is asked on a thread of its own.
    """
    handle, stop = ctypes.c_void_p(), ctypes.c_int32(0)
    skip = (ctypes.c_char_p * (len(excluded) + 1))(*excluded, None)
    try:
        ignore = rules.handle if rules is not None else None
        with _stopped_by(control, stop):
            code = native.walk(
                fd, ctypes.byref(stop), skip, ignore, bounds.entries, bounds.name_bytes, ctypes.byref(handle)
            )
        if code == -errno.EOVERFLOW and ignore is not None:
            raise PatternsTooSlow
        if code == -errno.E2BIG:
            raise SourceTooLarge(
                f"The application's folder has more than {bounds.entries:,} files and folders, too many for a backup; "
                "remove some, or leave some out with ignore patterns."
            )
        if code == -errno.EMSGSIZE:
            raise SourceTooLarge(
                f"The names of the files in the application's folder take more than {bounds.name_bytes:,} bytes, too "
                "many for a backup; remove some files, or leave some out with ignore patterns."
            )
        if code == -errno.ENOMEM:
            raise SourceTooLarge(
                "The application's folder has more files than there is memory for; remove some, or leave some out with "
                "ignore patterns."
            )
        if code:
            why = os.strerror(-code)
            raise SourceError(f"The application's folder could not be walked ({why}); raise the limit and try again.")
        entries = np.frombuffer(native.walk_array(handle, native.ENTRIES), ENTRY)
        notices = np.frombuffer(native.walk_array(handle, native.NOTICES), NOTICE)
        notice_paths = native.walk_array(handle, native.NOTICE_PATHS)
        columns: dict[str, Any] = {name: np.array(entries[name]) for name in SCAN_COLUMNS if name != "content"}
        return Scan(
            **columns,
            paths=PathTree(entries["parent"], entries["name_length"], native.walk_array(handle, native.NAMES)),
            target_bytes=native.walk_array(handle, native.TARGETS),
            content=np.zeros(len(entries), np.uint8),
            notices=PathWarnings(_notices(notices.tolist(), notice_paths), native.walk_more_notices(handle)),
            spared=entries["is_spared"].nonzero()[0].tolist(),
        )
    finally:
        native.walk_free(handle)


@contextmanager
def _stopped_by(control: Control, stop: ctypes.c_int32) -> Iterator[None]:
    """Set `stop` as soon as `control` is cancelled. Raises Cancelled at the end then, or what `control` raised."""
    over = threading.Event()
    why: list[Exception] = []

    def check() -> None:
        while not over.wait(CHECK_SECONDS):
            try:
                control.check("It was cancelled while the folder was walked.")
            except Exception as error:
                why.append(error)
                stop.value = 1
                return

    thread = threading.Thread(target=check, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if why:
        raise why[0]


def _notices(rows: list[Any], paths: bytes) -> list[PathWarning]:
    out, at = [], 0
    for code, detail, length, _ in rows:
        path = paths[at : at + length]
        at += length
        name = shown(path)
        if code == 1:
            what = _SPECIAL.get(detail, "special file")
            out.append(
                PathWarning(path, "SPECIAL_FILE", f"{name} is a {what}, which a backup cannot hold; it was left out.")
            )
        elif code == 2:
            why = (
                "cannot be listed; give the user that takes the backups permission to read it"
                if detail
                in (
                    errno.EACCES,
                    errno.EPERM,
                )
                else f"could not be listed ({os.strerror(detail)})"
            )
            out.append(PathWarning(path, "UNREADABLE_FOLDER", f"The folder {name} {why}; its contents were left out."))
        elif code == 3:
            out.append(
                PathWarning(path, TOO_DEEP, f"The folder {name} is nested too deeply; its contents were left out.")
            )
        else:
            out.append(
                PathWarning(
                    path, "UNREADABLE_FILE", f"{name} could not be read ({os.strerror(detail)}); it was left out."
                )
            )
    return out
