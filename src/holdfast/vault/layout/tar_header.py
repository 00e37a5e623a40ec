"""Members of the tar as tar: ustar header blocks, and pax records for the values that those cannot hold.

Source: IEEE Std 1003.1-2017, pax, "ustar Interchange Format" and "pax Extended Header". `SCHILY.xattr.` is star's, as
GNU tar and libarchive read and write it; `hdrcharset=BINARY` before names that are not UTF-8 is POSIX's.

A pax header precedes a member only for values that do not fit its ustar header: a name or link target over 100 bytes or
not ASCII, a size from 8 GiB on, an owner over 2,097,151, a time with a fraction, before 1970 or after 2242, extended
attributes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.units import SECOND_NS
from holdfast.vault.layout.contents import target_of
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import NO_EXTRA, Extra, Kind

BLOCK_BYTES = 512
NAME_BYTES = 100
FIELDS_BYTES = 57
"""Mode, uid, gid, size, mtime, checksum and type, between the name and the link's name."""
MAGIC = b"ustar\x0000"
TAIL_ZEROS = 247
"""Names of owner and group, device numbers, prefix: all empty."""

_MODE, _UID, _GID, _SIZE, _MTIME, _CHECKSUM, _TYPE = 0, 8, 16, 24, 36, 48, 56
"""The start of each field, counted from the end of the name."""
_OWNER_MAX = 0o7777777
_SIZE_MAX = _SECONDS_MAX = 0o77777777777
_TYPES = np.zeros(4, np.uint8)
_TYPES[[Kind.FILE, Kind.FOLDER, Kind.SYMLINK]] = tuple(b"052")
_HARD_LINK = ord("1")
_BLANK_CHECKSUM = 8 * ord(" ")
_ASCII = bytes(b if b < 0x80 else ord("_") for b in range(256))

_MTIME_RECORD_FIXED = len("30 mtime=.123456789\n")
"""Bytes of a record of a time with a fraction, besides the digits of its seconds (one to ten)."""
_POWERS_OF_TEN = np.array([10**n for n in range(1, 19)])


@lru_cache(maxsize=1024)
def pax_header(length: int) -> bytes:
    """Return the header block of a pax header with `length` bytes of records."""
    block = b"".join(
        (
            b"@PaxHeader".ljust(NAME_BYTES, b"\0"),
            b"0000000\0" * 3,
            b"%011o\0" % length,
            b"00000000000\0",
            b" " * 8,
            b"x",
            bytes(NAME_BYTES),
            MAGIC,
            bytes(TAIL_ZEROS),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _record(key: bytes, value: bytes) -> bytes:
    """Return one pax record: its own length in decimal, a blank, key=value, a line feed."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) > len(str(rest)):
        length += 1
    return b"%d %b=%b\n" % (length, key, value)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_long(name: bytes) -> bool:
    return len(name) > NAME_BYTES or not name.isascii()


def _decimal(ns: int) -> bytes:
    """Return nanoseconds as decimal seconds."""
    seconds, fraction = divmod(abs(ns), SECOND_NS)
    return b"%b%d.%09d" % (b"-" if ns < 0 else b"", seconds, fraction)


def pax_records(name: bytes, link: bytes, size: int, uid: int, gid: int, mtime_ns: int, extra: Extra) -> bytes:
    """Return the pax records that a member needs, in this order; none for most."""
    records = []
    if not (_is_utf8(name) and _is_utf8(link)):
        records.append(_record(b"hdrcharset", b"BINARY"))
    if _is_long(name):
        records.append(_record(b"path", name))
    if _is_long(link):
        records.append(_record(b"linkpath", link))
    if size > _SIZE_MAX:
        records.append(_record(b"size", b"%d" % size))
    if uid > _OWNER_MAX:
        records.append(_record(b"uid", b"%d" % uid))
    if gid > _OWNER_MAX:
        records.append(_record(b"gid", b"%d" % gid))
    if mtime_ns % SECOND_NS or not 0 <= mtime_ns // SECOND_NS <= _SECONDS_MAX:
        records.append(_record(b"mtime", _decimal(mtime_ns)))
    for key, value in extra.xattrs:
        # A key ends at the first "=", so GNU tar writes that one, and "%", as a hex number. So do we.
        records.append(_record(b"SCHILY.xattr." + key.replace(b"%", b"%25").replace(b"=", b"%3D"), value))
    return b"".join(records)


class TarLengths:
    """The lengths of all parts of the member headers of a block's entries, as columns."""

    def __init__(self, block: Block, extras: dict[int, Extra]) -> None:
        # Nearly every member has a header of 512 bytes and at most one pax record, a fraction of a second, whose length
        # follows from the digits of the time: all those lengths are computed as columns. The odd ones (long or foreign
        # names, links, attributes, large numbers) have records that must be made to be measured; that is done last,
        # when the contents of hard links are known to be none.
        self.block = block
        is_folder = block.kind == Kind.FOLDER
        full_length = block.path_length.astype(np.int64) + is_folder
        self.links: dict[int, bytes] = {}
        """The targets of the links, by entry number: targets of symbolic links, first entries of hard ones."""
        self.hard_links: list[int] = []
        self.content = np.where(block.kind == Kind.FILE, block.size.astype(np.int64), 0)
        """Bytes of each member's content, unpacked and unpadded."""
        for i in (block.kind == Kind.SYMLINK).nonzero()[0].tolist():
            self.links[i] = target_of(extras.get(i))
        is_odd = self._odd(full_length)
        for i, extra in extras.items():
            if extra.hard_link is not None:
                self.links[i] = extra.hard_link
                self.hard_links.append(i)
                self.content[i] = 0
            if extra.xattrs or i in self.links:
                is_odd[i] = True
        self.name_length = np.minimum(full_length, NAME_BYTES)
        """Of the name in the ustar header."""
        self.link_length = np.zeros(len(block), np.int64)
        for i, link in self.links.items():
            self.link_length[i] = min(len(link), NAME_BYTES)
        seconds = block.mtime_ns // SECOND_NS
        self.has_fraction = (block.mtime_ns % SECOND_NS != 0) & ~is_odd
        digits = np.searchsorted(_POWERS_OF_TEN, seconds, side="right") + 1
        self.records_length = np.where(self.has_fraction, _MTIME_RECORD_FIXED + digits, 0)
        """Bytes of each member's pax records."""
        self.odd_records: dict[int, bytes] = {}
        """The pax records of the members that need more than a fraction of a second."""
        for i in is_odd.nonzero()[0].tolist():
            self.odd_records[i] = pax_records(
                block.path(i) + (b"/" if is_folder[i] else b""),
                self.links.get(i, b""),
                int(self.content[i]),
                int(block.uid[i]),
                int(block.gid[i]),
                int(block.mtime_ns[i]),
                extras.get(i, NO_EXTRA),
            )
            self.records_length[i] = len(self.odd_records[i])

    def _odd(self, full_length: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the members whose pax records must be made to know their length, as far as columns tell."""
        block = self.block
        odd = full_length > NAME_BYTES
        odd |= (block.uid > _OWNER_MAX) | (block.gid > _OWNER_MAX) | (self.content > _SIZE_MAX)
        odd |= (block.mtime_ns < 0) | (block.mtime_ns >= (_SECONDS_MAX + 1) * SECOND_NS)
        if not block.path_bytes.isascii():
            odd |= [not path.isascii() for path in block.paths()]
        return odd

    def raw_lengths(self) -> NDArray[np.int64]:
        """Return the bytes of each whole member in the tar: headers, content, padding."""
        pax = np.where(self.records_length > 0, BLOCK_BYTES + _padded(self.records_length), 0)
        return pax + BLOCK_BYTES + _padded(self.content)


class TarHeaders(TarLengths):
    """The member headers of a block's entries."""

    def __init__(self, block: Block, extras: dict[int, Extra]) -> None:
        super().__init__(block, extras)
        names = block.paths()
        for i in (block.kind == Kind.FOLDER).nonzero()[0].tolist():
            names[i] += b"/"
        if not block.path_bytes.isascii() or int(np.max(block.path_length)) >= NAME_BYTES:
            names = [name[:NAME_BYTES].translate(_ASCII) for name in names]
        self.names = names
        """As they stand in the ustar header."""
        self.links = {i: link[:NAME_BYTES].translate(_ASCII) for i, link in self.links.items()}
        self.records = self._records()
        self.fields = self._fields().tobytes()
        """FIELDS_BYTES of each entry."""

    def _records(self) -> list[bytes]:
        seconds, fractions = np.divmod(self.block.mtime_ns, SECOND_NS)
        records = [
            b"%d mtime=%d.%09d\n" % (length, second, fraction) if fraction else b""
            for length, second, fraction in zip(
                self.records_length.tolist(),
                seconds.tolist(),
                np.where(self.has_fraction, fractions, 0).tolist(),
                strict=True,
            )
        ]
        for i, odd in self.odd_records.items():
            records[i] = odd
        return records

    def _fields(self) -> NDArray[np.uint8]:
        block = self.block
        rows = np.zeros((len(block), FIELDS_BYTES), np.uint8)
        seconds = block.mtime_ns // SECOND_NS
        _put_octal(rows, _MODE, 7, block.mode)
        _put_octal(rows, _UID, 7, _or_zero(block.uid, _OWNER_MAX))
        _put_octal(rows, _GID, 7, _or_zero(block.gid, _OWNER_MAX))
        _put_octal(rows, _SIZE, 11, _or_zero(self.content, _SIZE_MAX))
        _put_octal(rows, _MTIME, 11, _or_zero(seconds, _SECONDS_MAX))
        rows[:, _TYPE] = _TYPES[block.kind]
        rows[self.hard_links, _TYPE] = _HARD_LINK
        names = np.frombuffer(b"".join(self.names), np.uint8)
        starts = np.cumsum(self.name_length) - self.name_length
        sums = rows.sum(axis=1, dtype=np.int64) + np.add.reduceat(names, starts, dtype=np.int64)
        sums += _BLANK_CHECKSUM + sum(MAGIC)
        for i, link in self.links.items():
            sums[i] += sum(link)
        _put_octal(rows, _CHECKSUM, 6, sums)
        rows[:, _CHECKSUM + 7] = ord(" ")
        return rows

    def raw(self, i: int) -> bytes:
        """Return all header blocks of member `i`."""
        name, records, at = self.names[i], self.records[i], FIELDS_BYTES * i
        tail = self.links[i].ljust(NAME_BYTES, b"\0") + _TAIL if i in self.links else _NO_LINK_TAIL
        pad, fields = _ZEROS[NAME_BYTES - len(name)], self.fields[at : at + FIELDS_BYTES]
        if not records:
            return b"".join((name, pad, fields, tail))
        padding = _ZEROS[-len(records) % BLOCK_BYTES]
        return b"".join((pax_header(len(records)), records, padding, name, pad, fields, tail))


_TAIL = MAGIC + bytes(TAIL_ZEROS)
_NO_LINK_TAIL = bytes(NAME_BYTES) + _TAIL
_ZEROS = [bytes(n) for n in range(BLOCK_BYTES)]


def _padded(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return lengths + -lengths % BLOCK_BYTES


def _or_zero(values: NDArray[Any], most: int) -> NDArray[np.int64]:
    """Return the values, but 0 where one does not fit (a pax record has the true one)."""
    wide = values.astype(np.int64)
    return np.where((wide >= 0) & (wide <= most), wide, 0)


def _put_octal(rows: NDArray[np.uint8], at: int, digits: int, values: NDArray[Any]) -> None:
    """Write values as octal digits, in front of the zero byte that is there."""
    shifts = np.arange(3 * (digits - 1), -1, -3)
    rows[:, at : at + digits] = (values.astype(np.int64)[:, None] >> shifts & 7) + ord("0")
