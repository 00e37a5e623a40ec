"""The records of a zip: local headers, central records, end records. Bytes only; `zip` decides their places.

Sources: PKWARE APPNOTE 6.3.10 (4.3.7 local header, 4.3.12 central record, 4.3.14 to 4.3.16 end records, 4.5.3 zip64,
4.5.5 NTFS); Info-ZIP's extended timestamp 0x5455; libarchive's `xl` 0x6c78 (archive_read_support_format_zip.c,
process_extra: bitmap u8, then as its bits say: 1 version made by u16, 2 internal attributes u16, 4 external u32).

To be read by every unpacker (docs/layouts.md says why): sizes and CRC-32 in the local headers, never a
data descriptor; zip64 only where a limit is hit, its extra field first and of exact size; local and central headers
agree in all that both have; host Unix, so that modes and links count; the UTF-8 flag always; the `xl` field, so that a
piped bsdtar, which never sees the central directory, keeps modes and links.

All values of a block are computed as columns, so that an entry costs little more than joining its bytes.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.units import SECOND_NS
from holdfast.vault.layout.contents import target_of
from holdfast.vault.layout.names import zip_name_lengths, zip_names
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Extra, Kind
from holdfast.vault.pack.segment import FINAL

LIMIT_32 = 0xFFFF_FFFF
"""From this value on (sizes, offsets), a field holds this marker and the value is in the zip64 extra field."""
LIMIT_16 = 0xFFFF

ZIP64_OFFSET_BYTES = 12
"""Growth of a central record whose local header lies beyond 4 GiB: the extra field's head and the offset."""
ZIP64_JOINED_OFFSET_BYTES = 8
"""The same growth when the sizes have an extra field already."""

_LOCAL = np.dtype(
    [
        ("signature", "<u4"),
        ("needed", "<u2"),
        ("flags", "<u2"),
        ("method", "<u2"),
        ("time", "<u2"),
        ("date", "<u2"),
        ("crc32", "<u4"),
        ("packed", "<u4"),
        ("size", "<u4"),
        ("name_length", "<u2"),
        ("extra_length", "<u2"),
    ]
)
_CENTRAL = np.dtype(
    [
        ("signature", "<u4"),
        ("made_by", "<u2"),
        *[(name, _LOCAL[name].str) for name in (_LOCAL.names or ())[1:]],
        ("comment_length", "<u2"),
        ("disk", "<u2"),
        ("internal", "<u2"),
        ("external", "<u4"),
        ("offset", "<u4"),
    ]
)
_TIMESTAMP = np.dtype([("time_id", "<u2"), ("time_length", "<u2"), ("time_flags", "u1"), ("mtime", "<i4")])
_XL = np.dtype([("xl_id", "<u2"), ("xl_length", "<u2"), ("bitmap", "u1"), ("made_by", "<u2"), ("external", "<u4")])
_TAIL = np.dtype([(name, part[name].str) for part in (_TIMESTAMP, _XL) for name in part.names or ()])
_NTFS = struct.Struct("<HHLHHQQQ")
_ZIP64_SIZES = struct.Struct("<HHQQ")
_ZIP64_END = struct.Struct("<4sQHHLLQQQQ")
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4sHHHHLLH")

_UTF8_NAME = 1 << 11
_STORED, _DEFLATED = 0, 8
_NEEDED, _NEEDED_ZIP64 = 20, 45
_MADE_BY = 3 << 8 | 45
"""Host Unix (without it modes and links are ignored), specification 4.5."""
_DOS_FOLDER = 0x10
_TYPE_BITS = np.zeros(4, np.uint32)
_TYPE_BITS[[Kind.FILE, Kind.FOLDER, Kind.SYMLINK]] = (0o100000, 0o040000, 0o120000)

_DOS_FIRST, _DOS_LAST = 315_532_800, 4_354_819_198  # 1980-01-01 00:00:00, 2107-12-31 23:59:58
_NTFS_EPOCH_TICKS = 116_444_736_000_000_000  # 1601 to 1970, in units of 100 ns


def _template(dtype: np.dtype[Any], **values: int) -> NDArray[np.void]:
    """Return one row with the values that all rows share."""
    row: NDArray[np.void] = np.zeros(1, dtype)
    for name, value in values.items():
        row[name] = value
    return row


_LOCAL_TEMPLATE = _template(_LOCAL, signature=0x04034B50, needed=_NEEDED, flags=_UTF8_NAME)
_CENTRAL_TEMPLATE = _template(_CENTRAL, signature=0x02014B50, made_by=_MADE_BY, needed=_NEEDED, flags=_UTF8_NAME)
_TAIL_TEMPLATE = _template(
    _TAIL, time_id=0x5455, time_length=5, time_flags=1, xl_id=0x6C78, xl_length=7, bitmap=0b101, made_by=_MADE_BY
)


class ZipSizes:
    """The bytes that each entry of a block takes in the zip, as columns."""

    def __init__(self, block: Block, extras: dict[int, Extra] | None = None) -> None:
        """`extras`: by entry number; only those of symbolic links are needed, and decoded here when not given."""
        links = (block.kind == Kind.SYMLINK).nonzero()[0].tolist()
        self.targets = {i: target_of(extras.get(i) if extras is not None else block.extra(i)) for i in links}
        self.size = block.size.astype(np.int64)
        """Bytes of the content."""
        if links:
            self.size[links] = [len(target) for target in self.targets.values()]
        self.is_deflated = block.stored_sum > 0
        self.packed = np.where(self.is_deflated, block.stored_sum.astype(np.int64) + len(FINAL), self.size)
        """Bytes of the content as it stands in the zip."""
        self.is_zip64 = (self.size >= LIMIT_32) | (self.packed >= LIMIT_32)
        self.seconds = block.mtime_ns // SECOND_NS
        # Old versions of libarchive take the timestamp as unsigned, so before 1970 the NTFS field has the time too.
        self.is_ntfs = (self.seconds < 0) | (self.seconds >= 1 << 31)
        extra = np.where(self.is_ntfs, _NTFS.size, _TIMESTAMP.itemsize)
        extra += self.is_zip64 * np.int64(_ZIP64_SIZES.size)
        self.name_length = zip_name_lengths(block)
        fixed = self.name_length + extra
        self.central = fixed + _CENTRAL.itemsize
        """Bytes of the central record, as if the local header began below 4 GiB."""
        self.local: NDArray[np.int64] = fixed + (_LOCAL.itemsize + _XL.itemsize) + self.packed
        """Bytes of the local header and the content."""


class ZipHeaders(ZipSizes):
    """The headers of the entries of one block, which begins at byte `start` of the zip, in a version of the layout."""

    def __init__(self, block: Block, extras: dict[int, Extra], start: int, layout: int) -> None:
        super().__init__(block, extras)
        # The JDK's `jar xf` stops at an entry from before 1970: from version 2 on, its field has 1970.
        self._has_true_times = layout == 1
        self.names = zip_names(block)
        ends = np.cumsum(self.local)
        self.ends: NDArray[np.int64] = ends
        """The end of each entry, counted from the start of the block."""
        offsets = ends - self.local + start
        self._block = block
        self._offsets = offsets
        self._is_far = offsets >= LIMIT_32
        self._crc32 = block.crc32.copy()
        for i, target in self.targets.items():
            self._crc32[i] = zlib.crc32(target)
        self._external = (_TYPE_BITS[block.kind] | block.mode) << 16 | (block.kind == Kind.FOLDER) * np.uint32(
            _DOS_FOLDER
        )

    def _shared(self, template: NDArray[np.void], extra_length: int) -> NDArray[np.void]:
        """Return headers with the fields that local and central ones share."""
        rows = np.repeat(template, len(self.names))
        rows["method"] = np.where(self.is_deflated, _DEFLATED, _STORED)
        rows["time"], rows["date"] = _dos_times(self.seconds)
        rows["crc32"] = self._crc32
        rows["packed"] = np.minimum(self.packed, LIMIT_32)
        rows["size"] = np.minimum(self.size, LIMIT_32)
        rows["name_length"] = self.name_length
        rows["extra_length"] = extra_length
        for i in (self.is_zip64 | self.is_ntfs | self._is_far).nonzero()[0].tolist():
            row = rows[i]
            if self.is_zip64[i]:
                row["packed"] = row["size"] = LIMIT_32
                row["extra_length"] += _ZIP64_SIZES.size
            if self.is_zip64[i] or self._is_far[i]:
                row["needed"] = _NEEDED_ZIP64
            if self.is_ntfs[i]:
                row["extra_length"] += _NTFS.size - _TIMESTAMP.itemsize
        return rows

    def _tails(self) -> NDArray[np.void]:
        rows = np.repeat(_TAIL_TEMPLATE, len(self.names))
        rows["mtime"] = self.seconds.astype(np.int32)  # `_time` corrects values that do not fit
        rows["external"] = self._external
        return rows

    def local_headers(self) -> list[bytes]:
        """Return the local header of each entry, with name and extra fields."""
        rows = self._shared(_LOCAL_TEMPLATE, _TAIL.itemsize)
        tails = _cut(self._tails())
        for i in (self.is_zip64 | self.is_ntfs).nonzero()[0].tolist():
            tails[i] = self._zip64_sizes(i) + self._time(i, tails[i]) + tails[i][_TIMESTAMP.itemsize :]
        return [head + name + tail for head, name, tail in zip(_cut(rows), self.names, tails, strict=True)]

    def central_records(self) -> list[bytes]:
        """Return the central record of each entry."""
        rows = self._shared(_CENTRAL_TEMPLATE, _TIMESTAMP.itemsize)
        rows["external"] = self._external
        rows["offset"] = np.minimum(self._offsets, LIMIT_32)
        rows["extra_length"] += self.far_bytes().astype(np.uint16)
        tails = [tail[: _TIMESTAMP.itemsize] for tail in _cut(self._tails())]
        for i in (self.is_zip64 | self.is_ntfs | self._is_far).nonzero()[0].tolist():
            tails[i] = self._zip64_central(i) + self._time(i, tails[i])
        return [head + name + tail for head, name, tail in zip(_cut(rows), self.names, tails, strict=True)]

    def far_bytes(self) -> NDArray[np.int64]:
        """Return by how many bytes each central record grows because its local header lies beyond 4 GiB."""
        grown = np.where(self.is_zip64, ZIP64_JOINED_OFFSET_BYTES, ZIP64_OFFSET_BYTES)
        return np.where(self._is_far, grown, 0)

    def _zip64_sizes(self, i: int) -> bytes:
        if not self.is_zip64[i]:
            return b""
        return _ZIP64_SIZES.pack(1, 16, int(self.size[i]), int(self.packed[i]))

    def _zip64_central(self, i: int) -> bytes:
        values = self._zip64_sizes(i)[4:]
        if self._is_far[i]:
            values += struct.pack("<Q", int(self._offsets[i]))
        return struct.pack("<HH", 1, len(values)) + values if values else b""

    def _time(self, i: int, tail: bytes) -> bytes:
        if not self.is_ntfs[i]:
            return tail[: _TIMESTAMP.itemsize]
        mtime_ns = int(self._block.mtime_ns[i])
        if not self._has_true_times:
            mtime_ns = max(0, mtime_ns)
        ticks = mtime_ns // 100 + _NTFS_EPOCH_TICKS
        return _NTFS.pack(0x000A, 32, 0, 1, 24, ticks, ticks, ticks)


def _cut(rows: NDArray[np.void]) -> list[bytes]:
    """Return the bytes of each row."""
    cut: list[bytes] = rows.view(f"V{rows.dtype.itemsize}").tolist()
    return cut


def _dos_times(seconds: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return MS-DOS time and date, in UTC, within 1980 to 2107."""
    days, of_day = np.divmod(np.clip(seconds, _DOS_FIRST, _DOS_LAST) - _DOS_FIRST, 86_400)
    return _DOS_TIMES[of_day >> 1], _DOS_DATES[days]


def _dos_tables() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return tables of MS-DOS times by half the seconds of a day, and dates by days since 1980."""
    seconds = np.arange(0, 86_400, 2)
    times = seconds // 3600 << 11 | seconds // 60 % 60 << 5 | seconds % 60 // 2
    days = np.arange(np.datetime64("1980-01-01"), np.datetime64("2108-01-01"))
    months = days.astype("datetime64[M]")
    month = months.astype(np.int64)  # since 1970-01
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    return times, month // 12 - 10 << 9 | month % 12 + 1 << 5 | day


_DOS_TIMES, _DOS_DATES = _dos_tables()


def end_records(entries: int, central_bytes: int, central_start: int) -> bytes:
    """Return the records after the central directory."""
    end = _END.pack(
        b"PK\x05\x06",
        0,
        0,
        min(entries, LIMIT_16),
        min(entries, LIMIT_16),
        min(central_bytes, LIMIT_32),
        min(central_start, LIMIT_32),
        0,
    )
    if entries < LIMIT_16 and central_bytes < LIMIT_32 and central_start < LIMIT_32:
        return end
    zip64 = _ZIP64_END.pack(
        b"PK\x06\x06",
        _ZIP64_END.size - 12,
        _MADE_BY,
        _NEEDED_ZIP64,
        0,
        0,
        entries,
        entries,
        central_bytes,
        central_start,
    )
    return zip64 + _ZIP64_LOCATOR.pack(b"PK\x06\x07", 0, central_start + central_bytes, 1) + end
