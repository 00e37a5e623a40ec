"""The tasks of an archiver: files to read, chunks the vault has already, and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.path_warnings import PathWarning, PathWarnings

RESULT_FIELDS = (
    ("number", "<u4", "I"),
    ("part", "<u4", "I"),
    ("status", "u1", "B"),
    ("mode", "<u2", "H"),
    ("uid", "<u4", "I"),
    ("gid", "<u4", "I"),
    ("mtime_ns", "<i8", "q"),
    ("ctime_ns", "<i8", "q"),
    ("inode", "<u8", "Q"),
    ("device", "<u8", "Q"),
    ("size", "<u8", "Q"),
    ("crc32", "<u4", "I"),
    ("extent_count", "<u4", "I"),
    ("extra_length", "<u4", "I"),
)
"""Fields of a result row: name, numpy type, struct code. Rows are packed here and read as an array where they are
gathered; numpy itself stays out of the workers (0.2 s and 20 MB each)."""


class KnownChunks(Protocol):
    """The chunks that the vault has already."""

    def stored(self, ids: Sequence[bytes]) -> list[int | None]:
        """Return for each id the stored length of its chunk, or None when the vault does not have it."""


class NothingKnown:
    """An empty vault."""

    def stored(self, ids: Sequence[bytes]) -> list[int | None]:
        return [None] * len(ids)


class FileItem(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A file to read: its row number in the scan and its path."""

    number: int
    path: bytes


class Batch(msgspec.Struct, array_like=True, frozen=True, tag="b", gc=False):
    """Small files, each read whole."""

    files: list[FileItem]


class FilePart(msgspec.Struct, array_like=True, frozen=True, tag="p", gc=False):
    """Bytes `offset` to `offset + length` of a large file; the last part reads to the end that the file then has."""

    number: int
    path: bytes
    part: int
    offset: int
    length: int
    is_last: bool


class StreamTask(msgspec.Struct, array_like=True, frozen=True, tag="s", gc=False):
    """A stream, from its start to its end."""

    number: int
    path: bytes


Job = Batch | FilePart | StreamTask


class Result(msgspec.Struct, array_like=True, gc=False):
    """The result of one job. `rows`, `extents`: rows of RESULT_FIELDS and of EXTENT_DTYPE, packed."""

    rows: bytes
    extents: bytes
    extras: bytes
    notices: list[PathWarning]
    files: int
    read_bytes: int
    packs: list[PackRow]


@dataclass(slots=True)
class Gathered:
    """The workers' results, collected as growing arrays."""

    rows: list[bytes] = field(default_factory=list)
    extents: list[bytes] = field(default_factory=list)
    extras: list[bytes] = field(default_factory=list)
    notices: PathWarnings = field(default_factory=PathWarnings)
    packs: list[PackRow] = field(default_factory=list)
