"""The central directory of a zip: found, checked and read record by record.

Source: PKWARE APPNOTE 6.3.10: 4.3.12 central record, 4.3.14 to 4.3.16 end records, 4.4 fields, 4.5.3 zip64, 4.5.5 NTFS,
4.6.9 Unicode path; Info-ZIP's 0x5455 (extended timestamp) and 0x7875 (owner).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from holdfast.sources.archive.errors import ArchiveRefused, ArchiveTooLarge, Limits, damaged, refused
from holdfast.sources.archive.names import checked_path, from_windows, unescaped
from holdfast.units import SECOND_NS

UTF8_NAME, ENCRYPTED, CENTRAL_ENCRYPTED = 1 << 11, 1, 1 << 13
STORED, DEFLATED, BZIP2, ZSTD, AES = 0, 8, 12, 93, 99
_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 14: "LZMA", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd"}

_LIMIT_16, _LIMIT_32 = 0xFFFF, 0xFFFF_FFFF
_END = struct.Struct("<4sHHHHLLH")
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_ZIP64_END = struct.Struct("<4sQHHLLQQQQ")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_EXTRA = struct.Struct("<HH")
_COMMENT_BYTES_MAX = 0xFFFF
_OURS_MADE_BY = 3 << 8 | 45
_UNIX_HOSTS = (3, 19)
_WINDOWS_HOSTS = (0, 10, 11, 14)
_NTFS_EPOCH_TICKS = 116_444_736_000_000_000  # 1601 to 1970, in units of 100 ns
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_TYPE_MASK, _FILE, _FOLDER, _SYMLINK = 0o170000, 0o100000, 0o040000, 0o120000


@dataclass(frozen=True, slots=True)
class Member:
    """One central record. `type_bits`: as in a Unix mode. `packed`, `size`: bytes. `offset`: of its local header."""

    path: bytes
    raw_name: bytes
    type_bits: int
    mode: int
    uid: int | None
    gid: int | None
    mtime_ns: int
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class Directory:
    """The place of the central directory. `shift`: bytes before the zip itself (a program that unpacks it)."""

    start: int
    size: int
    entries: int
    shift: int


def find_directory(file: BinaryIO) -> Directory:
    """Find the central directory by the records at the end. Raises ArchiveRefused."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _END.size - _COMMENT_BYTES_MAX)
    file.seek(tail_start)
    tail = file.read()
    at = len(tail)
    while (at := tail.rfind(b"PK\x05\x06", 0, at)) >= 0:
        if at + _END.size <= len(tail):
            fields = _END.unpack_from(tail, at)
            if at + _END.size + fields[7] == len(tail):
                break
    else:
        raise damaged("the end of the zip is missing")
    _, disk, first_disk, here, entries, size, start, _ = fields
    end = tail_start + at
    if end >= _ZIP64_LOCATOR.size:
        file.seek(end - _ZIP64_LOCATOR.size)
        mark, _, zip64_at, _ = _ZIP64_LOCATOR.unpack(file.read(_ZIP64_LOCATOR.size))
        if mark == b"PK\x06\x07" and (_LIMIT_16 in (here, entries) or _LIMIT_32 in (size, start)):
            disk, first_disk, here, entries, size, start, end = _zip64_end(file, zip64_at, end)
    if disk or first_disk or here != entries:
        raise ArchiveRefused("The zip is one part of several; put the parts together first (`zip -s 0`).")
    shift = end - size - start
    if shift < 0:
        raise damaged("the end of the zip gives an impossible place for its directory")
    return Directory(start + shift, size, entries, shift)


def _zip64_end(file: BinaryIO, at: int, end: int) -> tuple[int, int, int, int, int, int, int]:
    where = end - _ZIP64_LOCATOR.size - _ZIP64_END.size
    if at > where:
        raise damaged("the zip64 end of the zip is missing")
    file.seek(where)  # where it is when the record has no further data; `at` is counted without what stands before
    record = _ZIP64_END.unpack(file.read(_ZIP64_END.size))
    if record[0] != b"PK\x06\x06":
        raise damaged("the zip64 end of the zip is missing")
    _, _, _, _, disk, first_disk, here, entries, size, start = record
    return disk, first_disk, here, entries, size, start, where


def members(file: BinaryIO, directory: Directory, limits: Limits) -> Iterator[Member]:
    """Yield all central records, in order. Raises ArchiveRefused."""
    if directory.entries > limits.entries_max:
        raise ArchiveTooLarge(
            f"The archive has more than {limits.entries_max:,} files and folders; import it in parts."
        )
    file.seek(directory.start)
    left = directory.size
    for _ in range(directory.entries):
        head = file.read(_CENTRAL.size)
        if len(head) < _CENTRAL.size or head[:4] != b"PK\x01\x02":
            raise damaged("the zip's directory ends in the middle")
        fields = _CENTRAL.unpack(head)
        lengths = fields[10:13]
        rest = file.read(sum(lengths))
        left -= len(head) + len(rest)
        if len(rest) < sum(lengths) or left < 0:
            raise damaged("the zip's directory ends in the middle")
        yield _member(fields, rest[: lengths[0]], rest[lengths[0] : lengths[0] + lengths[1]], directory.shift)
    if left:
        raise damaged("the zip's directory has more entries than its end record says")


def path_of(name: bytes, flags: int, made_by: int, extras: dict[int, bytes]) -> bytes:
    """Return the path of a member, empty for the root. Raises ArchiveRefused."""
    unicode = extras.get(0x7075, b"")
    if not flags & UTF8_NAME:
        if len(unicode) > 5 and unicode[0] == 1 and struct.unpack_from("<L", unicode, 1)[0] == zlib.crc32(name):
            name = unicode[5:]
        elif made_by >> 8 not in _UNIX_HOSTS:
            name = name.decode("cp437").encode()
    elif made_by == _OURS_MADE_BY and flags == UTF8_NAME:
        name = unescaped(name)
    if made_by >> 8 in _WINDOWS_HOSTS:
        name = from_windows(name)
    return checked_path(name)


def _member(fields: tuple[int, ...], name: bytes, extra: bytes, shift: int) -> Member:
    _, made_by, _, flags, method, time, date, crc32, packed, size, _, _, _, disk, _, external, offset = fields
    extras = _extras(name, extra)
    size, packed, offset = _zip64(name, extras.get(1, b""), size, packed, offset)
    if flags & (ENCRYPTED | CENTRAL_ENCRYPTED) or method == AES:
        raise refused(name, "is encrypted; make the zip without a password")
    if method not in (STORED, DEFLATED, BZIP2, ZSTD):
        how = _METHODS.get(method, f"method {method}")
        raise refused(name, f"is compressed with {how}, which is not supported; make the zip with deflate")
    if disk not in (0, _LIMIT_16):
        raise refused(name, "lies in another part of the zip; put the parts together first (`zip -s 0`)")
    path = path_of(name, flags, made_by, extras)
    is_folder_name = name.endswith(b"/") or (made_by >> 8 in _WINDOWS_HOSTS and name.endswith(b"\\"))
    mode = external >> 16 if made_by >> 8 in _UNIX_HOSTS else 0
    type_bits = mode & _TYPE_MASK
    if not type_bits:
        type_bits = _FOLDER if is_folder_name else _FILE
        mode = mode or (_FOLDER_MODE if is_folder_name else _FILE_MODE)
    if type_bits not in (_FILE, _FOLDER, _SYMLINK):
        raise refused(name, "is a device, a FIFO or a socket, which a backup cannot hold")
    if is_folder_name and type_bits != _FOLDER:
        raise refused(name, "is a folder by its name, but not by its mode")
    if not path and type_bits != _FOLDER:
        raise refused(name, "has no name")
    if type_bits == _FOLDER and size:
        raise refused(name, "is a folder with a content")
    uid, gid = _owner(extras.get(0x7875, b""))
    return Member(
        path=path,
        raw_name=name,
        type_bits=type_bits,
        mode=mode & 0o7777,
        uid=uid,
        gid=gid,
        mtime_ns=_mtime_ns(extras, time, date),
        flags=flags,
        method=method,
        crc32=crc32,
        packed=packed,
        size=size,
        offset=offset + shift,
    )


def _extras(name: bytes, extra: bytes) -> dict[int, bytes]:
    """Return the extra fields by their ids. Fewer than four bytes at the end are padding (Android's zipalign)."""
    found: dict[int, bytes] = {}
    at = 0
    while at + _EXTRA.size <= len(extra):
        key, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if at + length > len(extra):
            raise refused(name, "has an extra field that is longer than the space for it")
        found.setdefault(key, extra[at : at + length])
        at += length
    return found


def _zip64(name: bytes, values: bytes, *fields: int) -> tuple[int, ...]:
    """Return size, packed size and offset, each from the zip64 field where the record says so."""
    found = []
    for value in fields:
        if value == _LIMIT_32 and values:
            if len(values) < 8:
                raise refused(name, "has a zip64 field that is too short")
            value, values = int.from_bytes(values[:8], "little"), values[8:]
        found.append(value)
    return tuple(found)


def _owner(data: bytes) -> tuple[int | None, int | None]:
    """Owner and group of Info-ZIP's field: version 1, then twice a length and a number of so many bytes."""
    if len(data) < 3 or data[0] != 1:
        return None, None
    uid_end = 2 + data[1]
    if uid_end >= len(data) or uid_end + 1 + data[uid_end] > len(data):
        return None, None
    uid = int.from_bytes(data[2:uid_end], "little")
    gid = int.from_bytes(data[uid_end + 1 : uid_end + 1 + data[uid_end]], "little")
    return (uid, gid) if max(uid, gid) < 2**32 else (None, None)


def _mtime_ns(extras: dict[int, bytes], time: int, date: int) -> int:
    """Return the most exact time of a record: NTFS (100 ns), Unix seconds, or MS-DOS (taken as UTC)."""
    ntfs = extras.get(0x000A, b"")
    if len(ntfs) >= 16 and ntfs[4:8] == b"\x01\0\x18\0":
        return (int.from_bytes(ntfs[8:16], "little") - _NTFS_EPOCH_TICKS) * 100
    stamp = extras.get(0x5455, b"")
    if len(stamp) >= 5 and stamp[0] & 1:
        return int.from_bytes(stamp[1:5], "little", signed=True) * SECOND_NS
    try:
        moment = datetime(
            1980 + (date >> 9),
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            min(59, 2 * (time & 31)),
            tzinfo=UTC,
        )
    except ValueError:
        return 0  # many programs write zeros
    return int(moment.timestamp()) * SECOND_NS
