"""The manifest: the contents of a backup, entry by entry, in blocks of packed columns.

Terms
-----
*Entry*: one path of the backed-up tree: a file, a folder or a symbolic link. The root folder itself has none.
*Extent*: a run of a file's content: one chunk, `repeat` times over (a hole is a chunk of zeros with the hole flag).
*Block*: up to a few hundred entries that follow each other, as packed columns. A block is stored as one chunk of
kind manifest. Borders depend on the paths alone, so an unchanged folder gives the same block and costs nothing.
*Extent list*: the extents of one big file, cut out of its entry into chunks of their own (kind manifest), again with
content-defined borders, so that a change in a big file rewrites only the part of the list around it.

Order: entries are sorted by path *component by component* (byte order inside a component), which is the order of a
depth-first walk; a folder stands before what is in it.

The byte format of a block is in docs/formats.md ("Block"); `encode_block` and `decode_block` are its only writer and
reader. All integers little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.errors import FormatError
from holdfast.vault.manifest.columns import COLUMNS, EntryColumns
from holdfast.vault.manifest.entry import FLAG_HOLE, NO_EXTRA, Entry, Extent, Extra, Kind, decode_extra

BLOCK_MAGIC = b"HFB1"
LIST_MAGIC = b"HFX1"
EXTENT_DTYPE = np.dtype([("id", "V32"), ("stored", "<u4"), ("raw", "<u4"), ("repeat", "<u4"), ("flags", "<u4")])
_HEADER = struct.Struct("<4sIIII")  # magic, entries, extents, bytes of paths, bytes of extras


class Block(EntryColumns):
    """A decoded block: columns of equal length, and the variable parts by offset.

    `extents`: structured array (EXTENT_DTYPE), all entries' one after the other.
    """

    def __init__(
        self, columns: dict[str, NDArray[np.generic]], extents: NDArray[np.void], paths: bytes, extras: bytes
    ) -> None:
        for name, column in columns.items():
            setattr(self, name, column)
        self.extents = extents
        self.path_bytes = paths
        self.extra_bytes = extras

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def path_ends(self) -> list[int]:
        """Return the end offset of each path in `path_bytes`."""
        return _ends(self.path_length)

    @cached_property
    def extent_ends(self) -> list[int]:
        """Return the end position of each entry's extents in `extents`."""
        return _ends(self.extent_count)

    @cached_property
    def extra_ends(self) -> list[int]:
        """Return the end offset of each entry's extra in `extra_bytes`."""
        return _ends(self.extra_length)

    def paths(self) -> list[bytes]:
        """Return all paths, in order."""
        blob, start, out = self.path_bytes, 0, []
        for end in self.path_ends:
            out.append(blob[start:end])
            start = end
        return out

    def path(self, i: int) -> bytes:
        """Return the path of entry `i`."""
        return self.path_bytes[self.path_ends[i] - int(self.path_length[i]) : self.path_ends[i]]

    def extra_data(self, i: int) -> bytes:
        """Return the bytes of the extra of entry `i`; none for most."""
        end = self.extra_ends[i]
        return self.extra_bytes[end - int(self.extra_length[i]) : end]

    def extra(self, i: int) -> Extra:
        """Return the extra of entry `i` (an empty one for most)."""
        return decode_extra(data) if (data := self.extra_data(i)) else NO_EXTRA

    def extras(self) -> dict[int, Extra]:
        """Return the extras of the entries that have one, by their number."""
        blob, ends, at = self.extra_bytes, self.extra_ends, self.extra_length.nonzero()[0]
        lengths = self.extra_length[at].tolist()
        return {i: decode_extra(blob[ends[i] - n : ends[i]]) for i, n in zip(at.tolist(), lengths, strict=True)}

    def entry_extents(self, i: int) -> tuple[Extent, ...]:
        """Return the extents in entry `i` itself (none for inline contents and for extent lists)."""
        count = int(self.extent_count[i])
        if not count:
            return ()
        end = self.extent_ends[i]
        return tuple(unpack_extents(self.extents[end - count : end]))

    def entry(self, i: int) -> Entry:
        """Return entry `i`, unpacked."""
        return Entry(
            path=self.path(i),
            kind=Kind(int(self.kind[i])),
            mode=int(self.mode[i]),
            uid=int(self.uid[i]),
            gid=int(self.gid[i]),
            mtime_ns=int(self.mtime_ns[i]),
            size=int(self.size[i]),
            crc32=int(self.crc32[i]),
            extents=self.entry_extents(i),
            extra=self.extra(i),
            ctime_ns=int(self.ctime_ns[i]),
            inode=int(self.inode[i]),
            device=int(self.device[i]),
        )

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, in order."""
        return (self.entry(i) for i in range(len(self)))


def _ends(lengths: NDArray[Any]) -> list[int]:
    ends: list[int] = lengths.cumsum(dtype=np.int64).tolist()
    return ends


def unpack_extents(rows: NDArray[np.void]) -> Iterator[Extent]:
    """Unpack extents from rows of EXTENT_DTYPE."""
    ids = rows["id"].tobytes()
    for i, (stored, raw, repeat, flags) in enumerate(
        zip(rows["stored"].tolist(), rows["raw"].tolist(), rows["repeat"].tolist(), rows["flags"].tolist(), strict=True)
    ):
        yield Extent(ids[32 * i : 32 * i + 32], stored, raw, repeat, bool(flags & FLAG_HOLE))


def pack_extents(extents: Sequence[Extent]) -> NDArray[np.void]:
    """Pack extents into a structured array (EXTENT_DTYPE)."""
    rows = [(e.chunk_id, e.stored, e.raw, e.repeat, FLAG_HOLE if e.is_hole else 0) for e in extents]
    return np.array(rows, dtype=EXTENT_DTYPE)


def encode_block(block: Block) -> bytes:
    """Return the bytes of a block, as specified in docs/formats.md."""
    header = _HEADER.pack(BLOCK_MAGIC, len(block), len(block.extents), len(block.path_bytes), len(block.extra_bytes))
    extents = block.extents
    parts = [header, *(getattr(block, name).tobytes() for name in COLUMNS)]
    parts += [extents[f].tobytes() for f in ("stored", "raw", "repeat", "flags", "id")]
    return b"".join([*parts, block.path_bytes, block.extra_bytes])


def decode_block(data: bytes | memoryview) -> Block:
    """Decode a block; raise FormatError unless the bytes are exactly one."""
    if len(data) < _HEADER.size:
        raise FormatError("A manifest block is cut short.")
    magic, n, extent_n, path_n, extra_n = _HEADER.unpack_from(data)
    if magic != BLOCK_MAGIC:
        raise FormatError("This is not a manifest block of a known version.")
    at = _HEADER.size
    expected = at + n * sum(dtype.itemsize for dtype in COLUMNS.values()) + extent_n * 48 + path_n + extra_n
    if len(data) != expected:
        raise FormatError("A manifest block has the wrong length.")
    columns: dict[str, NDArray[np.generic]] = {}
    for name, dtype in COLUMNS.items():
        columns[name] = np.frombuffer(data, dtype=dtype, count=n, offset=at)
        at += columns[name].nbytes
    extents, at = _decode_extents(data, at, extent_n)
    block = Block(columns, extents, bytes(data[at : at + path_n]), bytes(data[at + path_n :]))
    sums = (block.extent_count.sum(), block.path_length.sum(), block.extra_length.sum())
    if sums != (extent_n, path_n, extra_n):
        raise FormatError("A manifest block's lengths do not add up.")
    return block


def _decode_extents(data: bytes | memoryview, at: int, count: int) -> tuple[NDArray[np.void], int]:
    extents = np.empty(count, dtype=EXTENT_DTYPE)
    for field, dtype in (("stored", "<u4"), ("raw", "<u4"), ("repeat", "<u4"), ("flags", "<u4"), ("id", "V32")):
        column = np.frombuffer(data, dtype=dtype, count=count, offset=at)
        extents[field] = column
        at += column.nbytes
    return extents, at


def encode_list(rows: NDArray[np.void]) -> bytes:
    """Return the bytes of an extent list, from rows of EXTENT_DTYPE."""
    columns = [rows[f].tobytes() for f in ("stored", "raw", "repeat", "flags", "id")]
    return b"".join([LIST_MAGIC, struct.pack("<I", len(rows)), *columns])


def decode_list(data: bytes | memoryview) -> tuple[Extent, ...]:
    """Decode an extent list; raise FormatError unless the bytes are exactly one."""
    if len(data) < 8 or bytes(data[:4]) != LIST_MAGIC:
        raise FormatError("This is not an extent list of a known version.")
    (count,) = struct.unpack_from("<I", data, 4)
    if len(data) != 8 + 48 * count:
        raise FormatError("An extent list has the wrong length.")
    return tuple(unpack_extents(_decode_extents(data, 8, count)[0]))
