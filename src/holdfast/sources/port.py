"""What every source gives, and what can go wrong with one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


class SourceError(Exception):
    """A source cannot be read; the message is one sentence for a person."""


class SourceMissing(SourceError):
    """The folder is not there, or is no folder."""


class SourceCancelled(SourceError):
    """The walk was asked to stop."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know about one path of a source."""

    path: bytes
    code: str
    message: str


@dataclass(slots=True)
class Scan:
    """One walk over a source: columns of equal length, entries in manifest order, the root folder not among them.

    `kind` as vault.entry.Kind; `mode` without the file type; times in nanoseconds; `size` and `allocated` in bytes
    (a symbolic link's size is that of its target, a folder's 0). Paths and targets stand back to back.
    """

    kind: NDArray[np.uint8]
    mode: NDArray[np.uint16]
    uid: NDArray[np.uint32]
    gid: NDArray[np.uint32]
    mtime_ns: NDArray[np.int64]
    ctime_ns: NDArray[np.int64]
    size: NDArray[np.uint64]
    inode: NDArray[np.uint64]
    device: NDArray[np.uint64]
    nlink: NDArray[np.uint32]
    allocated: NDArray[np.uint64]
    path_length: NDArray[np.uint16]
    target_length: NDArray[np.uint16]
    path_bytes: bytes
    target_bytes: bytes
    content: NDArray[np.uint8]
    """Where the content comes from, as vault.columns.From: the file, a copy that was made of it, a stream."""
    notices: list[Notice]
    spared: list[int] = field(default_factory=list)
    """Numbers of files that ignore patterns leave out, but that may be sidecars of databases which they don't."""


def empty_scan() -> Scan:
    """A walk over a folder with nothing in it."""
    none: dict[str, Any] = {
        name: np.empty(0, kind)
        for name, kind in (
            ("kind", "u1"),
            ("mode", "u2"),
            ("uid", "u4"),
            ("gid", "u4"),
            ("mtime_ns", "i8"),
            ("ctime_ns", "i8"),
            ("size", "u8"),
            ("inode", "u8"),
            ("device", "u8"),
            ("nlink", "u4"),
            ("allocated", "u8"),
            ("path_length", "u2"),
            ("target_length", "u2"),
            ("content", "u1"),
        )
    }
    return Scan(**none, path_bytes=b"", target_bytes=b"", notices=[])
