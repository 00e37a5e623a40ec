"""Reading a zip into a tree and a scratch folder: first the directory, then the contents in the order they lie."""

from __future__ import annotations

import bz2
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Callable
from typing import BinaryIO

from holdfast.sources.archive.errors import CANCELLED, Limits, damaged, refused
from holdfast.sources.archive.names import TARGET_BYTES_MAX
from holdfast.sources.archive.scratch import DiskWatch, Scratch
from holdfast.sources.archive.streams import ERRORS, Decompressor, Deflate, open_zstd
from holdfast.sources.archive.tree import FILE, FOLDER, SYMLINK, Tree
from holdfast.sources.archive.zip_directory import (
    BZIP2,
    DEFLATED,
    ENCRYPTED,
    STORED,
    ZSTD,
    Member,
    find_directory,
    members,
)
from holdfast.vault.control import Control

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_READ_BYTES = 64 * 1024
_OUT_BYTES = 1024 * 1024
_KINDS = {0o100000: FILE, 0o040000: FOLDER, 0o120000: SYMLINK}
_OPEN: dict[int, Callable[[], Decompressor]] = {
    DEFLATED: lambda: Deflate(-15),
    BZIP2: bz2.BZ2Decompressor,
    ZSTD: open_zstd,
}


CHECKED_ENTRIES_MAX = 10_000
"""Before an archive is queued, its directory is checked until it has made so many entries: whoever sends it waits, and
the process that serves the web does the work. The import checks all of it again."""


def check_directory(file: BinaryIO, limits: Limits) -> None:
    """Check what the start of the directory tells: names, kinds, sizes. Raises ArchiveRefused."""
    ZipReader(file, Tree(limits), limits, (0, 0)).read_directory(CHECKED_ENTRIES_MAX)


class ZipReader:
    """Reads one zip. Use once: `read_directory`, then `read_contents`."""

    def __init__(self, file: BinaryIO, tree: Tree, limits: Limits, owner: tuple[int, int]) -> None:
        """`owner`: uid and gid of members that do not name theirs."""
        self._file = file
        self._tree = tree
        self._limits = limits
        self._owner = owner
        # Columns, one row per member with a path: 2,000,000 objects would take a gigabyte.
        self._number, self._method, self._flags = array("q"), array("H"), array("H")
        self._offset, self._packed, self._size = array("Q"), array("Q"), array("Q")
        self._crc32, self._name_crc, self._kind = array("I"), array("I"), array("B")
        self._end = 0

    def read_directory(self, at_most: int = sys.maxsize) -> None:
        """Read it all, or until the tree has `at_most` entries. Raises ArchiveRefused."""
        directory = find_directory(self._file)
        self._end = directory.start
        for number, member in enumerate(members(self._file, directory, self._limits)):
            if max(number, len(self._tree)) >= at_most:
                break
            self._add(member)
        order = sorted(range(len(self._offset)), key=self._offset.__getitem__)
        end = directory.shift
        for i in order:
            if self._offset[i] < end:
                raise refused(self._path(i), "lies over another member in the zip")
            end = self._offset[i] + _LOCAL.size + self._packed[i]
        if end > self._end:
            raise damaged("a member of the zip reaches into its directory")
        self._order = order

    def _add(self, member: Member) -> None:
        kind = _KINDS[member.type_bits]
        number = -1
        if member.path:
            uid = self._owner[0] if member.uid is None else member.uid
            gid = self._owner[1] if member.gid is None else member.gid
            number = self._tree.add(member.path, kind, member.mode, uid, gid, member.mtime_ns)
            if kind == FILE:
                self._tree.set_size(number, member.size)
            if kind == SYMLINK and member.size > TARGET_BYTES_MAX:
                raise refused(member.path, f"is a symbolic link with a target of more than {TARGET_BYTES_MAX:,} bytes")
        if member.method == STORED and member.packed != member.size:
            raise refused(member.path, "is stored uncompressed, yet has two different sizes")
        if max(member.offset, member.packed, member.size) >= 2**63:
            raise refused(member.path, "has an impossible size or offset")
        self._number.append(number)
        self._method.append(member.method)
        self._flags.append(member.flags)
        self._offset.append(member.offset)
        self._packed.append(member.packed)
        self._size.append(member.size)
        self._crc32.append(member.crc32)
        self._name_crc.append(zlib.crc32(member.raw_name))
        self._kind.append(kind)

    def read_contents(self, scratch: Scratch, disk: DiskWatch, control: Control) -> None:
        """Unpack everything. Raises ArchiveRefused, OSError of the scratch folder, Cancelled."""
        order = self._order
        for rank, i in enumerate(order):
            stop = self._offset[order[rank + 1]] if rank + 1 < len(order) else self._end
            self._to_content(i, stop)
            if self._kind[i] == FILE:
                with os.fdopen(scratch.open_new(self._path(i)), "wb", buffering=0) as out:

                    def write(data: bytes, out: BinaryIO = out) -> None:
                        disk.wrote(len(data))
                        out.write(data)
                        control.check(CANCELLED)

                    self._unpack(i, write)
            else:
                parts: list[bytes] = []
                self._unpack(i, parts.append)
                if self._kind[i] == SYMLINK:
                    self._tree.set_target(self._number[i], b"".join(parts))
                control.check(CANCELLED)

    def _path(self, i: int) -> bytes:
        return self._tree.path(self._number[i]) if self._number[i] >= 0 else b"./"

    def _to_content(self, i: int, stop: int) -> None:
        """Seek to the start of the content; the local header must agree with the directory."""
        self._file.seek(self._offset[i])
        head = self._file.read(_LOCAL.size)
        if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
            raise refused(self._path(i), "is not where the zip's directory says")
        _, _, flags, method, _, _, _, _, _, name_length, extra_length = _LOCAL.unpack(head)
        name = self._file.read(name_length)
        if zlib.crc32(name) != self._name_crc[i]:
            raise refused(self._path(i), "has another name in the zip's directory than before its content")
        if method != self._method[i] or (flags ^ self._flags[i]) & ENCRYPTED:
            raise refused(self._path(i), "has another compression method than the zip's directory says")
        if self._offset[i] + _LOCAL.size + name_length + extra_length + self._packed[i] > stop:
            raise refused(self._path(i), "lies over another member in the zip")
        self._file.seek(extra_length, 1)

    def _unpack(self, i: int, write: Callable[[bytes], object]) -> None:
        """Pass the content to `write`, piece by piece. Raises ArchiveRefused unless size and CRC-32 are as stated."""
        method, left, packed, crc = self._method[i], self._size[i], self._packed[i], 0
        if method == STORED:
            while left:
                data = self._file.read(min(left, _OUT_BYTES))
                if not data:
                    raise damaged("the zip ends in the middle")
                left -= len(data)
                crc = zlib.crc32(data, crc)
                write(data)
        else:
            inner = _OPEN[method]()
            while not inner.eof:
                source = b""
                if inner.needs_input:
                    source = self._file.read(min(packed, _READ_BYTES))
                    packed -= len(source)
                    if not source:
                        raise refused(self._path(i), "ends in the middle")
                try:
                    data = inner.decompress(source, min(_OUT_BYTES, left + 1))
                except ERRORS:
                    raise refused(self._path(i), "cannot be unpacked, it is damaged") from None
                if len(data) > left:
                    raise refused(self._path(i), "is larger than the zip says")
                left -= len(data)
                if data:
                    crc = zlib.crc32(data, crc)
                    write(data)
            if left or packed or inner.unused_data:
                raise refused(self._path(i), "has another size than the zip says")
        if crc != self._crc32[i]:
            raise refused(self._path(i), "is damaged: its CRC-32 is another than the zip says")
