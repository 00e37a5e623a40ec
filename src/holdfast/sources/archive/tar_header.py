"""Headers of a tar: a block of 512 bytes, and the extended headers before it.

Sources: IEEE Std 1003.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar's manual, "Basic Tar
Format" (base-256 numbers, types L and K); star's SCHILY.xattr, with "%" and "=" escaped in names as GNU tar does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from holdfast.sources.archive.errors import damaged, refused
from holdfast.units import SECOND_NS

BLOCK_BYTES = 512
XATTR_NAME_BYTES_MAX = 255
XATTR_VALUE_BYTES_MAX = 65_536
XATTR_NAMES_BYTES_MAX = 65_536
"""Linux: XATTR_LIST_MAX, the names of all attributes of one file, each with a zero."""

_LENGTH = re.compile(rb"([0-9]{1,10}) ")
_DECIMAL = re.compile(rb"(-?)([0-9]{1,12})(?:\.([0-9]*))?")
_DIGITS = re.compile(rb"-?[0-9]{1,20}")
_XATTR = b"SCHILY.xattr."
_SPARSE = b"GNU.sparse."
_KEYS = {b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"}


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of one header block. `mtime` in whole seconds."""

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: bytes


@dataclass(slots=True)
class Extended:
    """The values that extended headers give for the next member."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    long_name: bytes | None = None
    long_link: bytes | None = None
    size: int = 0
    """Bytes of all of them."""

    @property
    def is_sparse(self) -> bool:
        """Return True if the content is stored without its holes."""
        return any(key.startswith(_SPARSE) for key in self.records)


def is_header(block: bytes) -> bool:
    """Return True if the checksum of a block marks it as a header."""
    if len(block) != BLOCK_BYTES:
        return False
    try:
        stated = _number(block[148:156])
    except ValueError:
        return False
    blank = block[:148] + b" " * 8 + block[156:]
    total = sum(blank)
    # Old programs summed the bytes as signed ones.
    return stated == total or stated == total - 256 * sum(byte > 127 for byte in blank)


def parse_header(block: bytes) -> Header:
    """Read a header block. Raises ArchiveRefused."""
    if not is_header(block):
        raise damaged("one of the headers in the tar has a wrong checksum")
    name = _text(block[:100])
    magic = block[257:265]
    if magic[:6] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    try:
        return Header(
            name=name,
            kind=block[156:157],
            mode=_number(block[100:108]),
            uid=_number(block[108:116]),
            gid=_number(block[116:124]),
            size=_number(block[124:136]),
            mtime=_number(block[136:148]),
            link=_text(block[157:257]),
        )
    except ValueError:
        raise refused(name, "has a header with an invalid number") from None


def parse_records(data: bytes) -> tuple[dict[bytes, bytes], int]:
    """Return the records of a pax header that mean something here, and how many there are in all.

    `<length> <key>=<value>\\n` each. Raises ArchiveRefused.
    """
    records: dict[bytes, bytes] = {}
    at = count = 0
    while at < len(data):
        found = _LENGTH.match(data, at)
        length = int(found[1]) if found else 0
        record = data[found.end() if found else at : at + length]
        key, equals, value = record[:-1].partition(b"=")
        if not found or at + length > len(data) or record[-1:] != b"\n" or not equals or not key:
            raise damaged("one of the extended headers in the tar is invalid")
        if key in _KEYS or key.startswith((_XATTR, _SPARSE)):
            records[key] = value
        at += length
        count += 1
    return records, count


def decimal_ns(text: bytes, path: bytes) -> int:
    """Return a pax time in nanoseconds; digits after the ninth are cut off. Raises ArchiveRefused."""
    found = _DECIMAL.fullmatch(text)
    if not found:
        raise refused(path, "has an invalid time")
    ns = int(found[2]) * SECOND_NS + int((found[3] or b"")[:9].ljust(9, b"0"))
    return -ns if found[1] else ns


def whole(text: bytes, path: bytes) -> int:
    """Return a pax number. Raises ArchiveRefused."""
    if not _DIGITS.fullmatch(text):
        raise refused(path, "has an extended header with an invalid number")
    return int(text)


def xattrs_of(records: dict[bytes, bytes], path: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the extended attributes among pax records, sorted by name. Raises ArchiveRefused."""
    found, names_bytes = {}, 0
    for key, value in records.items():
        if key.startswith(_XATTR):
            name = key[len(_XATTR) :].replace(b"%3D", b"=").replace(b"%25", b"%")
            if not 0 < len(name) <= XATTR_NAME_BYTES_MAX or len(value) > XATTR_VALUE_BYTES_MAX:
                raise refused(path, "has an extended attribute that no file can have")
            names_bytes += len(name) + 1
            if names_bytes > XATTR_NAMES_BYTES_MAX:
                raise refused(path, "has more extended attributes than a file can have")
            found[name] = value
    return tuple(sorted(found.items()))


def _text(data: bytes) -> bytes:
    return data.partition(b"\0")[0]


def _number(data: bytes) -> int:
    """Return a number in octal digits, or in base 256 (first bit set). ValueError when it is neither."""
    if data[0] & 0x80:
        return int.from_bytes(bytes([data[0] & 0x7F]) + data[1:], "big") - (1 << 8 * len(data) - 1) * (data[0] >> 6 & 1)
    digits = data.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise ValueError(data)
    return int(digits or b"0", 8)
