"""Archives whose maker wants memory, time or disk: small to send, large to read."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

ZIP_FILE, ZIP_LINK = 0o100644, 0o120777
_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_DAY = 0x21
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFF_FFFF


def raw_deflate(data: bytes) -> bytes:
    """Bytes as a member of a zip has them."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


@dataclass(frozen=True)
class Entry:
    """A member of a zip as its directory has it. `packed`: what is stored; `offset`: None where it really lies."""

    name: bytes
    packed: bytes = raw_deflate(b"")
    size: int = 0
    crc32: int = 0
    mode: int = ZIP_FILE
    offset: int | None = None
    extra: bytes = b""
    packed_bytes: int | None = None

    @classmethod
    def of(cls, name: bytes, content: bytes, mode: int = ZIP_FILE) -> Entry:
        """An honest one."""
        return cls(name, raw_deflate(content), len(content), zlib.crc32(content), mode)


def zip64_of(entries: Iterable[Entry], *, count: int | None = None, content: bytes = b"") -> bytes:
    """A zip64 of any number of entries. `count`: what it says there are; `content`: bytes before all members."""
    out, directory, number = io.BytesIO(), io.BytesIO(), 0
    out.write(content)
    for entry in entries:
        at = out.tell()
        packed_bytes = len(entry.packed) if entry.packed_bytes is None else entry.packed_bytes
        sizes = (entry.crc32, packed_bytes, entry.size)
        if entry.offset is None:
            out.write(_LOCAL.pack(b"PK\x03\x04", 20, 0, 8, 0, _DAY, *sizes, len(entry.name), 0) + entry.name)
            out.write(entry.packed)
        directory.write(
            _CENTRAL.pack(
                b"PK\x01\x02", 3 << 8 | 20, 20, 0, 8, 0, _DAY, *sizes, len(entry.name), len(entry.extra), 0, 0, 0,
                entry.mode << 16, at if entry.offset is None else entry.offset,
            )
        )  # fmt: skip
        directory.write(entry.name + entry.extra)
        number += 1
    start, said, length = out.tell(), number if count is None else count, directory.tell()
    out.write(directory.getvalue())
    end = out.tell()
    out.write(struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, said, said, length, start))
    out.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1))
    out.write(struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, _FULL_16, _FULL_16, _FULL_32, _FULL_32, 0))
    return out.getvalue()


def tar_header(name: bytes, kind: bytes = b"0", size: int = 0, *, raw_size: bytes | None = None) -> bytes:
    """One block. `raw_size`: the twelve bytes of the size as they are to be."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:124] = b"0000644\x000000000\x000000000\x00"
    block[124:136] = b"%011o\x00" % size if raw_size is None else raw_size
    block[136:148] = b"00000000000\x00"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block)


def extended(kind: bytes, records: bytes) -> bytes:
    """A pax header: `x` for the next member, `g` for all."""
    return tar_header(b"pax", kind, len(records)) + records + bytes(-len(records) % 512)


def many_records(count: int, start: int = 0) -> bytes:
    """Records that mean nothing, no two with one key."""
    return b"".join(b"12 %07d=\n" % number for number in range(start, start + count))


def gzipped(*parts: bytes, ends: bool = True) -> bytes:
    """A tar of parts, compressed."""
    return gzip.compress(b"".join(parts) + (bytes(1024) if ends else b""), 6, mtime=0)
