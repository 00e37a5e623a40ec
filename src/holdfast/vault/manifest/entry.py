"""An entry of a manifest, unpacked, and the codec of its extra.

Kept apart from the blocks so that worker processes, which only make extents and extras, need not load numpy.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from holdfast.vault.errors import FormatError

FLAG_HOLE = 1

INLINE_BYTES_MAX = 256
"""At most this many bytes of content are stored in the entry itself."""

INLINE_EXTENTS_MAX = 64
"""At most this many extents are stored in the entry itself; a file with more has extent lists."""


class Kind(IntEnum):
    """The kind of an entry."""

    FILE = 1
    FOLDER = 2
    SYMLINK = 3


class Extent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`repeat` copies of one chunk. `stored`: bytes of its segment (deflate), `raw`: bytes of its content."""

    chunk_id: bytes
    stored: int
    raw: int
    repeat: int = 1
    is_hole: bool = False


class ListRef(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One extent list of a big file: the chunk that holds it, and the sums over its extents (times repeat)."""

    chunk_id: bytes
    count: int
    stored_sum: int
    raw_sum: int


class Extra(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    rename={
        "inline": "i",
        "target": "t",
        "hard_link": "h",
        "xattrs": "x",
        "lists": "l",
    },
):
    """The fields that only some entries have; MessagePack map with one-letter keys, absent when empty."""

    inline: bytes | None = None
    """Content of a small file (1 to INLINE_BYTES_MAX bytes)."""
    target: bytes | None = None
    """Target of a symbolic link, byte for byte."""
    hard_link: bytes | None = None
    """Path of the first entry with the same inode; this entry repeats its content (extents stand here too)."""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    """Extended attributes, sorted by name."""
    lists: tuple[ListRef, ...] = ()
    """Extent lists of a big file, in order; then the entry has no extents of its own."""


NO_EXTRA = Extra()
_extent_struct = struct.Struct("<32sIIII")
_extra_encoder = msgspec.msgpack.Encoder()
_extra_decoder = msgspec.msgpack.Decoder(Extra)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, unpacked. Sizes in bytes, times in nanoseconds since 1970, `mode` without the file type bits."""

    path: bytes
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    crc32: int
    extents: tuple[Extent, ...] = ()
    extra: Extra = NO_EXTRA
    ctime_ns: int = 0
    inode: int = 0
    device: int = 0

    @property
    def stored_sum(self) -> int:
        """Return the bytes of all segments of the content, one after the other (0 for inline and empty ones)."""
        if self.extra.lists:
            return sum(ref.stored_sum for ref in self.extra.lists)
        return sum(e.stored * e.repeat for e in self.extents)


def encode_extra(extra: Extra) -> bytes:
    """Return the bytes of an extra; none for an empty one."""
    return b"" if extra == NO_EXTRA else _extra_encoder.encode(extra)


def decode_extra(data: bytes) -> Extra:
    """Decode an extra. Raise FormatError when it is not one."""
    try:
        return _extra_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise FormatError("A manifest block has a damaged extra record.") from error


def pack_extent(chunk_id: bytes, stored: int, raw: int, repeat: int, flags: int) -> bytes:
    """Return one row of EXTENT_DTYPE."""
    return _extent_struct.pack(chunk_id, stored, raw, repeat, flags)
