"""Ingest: reading files, cutting them into chunks and storing the new ones. A worker does this job by job.

A *job* is a batch of small files or a part of a large one. Its *result* comes back as packed columns (`RESULT_FIELDS`
rows, extents, extras), so that whoever gathers the results touches no Python object per file.

A file that changes while it is read is read again; the third time it is kept as read, with a notice, and marked so
that the next backup reads it again.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from isal import isal_zlib

from holdfast.stores.port import Store
from holdfast.vault.archiver.claims import Claims
from holdfast.vault.archiver.tasks import RESULT_FIELDS, Batch, FilePart, Job, KnownChunks, Result, StreamTask
from holdfast.vault.manifest.entry import FLAG_HOLE, INLINE_BYTES_MAX, Extra, encode_extra, pack_extent
from holdfast.vault.pack.chunk import (
    CHUNK_BYTES_MAX,
    CHUNK_BYTES_MIN,
    Chunker,
    chunk_id,
    crc_of_zeros,
    is_page_file,
    page_lengths,
)
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.segment import Encoder, SegmentMaker
from holdfast.vault.pack.writer import PackKind, PackWriter
from holdfast.vault.path_warnings import PathWarning
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    from holdfast.vault.source import FileStat, SourceReader

READ_TRIES = 3
HEAD_BYTES = 16
"""At most this many bytes of a file's start are needed to recognise its kind."""

WINDOW_BYTES = 4 * 1024 * 1024
SMALL_BYTES_MAX = CHUNK_BYTES_MIN
"""Files up to this size are one chunk and come in batches."""

_BUFFER_BYTES = WINDOW_BYTES + CHUNK_BYTES_MAX


_row = struct.Struct("<" + "".join(code for _, _, code in RESULT_FIELDS))
STATUS_READ, STATUS_LEFT_OUT = 0, 1


class _File:
    """The facts gathered about one file (or part) while it is read."""

    __slots__ = ("crc32", "ctime_ns", "extents", "inline", "size", "stat")

    def __init__(self, stat: FileStat) -> None:
        self.stat = stat
        self.ctime_ns = stat.st_ctime_ns
        self.size = 0
        self.crc32 = 0
        self.inline: bytes | None = None
        # (chunk id, raw length, repeat, flags); stored lengths are filled in when the batch is stored.
        self.extents: list[tuple[bytes, int, int, int]] = []


class Ingest:
    """Reads the files of jobs and stores the new chunks. Not to be shared between threads."""

    def __init__(
        self,
        reader: SourceReader,
        store: Store,
        keys: VaultKeys,
        encoder: Encoder,
        known: KnownChunks,
        claims: Claims,
        submit: Callable[[Callable[[], PackRow]], Future[PackRow]],
    ) -> None:
        self._reader = reader
        self._id_key = keys.chunk_id_key
        self._segments = SegmentMaker(encoder)
        self._known = known
        self._claims = claims
        self._chunker = Chunker(keys.chunker_seed)
        self._packs = PackWriter(store, keys, PackKind.DATA, submit)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._zeros: dict[int, bytes] = {}
        self._clear()

    def _clear(self) -> None:
        # Chunks met since the last _store_new: id, where the bytes are in the buffer, CRC-32.
        self._met: list[tuple[bytes, int, int, int]] = []
        self._stored: dict[bytes, int] = {}

    def finish(self) -> list[PackRow]:
        """End the last pack; return the rows of all packs not yet returned, once they are durable."""
        self._packs.end_pack()
        return self._packs.rows(wait=True)

    def abort(self) -> None:
        """Discard packs that are not durable."""
        self._packs.abort()

    def process(self, job: Job) -> Result:
        """Run one job. Raises StoreError (nothing acknowledged is lost), DamagedError (a segment does not verify)."""
        notices: list[PathWarning] = []
        if isinstance(job, Batch):
            done = self._read_batch(job, notices)
        elif isinstance(job, StreamTask):
            done = [(job.number, 0, self._read_stream(job.path))]
        else:
            done = [(job.number, job.part, self._read_part(job, notices))]
        return self._pack_result(done, notices)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read_batch(self, job: Batch, notices: list[PathWarning]) -> list[tuple[int, int, tuple[_File, bytes] | None]]:
        done: list[tuple[int, int, tuple[_File, bytes] | None]] = []
        fill = total = 0
        for item in job.files:
            if total > self._reader.content_bytes_max:
                break  # they have grown: the backup is refused for what this job has so far
            if fill + SMALL_BYTES_MAX + 1 > _BUFFER_BYTES:
                self._store_new()
                fill = 0
            got, fill = self._read_small(item.path, fill, notices)
            done.append((item.number, 0, got))
            total += got[0].size if got is not None else 0
        self._store_new()
        return done

    def _read_small(self, path: bytes, fill: int, notices: list[PathWarning]) -> tuple[tuple[_File, bytes] | None, int]:
        """Read one small file into the buffer at `fill`; return it and the new fill."""
        try:
            fd = self._reader.open(path)
        except OSError as error:
            self._refuse(path, error, notices)
            return None, fill
        try:
            for attempt in range(READ_TRIES):
                stat = self._reader.stat(fd)
                if stat.st_size > SMALL_BYTES_MAX:
                    # It grew since the scan: store the buffer's contents before the buffer is used for this file.
                    self._store_new()
                    return self._read_whole(path, fd, notices), 0
                size = 0
                while size <= SMALL_BYTES_MAX:
                    got = self._reader.read_into(fd, self._buffer[fill + size : fill + SMALL_BYTES_MAX + 1], size)
                    if not got:
                        break
                    size += got
                    if size == stat.st_size:
                        break
                changed = _changed(stat, self._reader.stat(fd)) or size != stat.st_size
                if not changed or attempt == READ_TRIES - 1:
                    break
            size = min(size, SMALL_BYTES_MAX)
            file = _File(stat)
            file.size = size
            xattrs = self._reader.xattrs(fd)
            view = self._buffer[fill : fill + size]
            self._mark_doubted(file, path, view[:HEAD_BYTES], notices)
            file.crc32 = isal_zlib.crc32(view)
            if size > INLINE_BYTES_MAX:
                cid = chunk_id(view, self._id_key)
                file.extents.append((cid, size, 1, 0))
                self._met.append((cid, fill, size, file.crc32))
                fill += size
            elif size:
                file.inline = bytes(view)
            return self._complete(path, file, xattrs, changed=changed, notices=notices), fill
        except OSError as error:
            self._refuse(path, error, notices)
            return None, fill
        finally:
            os.close(fd)

    def _read_whole(self, path: bytes, fd: int, notices: list[PathWarning]) -> tuple[_File, bytes]:
        xattrs = self._reader.xattrs(fd)
        for attempt in range(READ_TRIES):
            stat = self._stat(fd)
            file = _File(stat)
            self._read_range(fd, file, 0, stat.st_size)
            changed = _changed(stat, self._reader.stat(fd)) or file.size != stat.st_size
            if not changed or attempt == READ_TRIES - 1:
                break
        self._mark_doubted(file, path, self._head(fd), notices)
        return self._complete(path, file, xattrs, changed=changed, notices=notices)

    def _read_part(self, job: FilePart, notices: list[PathWarning]) -> tuple[_File, bytes] | None:
        try:
            fd = self._reader.open(job.path)
        except OSError as error:
            self._refuse(job.path, error, notices)
            return None
        try:
            if job.part == 0 and job.is_last:
                return self._read_whole(job.path, fd, notices)
            # Parts of one file are compared where they are gathered: their stats tell if it changed in between.
            stat = self._stat(fd)
            file = _File(stat)
            end = stat.st_size if job.is_last else job.offset + job.length
            self._read_range(fd, file, job.offset, end)
            xattrs = self._reader.xattrs(fd) if job.part == 0 else ()
            if job.part == 0:
                self._mark_doubted(file, job.path, self._head(fd), notices)
            return self._complete(
                job.path, file, xattrs, changed=_changed(stat, self._reader.stat(fd)), notices=[], mark_only=True
            )
        except OSError as error:
            self._refuse(job.path, error, notices)
            return None
        finally:
            os.close(fd)

    def _head(self, fd: int) -> bytes:
        head = bytearray(HEAD_BYTES)
        return bytes(head[: self._reader.read_into(fd, memoryview(head), 0)])

    def _stat(self, fd: int) -> FileStat:
        """Return what an open file is now. Raises OSError if it has grown beyond what a backup takes."""
        stat = self._reader.stat(fd)
        largest = self._reader.bytes_max(fd)
        if stat.st_size > largest:
            raise OSError(errno.EFBIG, f"it has grown to {stat.st_size:,} bytes, and {largest:,} are the most")
        return stat

    def _read_range(self, fd: int, file: _File, start: int, end: int) -> None:
        """Cut bytes `start` to `end` (or to the end of the file) into chunks; holes are not read."""
        paged = is_page_file(self._head(fd))
        at = start
        sparse = file.stat.st_blocks * 512 < file.stat.st_size
        while at < end:
            data_from, data_to = self._reader.data_run(fd, at, end) if sparse else (at, end)
            if data_from > at:
                self._add_hole(file, data_from - at)
                at = data_from
            if at < data_to:
                at = self._read_run(fd, file, at, data_to, paged=paged)
                if at < data_to:
                    return

    def _read_run(self, fd: int, file: _File, start: int, end: int, *, paged: bool) -> int:
        """Cut one run of data; return its end."""
        at = start

        def read_into(view: memoryview) -> int:
            nonlocal at
            got = self._reader.read_into(fd, view[: end - at], at) if at < end else 0
            at += got
            return got

        self._cut(file, read_into, paged=paged)
        return at

    def _read_stream(self, path: bytes) -> tuple[_File, bytes]:
        stream = self._reader.stream(path)
        try:
            file = _File(os.stat(os.devnull))  # of a stream's stat nothing is kept
            self._cut(file, stream.read_into, paged=False)
            return file, b""
        finally:
            stream.close()

    def _cut(self, file: _File, read_into: Callable[[memoryview], int], *, paged: bool) -> None:
        """Cut everything that `read_into` delivers into chunks."""
        held = 0
        at_end = False
        while True:
            while not at_end and held < _BUFFER_BYTES:
                got = read_into(self._buffer[held:])
                held += got
                at_end = not got
            window = self._buffer[:held]
            lengths = (
                page_lengths(held if at_end else WINDOW_BYTES)
                if paged
                else self._chunker.lengths(window, is_end=at_end)
            )
            used = 0
            for length in lengths:
                view = window[used : used + length]
                cid = chunk_id(view, self._id_key)
                crc = isal_zlib.crc32(view)
                file.extents.append((cid, length, 1, 0))
                file.crc32 = isal_zlib.crc32_combine(file.crc32, crc, length)
                self._met.append((cid, used, length, crc))
                used += length
            file.size += used
            self._store_new()
            if at_end:
                return
            held -= used
            self._buffer[:held] = self._buffer[used : used + held]

    def _add_hole(self, file: _File, length: int) -> None:
        """Add a hole, as chunks of zeros that are stored once and repeated."""
        for size, repeat in ((CHUNK_BYTES_MAX, length // CHUNK_BYTES_MAX), (length % CHUNK_BYTES_MAX, 1)):
            if not size or not repeat:
                continue
            zeros = bytes(size)
            crc = isal_zlib.crc32(zeros)
            if size not in self._zeros:
                self._zeros[size] = chunk_id(zeros, self._id_key)
                self._buffer[:size] = zeros
                self._met.append((self._zeros[size], 0, size, crc))
                self._store_new()
            file.extents.append((self._zeros[size], size, repeat, FLAG_HOLE))
            file.crc32 = isal_zlib.crc32_combine(file.crc32, crc_of_zeros(size, repeat), size * repeat)
            file.size += size * repeat

    def _complete(
        self,
        path: bytes,
        file: _File,
        xattrs: tuple[tuple[bytes, bytes], ...],
        *,
        changed: bool,
        notices: list[PathWarning],
        mark_only: bool = False,
    ) -> tuple[_File, bytes]:
        if changed:
            # ctime 0 never equals a real one, so the next backup reads this file again.
            file.ctime_ns = 0
            if not mark_only:
                notices.append(changed_notice(path))
        if file.inline is None and not xattrs:
            return file, b""
        return file, encode_extra(Extra(inline=file.inline, xattrs=xattrs))

    def _mark_doubted(self, file: _File, path: bytes, head: bytes | memoryview, notices: list[PathWarning]) -> None:
        doubt = self._reader.doubt(path, head)
        if doubt is not None:
            notices.append(PathWarning(path, *doubt))
            file.ctime_ns = 0  # the next backup reads it again

    def _refuse(self, path: bytes, error: OSError, notices: list[PathWarning]) -> None:
        if isinstance(error, FileNotFoundError):
            return  # gone since the scan, as if it had never been there
        if isinstance(error, PermissionError):
            code, why = "UNREADABLE_FILE", "cannot be read; give the user that takes the backups permission to read it"
        else:
            code, why = "UNREADABLE_FILE", f"could not be read ({error.strerror or error})"
        notices.append(PathWarning(path, code, f"The file {shown(path)} {why}; it was left out."))

    # -- storing ---------------------------------------------------------------------------------------------------

    def _store_new(self) -> None:
        """Store those chunks met since the last call that neither the vault nor another worker has."""
        met = self._met
        if not met:
            return
        stored_of = self._stored
        unknown = []
        for one, stored in zip(met, self._known.stored([m[0] for m in met]), strict=True):
            if stored is None:
                unknown.append(one)
            else:
                stored_of[one[0]] = stored
        for (cid, at, length, crc), is_mine in zip(unknown, self._claims.claim([u[0] for u in unknown]), strict=True):
            if is_mine:
                segment, encoder = self._segments.make(self._buffer[at : at + length], crc)
                self._packs.add(cid, segment, length, crc, encoder)
                stored_of[cid] = len(segment)
        self._met = []

    def _pack_result(
        self, done: list[tuple[int, int, tuple[_File, bytes] | None]], notices: list[PathWarning]
    ) -> Result:
        rows, extents, extras = [], [], []
        pack = _row.pack
        read_bytes = 0
        stored_of = self._stored
        for number, part, got in done:
            if got is None:
                rows.append(pack(number, part, STATUS_LEFT_OUT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
                continue
            file, extra = got
            st = file.stat
            rows.append(
                pack(
                    number,
                    part,
                    STATUS_READ,
                    st.st_mode & 0o7777,
                    st.st_uid,
                    st.st_gid,
                    _stored_ns(st.st_mtime_ns),
                    _stored_ns(file.ctime_ns),
                    st.st_ino,
                    st.st_dev,
                    file.size,
                    file.crc32,
                    len(file.extents),
                    len(extra),
                )
            )
            read_bytes += file.size
            extras.append(extra)
            for cid, raw, repeat, flags in file.extents:
                extents.append(pack_extent(cid, stored_of.get(cid, 0), raw, repeat, flags))
        result = Result(
            rows=b"".join(rows),
            extents=b"".join(extents),
            extras=b"".join(extras),
            notices=notices,
            files=len(rows),
            read_bytes=read_bytes,
            packs=self._packs.rows(wait=False),
        )
        self._clear()
        return result


def changed_notice(path: bytes) -> PathWarning:
    """Return the notice for a file that changed while it was read."""
    return PathWarning(
        path, "FILE_CHANGED", f"The file {shown(path)} changed while it was read; its copy may be mixed."
    )


def _stored_ns(ns: int) -> int:
    """Return a time as it is stored: one before 1677 or after 2262 is the nearest that 64 bits reach, as in walk.c."""
    return min(max(ns, -(2**63)), 2**63 - 1)


def _changed(before: FileStat, after: FileStat) -> bool:
    return (before.st_mtime_ns, before.st_ctime_ns, before.st_size) != (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_size,
    )
