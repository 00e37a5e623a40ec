"""The zip layout. Source: PKWARE APPNOTE 6.3.10; Info-ZIP's extra fields (extended timestamp 0x5455); libarchive's
`xl` 0x6c78 (archive_read_support_format_zip.c: bitmap, version made by, external attributes).

What is done so that every unpacker reads it (research/engines.md, "Zip pitfalls"): sizes and CRC-32 in the local headers,
never a data descriptor; zip64 only where a limit is hit, its extra field first and of exact size, in both headers; host
Unix, so that modes and links count; the UTF-8 flag; no gap between entries; local and central headers agree; the `xl`
field, so that a piped bsdtar, which never sees the central directory, keeps modes and links too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.entry import Kind
from holdfast.vault.layout.names import zip_name
from holdfast.vault.layout.pieces import Contents, ManifestView, Piece, clip
from holdfast.vault.manifest import Block
from holdfast.vault.segment import FINAL

LIMIT_32 = 0xFFFF_FFFF
LIMIT_16 = 0xFFFF

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")
_TIMESTAMP = struct.Struct("<HHBl")
_NTFS = struct.Struct("<HHLHHQQQ")
_XL = struct.Struct("<HHBHL")
_TIMESTAMP_BYTES, _NTFS_BYTES, _XL_BYTES = _TIMESTAMP.size, _NTFS.size, _XL.size
_ZIP64_LOCAL_BYTES = 20
_UTF8 = 0x0800
_HOST_UNIX = 3 << 8
_TYPE_BITS = {Kind.FILE: 0o100000, Kind.FOLDER: 0o040000, Kind.SYMLINK: 0o120000}
_NTFS_EPOCH_SECONDS = 11_644_473_600


@dataclass(slots=True)
class _Columns:
    """Per entry of a block: the values that stand in its headers."""

    names: list[bytes]
    method: NDArray[np.uint16]
    packed: NDArray[np.uint64]
    size: NDArray[np.uint64]
    crc32: NDArray[np.uint32]
    big: NDArray[np.bool_]
    seconds: NDArray[np.int64]
    dated: NDArray[np.bool_]
    """The time fits into 32 bits (extended timestamp); else the NTFS field has it."""
    local: NDArray[np.int64]
    """Bytes of the local header with its content."""
    central: NDArray[np.int64]
    """Bytes of the central record while the offset is below 4 GiB."""
    targets: dict[int, bytes]


def _columns(block: Block) -> _Columns:
    kind = block.kind
    is_folder, is_link = kind == Kind.FOLDER, kind == Kind.SYMLINK
    names = block.paths()
    if not block.path_bytes.isascii():
        names = [zip_name(name) for name in names]
    lengths = np.fromiter(map(len, names), np.int64, len(names)) + is_folder
    size, crc32 = block.size.astype(np.uint64), block.crc32.copy()
    targets = {}
    for i in is_link.nonzero()[0].tolist():
        target = targets[i] = block.extra(i).target or b""
        size[i], crc32[i] = len(target), zlib.crc32(target)
    deflated = block.stored_sum > 0
    packed = np.where(deflated, block.stored_sum + np.uint64(len(FINAL)), size)
    big = (size >= LIMIT_32) | (packed >= LIMIT_32)
    seconds = block.mtime_ns // 1_000_000_000
    # libarchive and others read the extended timestamp as unsigned: before 1970 the NTFS field has it.
    dated = (seconds >= 0) & (seconds < 2**31)
    times = np.where(dated, _TIMESTAMP_BYTES, _NTFS_BYTES)
    fixed = lengths + times + big * _ZIP64_LOCAL_BYTES
    return _Columns(
        names=names,
        method=np.where(deflated, 8, 0).astype(np.uint16),
        packed=packed,
        size=size,
        crc32=crc32,
        big=big,
        seconds=seconds,
        dated=dated,
        local=fixed + _LOCAL.size + _XL_BYTES + packed.astype(np.int64),
        central=fixed + _CENTRAL.size,
        targets=targets,
    )


def measure(block: Block) -> tuple[int, int, int]:
    """(bytes of the local headers with contents, of the central records below 4 GiB, entries with zip64 sizes)."""
    columns = _columns(block)
    return int(columns.local.sum()), int(columns.central.sum()), int(columns.big.sum())


def _offset_bytes(columns: _Columns, block_start: int) -> NDArray[np.int64]:
    """What each central record grows by because its local header lies beyond 4 GiB."""
    offsets = block_start + np.cumsum(columns.local) - columns.local
    return np.where(offsets >= LIMIT_32, np.where(columns.big, 8, 12), 0)


def _local_starts(view: ManifestView) -> list[int]:
    """Where each block's local headers start, and where the last one's end."""
    starts = [0]
    for ref in view.blocks:
        starts.append(starts[-1] + ref.sums.zip_local)
    return starts


def _central_sizes(view: ManifestView, starts: list[int]) -> list[int]:
    """Bytes of each block's central records."""
    sizes = []
    for number, ref in enumerate(view.blocks):
        start, end, sums = starts[number], starts[number + 1], ref.sums
        if end <= LIMIT_32:
            grown = 0
        elif start >= LIMIT_32:
            grown = 12 * sums.entries - 4 * sums.zip64_entries
        else:
            grown = int(_offset_bytes(_columns(view.block(number)), start).sum())
        sizes.append(sums.zip_central + grown)
    return sizes


def _end(entries: int, central_bytes: int, central_start: int) -> bytes:
    """The end records."""
    out = b""
    if entries >= LIMIT_16 or central_bytes >= LIMIT_32 or central_start >= LIMIT_32:
        at = central_start + central_bytes
        out = _ZIP64_END.pack(
            b"PK\x06\x06",
            _ZIP64_END.size - 12,
            _HOST_UNIX | 45,
            45,
            0,
            0,
            entries,
            entries,
            central_bytes,
            central_start,
        ) + _ZIP64_LOCATOR.pack(b"PK\x06\x07", 0, at, 1)
    count = min(entries, LIMIT_16)
    return out + _END.pack(
        b"PK\x05\x06", 0, 0, count, count, min(central_bytes, LIMIT_32), min(central_start, LIMIT_32), 0
    )


def total_bytes(view: ManifestView) -> int:
    """Length of the whole zip."""
    starts = _local_starts(view)
    central = sum(_central_sizes(view, starts))
    entries = sum(ref.sums.entries for ref in view.blocks)
    return starts[-1] + central + len(_end(entries, central, starts[-1]))


def pieces(view: ManifestView, start: int, stop: int) -> Iterator[Piece]:
    """Bytes `start` to `stop` of the zip."""
    starts = _local_starts(view)
    for number in range(len(view.blocks)):
        if starts[number + 1] > start and starts[number] < stop:
            local = _local_pieces(view, view.block(number))
            if starts[number] >= start and starts[number + 1] <= stop:
                yield from local
            else:
                yield from clip(local, starts[number], start, stop)
    if stop <= starts[-1]:
        return
    at = starts[-1]
    sizes = _central_sizes(view, starts)
    for number, size in enumerate(sizes):
        if at + size > start and at < stop:
            yield from clip([_central_records(view.block(number), starts[number])], at, start, stop)
        at += size
    entries = sum(ref.sums.entries for ref in view.blocks)
    yield from clip([_end(entries, sum(sizes), starts[-1])], at, start, stop)


def _dos_times(seconds: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """MS-DOS time and date in UTC, clamped to 1980-2107."""
    clamped = np.clip(seconds, 315_532_800, 4_354_819_198)
    days = clamped.astype("datetime64[s]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    of_day = clamped % 86_400
    time = (of_day // 3600) << 11 | (of_day // 60 % 60) << 5 | of_day % 60 // 2
    date = (year - 1980) << 9 | month << 5 | day
    return time.tolist(), date.tolist()


def _time_extra(seconds: int, dated: bool) -> bytes:
    if dated:
        return _TIMESTAMP.pack(0x5455, 5, 1, seconds)
    ticks = max(0, (seconds + _NTFS_EPOCH_SECONDS) * 10_000_000)
    return _NTFS.pack(0x000A, 32, 0, 1, 24, ticks, ticks, ticks)


def _attributes(kind: int, mode: int) -> int:
    return (_TYPE_BITS[Kind(kind)] | mode) << 16 | (0x10 if kind == Kind.FOLDER else 0)


def _local_pieces(view: ManifestView, block: Block) -> Iterator[Piece]:
    c = _columns(block)
    dos_time, dos_date = _dos_times(c.seconds)
    kinds, modes = block.kind.tolist(), block.mode.tolist()
    deflated = (c.method == 8).tolist()
    contents = Contents(view, block)
    literal = bytearray()
    for i, (name, kind, mode, crc, packed, size, big, seconds, dated) in enumerate(
        zip(
            c.names,
            kinds,
            modes,
            c.crc32.tolist(),
            c.packed.tolist(),
            c.size.tolist(),
            c.big.tolist(),
            c.seconds.tolist(),
            c.dated.tolist(),
            strict=True,
        )
    ):
        if kind == Kind.FOLDER:
            name += b"/"
        version = 45 if big else 20
        extra = _time_extra(seconds, dated) + _XL.pack(0x6C78, 7, 5, _HOST_UNIX | version, _attributes(kind, mode))
        if big:
            extra = struct.pack("<HHQQ", 1, 16, size, packed) + extra
        literal += _LOCAL.pack(
            b"PK\x03\x04",
            version,
            _UTF8,
            8 if deflated[i] else 0,
            dos_time[i],
            dos_date[i],
            crc,
            LIMIT_32 if big else packed,
            LIMIT_32 if big else size,
            len(name),
            len(extra),
        )
        literal += name
        literal += extra
        if deflated[i]:
            for piece in contents.of(i):
                if literal:
                    yield bytes(literal)
                    literal.clear()
                yield piece
            literal += FINAL
        elif i in c.targets:
            literal += c.targets[i]
        elif size:
            literal += block.extra(i).inline or b""
    if literal:
        yield bytes(literal)


def _central_records(block: Block, block_start: int) -> bytes:
    c = _columns(block)
    dos_time, dos_date = _dos_times(c.seconds)
    offsets = (block_start + np.cumsum(c.local) - c.local).tolist()
    out = []
    for i, (name, kind, mode, method, crc, packed, size, big, seconds, dated, offset) in enumerate(
        zip(
            c.names,
            block.kind.tolist(),
            block.mode.tolist(),
            c.method.tolist(),
            c.crc32.tolist(),
            c.packed.tolist(),
            c.size.tolist(),
            c.big.tolist(),
            c.seconds.tolist(),
            c.dated.tolist(),
            offsets,
            strict=True,
        )
    ):
        if kind == Kind.FOLDER:
            name += b"/"
        version = 45 if big or offset >= LIMIT_32 else 20
        wide = (struct.pack("<QQ", size, packed) if big else b"") + (
            struct.pack("<Q", offset) if offset >= LIMIT_32 else b""
        )
        extra = (struct.pack("<HH", 1, len(wide)) + wide if wide else b"") + _time_extra(seconds, dated)
        out.append(
            _CENTRAL.pack(
                b"PK\x01\x02",
                _HOST_UNIX | version,
                version,
                _UTF8,
                method,
                dos_time[i],
                dos_date[i],
                crc,
                LIMIT_32 if big else packed,
                LIMIT_32 if big else size,
                len(name),
                len(extra),
                0,
                0,
                0,
                _attributes(kind, mode),
                min(offset, LIMIT_32),
            )
        )
        out.append(name)
        out.append(extra)
    return b"".join(out)
