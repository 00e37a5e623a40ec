"""Reading a tar, front to back, into a tree and a scratch folder."""

from __future__ import annotations

import os
from typing import BinaryIO

from holdfast.sources.archive.errors import CANCELLED, ArchiveRefused, Limits, damaged, refused
from holdfast.sources.archive.names import checked_path
from holdfast.sources.archive.scratch import DiskWatch, Scratch, Xattrs
from holdfast.sources.archive.streams import Stream, compression_of
from holdfast.sources.archive.tar_header import (
    BLOCK_BYTES,
    Extended,
    Header,
    decimal_ns,
    is_header,
    parse_header,
    parse_records,
    whole,
    xattrs_of,
)
from holdfast.sources.archive.tree import FILE, FOLDER, SYMLINK, Tree
from holdfast.units import SECOND_NS
from holdfast.vault.control import Control

EXTENDED_BYTES_MAX = 4 * 1024 * 1024
"""At most this many bytes of extended headers for one member."""

OVERHEAD_BYTES = 64 * 1024 * 1024
"""Headers and padding of any archive, beside the contents. A gigabyte of headers is a megabyte of gzip."""

OVERHEAD_OF_MEMBER_BYTES = 8 * 1024
"""Further such bytes for each member, and twice the bytes of its names and attributes."""

RECORDS, RECORDS_OF_MEMBER = 100_000, 32
"""Records of extended headers, in any archive and further ones for each member."""

RECORDS_OF_ALL_MAX = 100
"""Records that hold for all members: each of them is looked up for each member."""

_COPY_BYTES = 1024 * 1024
_ZERO_BLOCK = bytes(BLOCK_BYTES)
_REFUSED_KINDS = {
    b"3": "is a device, which a backup cannot hold",
    b"4": "is a device, which a backup cannot hold",
    b"6": "is a FIFO, which a backup cannot hold",
    b"S": "is stored as a sparse file; make the archive without --sparse",
    b"M": "is the rest of a file from another volume; put the volumes together first",
    b"D": "belongs to an incremental archive; make a full one",
}
_FILES, _LINK, _SYMLINK, _FOLDER = (b"0", b"\0", b"7"), b"1", b"2", b"5"


def check_start(file: BinaryIO, limits: Limits) -> None:
    """Check that a tar begins here. Raises ArchiveRefused."""
    stream = Stream(file, OVERHEAD_BYTES)
    start = file.read(8)
    file.seek(0)
    block = stream.read_exactly(BLOCK_BYTES) if compression_of(start) else file.read(BLOCK_BYTES)
    if block != _ZERO_BLOCK and not is_header(block):
        raise ArchiveRefused(
            "This file is neither a zip nor a tar (nor a tar in gzip, xz, bzip2 or zstd); upload one of those."
        )


class TarReader:
    """Reads one tar. Use once."""

    def __init__(
        self,
        file: BinaryIO,
        tree: Tree,
        scratch: Scratch,
        limits: Limits,
        disk: DiskWatch,
        control: Control,
    ) -> None:
        self._stream = Stream(file, OVERHEAD_BYTES)
        self._records_left = RECORDS
        self._tree = tree
        self._scratch = scratch
        self._disk = disk
        self._control = control
        self._global: dict[bytes, bytes] = {}
        self.has_xattrs = False

    def read(self) -> None:
        """Read all of it. Raises ArchiveRefused, OSError of the scratch folder, Cancelled."""
        extended = Extended()
        while (block := self._stream.read_exactly(BLOCK_BYTES)) != _ZERO_BLOCK:
            header = parse_header(block)
            if header.size < 0:
                raise refused(header.name, "has a negative size")
            if header.kind in (b"x", b"X", b"g", b"L", b"K"):
                self._extend(header, extended)
            elif header.kind == b"V":
                self._skip_padding(header.size)
            else:
                self._member(header, extended)
                extended = Extended()
            self._control.check(CANCELLED)
        self._end()

    def _end(self) -> None:
        """Check that only zeros follow the end; a compressed stream then verifies its checksum."""
        while data := self._stream.read(_COPY_BYTES):
            if data.strip(b"\0"):
                raise ArchiveRefused("The tar has data after its end; make it again.")
            self._control.check(CANCELLED)

    def _extend(self, header: Header, extended: Extended) -> None:
        extended.size += header.size
        if extended.size > EXTENDED_BYTES_MAX:
            raise refused(header.name, f"has an extended header of more than {EXTENDED_BYTES_MAX:,} bytes")
        data = self._stream.read_exactly(header.size)
        self._skip_padding(header.size)
        match header.kind:
            case b"L":
                extended.long_name = data.rstrip(b"\0")
            case b"K":
                extended.long_link = data.rstrip(b"\0")
            case _:
                records, count = parse_records(data)
                self._records_left -= count
                if self._records_left < 0:
                    raise refused(header.name, "has far more extended headers than the archive's members need")
                (self._global if header.kind == b"g" else extended.records).update(records)
                if len(self._global) > RECORDS_OF_ALL_MAX:
                    raise refused(header.name, f"sets more than {RECORDS_OF_ALL_MAX} values for all members")

    def _member(self, header: Header, extended: Extended) -> None:
        records = extended.records = {**self._global, **extended.records} if self._global else extended.records
        name = records.get(b"path", extended.long_name if extended.long_name is not None else header.name)
        path = checked_path(name)
        if extended.is_sparse:
            raise refused(name, _REFUSED_KINDS[b"S"])
        size = whole(records[b"size"], name) if b"size" in records else header.size
        if size < 0:
            raise refused(name, "has a negative size")
        uid = whole(records[b"uid"], name) if b"uid" in records else header.uid
        gid = whole(records[b"gid"], name) if b"gid" in records else header.gid
        mtime_ns = decimal_ns(records[b"mtime"], name) if b"mtime" in records else header.mtime * SECOND_NS
        link = records.get(b"linkpath", extended.long_link if extended.long_link is not None else header.link)
        xattrs = xattrs_of(records, name) if records else ()
        kind = header.kind
        if kind in _FILES and name.endswith(b"/"):
            kind = _FOLDER  # as tars had it before there was a type of its own for folders
        if not path:
            if kind != _FOLDER:
                raise refused(name, "has no name")
            return  # the root folder itself
        held = len(name) + len(link) + sum(len(key) + len(value) for key, value in xattrs)
        self._stream.allow(OVERHEAD_OF_MEMBER_BYTES + 2 * held)
        self._records_left += RECORDS_OF_MEMBER
        if kind in _FILES:
            number = self._tree.add(path, FILE, header.mode, uid, gid, mtime_ns)
            self._content(number, path, size)
            self._keep(path, xattrs)
        elif kind == _FOLDER:
            self._tree.add(path, FOLDER, header.mode, uid, gid, mtime_ns)
            self._keep(path, xattrs)
        elif kind == _SYMLINK:
            self._tree.set_target(self._tree.add(path, SYMLINK, header.mode, uid, gid, mtime_ns), link)
        elif kind == _LINK:
            first = self._tree.add_link(path, self._link_target(name, link))
            if self._tree.is_file(first):
                self._scratch.link(self._tree.path(first), path)
        else:
            raise refused(name, _REFUSED_KINDS.get(kind, f"is of a kind ({kind!r}) that a backup cannot hold"))

    def _link_target(self, name: bytes, link: bytes) -> bytes:
        try:
            return checked_path(link)
        except ArchiveRefused:
            raise refused(name, "is a hard link to something outside the archive") from None

    def _content(self, number: int, path: bytes, size: int) -> None:
        self._tree.set_size(number, size)
        self._stream.allow(size)
        with os.fdopen(self._scratch.open_new(path), "wb", buffering=0) as out:
            left = size
            while left:
                data = self._stream.read(min(left, _COPY_BYTES))
                if not data:
                    raise damaged("it ends in the middle")
                left -= len(data)
                self._disk.wrote(len(data))
                out.write(data)
                self._control.check(CANCELLED)
        self._skip_padding(size)

    def _keep(self, path: bytes, xattrs: Xattrs) -> None:
        if xattrs:
            self.has_xattrs = True
            self._tree.count_names(sum(len(name) + len(value) for name, value in xattrs))
            self._scratch.put_xattrs(path, xattrs)

    def _skip_padding(self, size: int) -> None:
        self._stream.read_exactly(-size % BLOCK_BYTES)
