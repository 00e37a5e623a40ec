"""Taking a backup: a source's tree becomes chunks, blocks and at last a root.

The order of writing, each durable before the next: data packs; their rows in the ledger; manifest packs; their rows;
the root. A crash anywhere leaves packs that the next backup finds and uses, or that prune removes.

Only this module holds the flow; reading and storing in parallel is in `pool`, columns are joined in `columns`,
blocks are made in `manifest_writer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.archiver.manifest_writer import RESULT_DTYPE, Assembly, Written
from holdfast.vault.archiver.pool import InlinePool, ProcessPool
from holdfast.vault.archiver.sparse import PART_BYTES, SparseLayout, sparse_layout
from holdfast.vault.archiver.tasks import Batch, FileItem, FilePart, Gathered, Job, Result, StreamTask
from holdfast.vault.control import Control, Progress
from holdfast.vault.manifest.changes import match_paths, same_stat
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.manifest.previous import PreviousEntries
from holdfast.vault.pack.chunk import CHUNK_BYTES_MIN, PAGE_CUT_BYTES
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.ledger import Ledger, PackRow
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.source import ContentOrigin, Scan, Source

BATCH_FILES_MAX = 128
BATCH_BYTES_MAX = 4 * 1024 * 1024
BATCH_PATH_BYTES_MAX = 32 * 1024
"""A job must fit into a pipe (64 KiB): a worker that writes a long result reads nothing, and whoever sends it the next
job would wait for it for ever."""
STREAM_CHUNKS = 65_536
"""Chunks assumed of a stream, whose length is unknown: 16 GiB of them. With more, claims get slower, not wrong."""

INLINE_POOL_BYTES_MAX = 12 * 1024 * 1024
INLINE_POOL_FILES_MAX = 400
"""At most this much is read in this process: it takes less time than starting a worker process (0.3 s)."""


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """The decision for each entry of the scan. Rows of `keep` may be set until the first file is read."""

    match: NDArray[np.int64]
    """Its number in the previous backup, or -1."""
    keep: NDArray[np.bool_]
    """True where the content is taken from the previous backup."""
    primary: NDArray[np.int64]
    """For a further hard link: the number of the first entry of the same file; else -1."""
    is_file: NDArray[np.bool_]

    @property
    def read(self) -> NDArray[np.int64]:
        """Numbers of the files to read, in order."""
        return (self.is_file & ~self.keep & (self.primary < 0)).nonzero()[0]


def plan(scan: Scan, before: PreviousEntries, is_stored: NDArray[np.bool_]) -> ArchivePlan:
    """Decide what to read. `is_stored`: for each previous entry, True if the vault still has all of its content."""
    match = match_paths(scan, before)
    keep = same_stat(scan, before, match)
    if len(before):
        keep &= is_stored[match]
    is_file = scan.kind == Kind.FILE
    primary = _hard_links(scan, is_file)
    linked = is_file & (scan.nlink > 1) & keep
    for i in linked.nonzero()[0].tolist():
        if before.extra(int(match[i])).hard_link is not None:
            keep[i] = False  # it was a further link then; as the first one now it needs an entry of its own
    keep &= primary < 0
    return ArchivePlan(match, keep, primary, is_file)


def _take_over(scan: Scan, before: PreviousEntries, todo: ArchivePlan, numbers: Sequence[int]) -> None:
    """Keep the content that entries had in the previous backup, although they changed since."""
    for i in numbers:
        todo.keep[i] = True
        scan.mtime_ns[i] = before.mtime_ns[todo.match[i]]
        scan.ctime_ns[i] = 0  # never equal: the next backup reads it again


def _hard_links(scan: Scan, is_file: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each entry the first one of the same file, where it is a further hard link of that; else -1."""
    # Files with several links, sorted by device, inode and number: the links of a file stand side by side, the first
    # entry in front. `fresh` marks those; the running maximum of their positions leads every other one back to its own.
    primary = np.full(len(scan.kind), -1, np.int64)
    linked = (is_file & (scan.nlink > 1)).nonzero()[0]
    if len(linked):
        order = np.lexsort((linked, scan.inode[linked], scan.device[linked]))
        rows = linked[order]
        fresh = np.ones(len(rows), bool)
        fresh[1:] = (scan.inode[rows[1:]] != scan.inode[rows[:-1]]) | (scan.device[rows[1:]] != scan.device[rows[:-1]])
        first = rows[np.maximum.accumulate(np.where(fresh, np.arange(len(rows)), 0))]
        primary[rows] = np.where(fresh, -1, first)
    return primary


def jobs_of(scan: Scan, read: NDArray[np.int64], sparse: Mapping[int, SparseLayout]) -> Iterator[Job]:
    """Return the jobs that read the given files: large files first (their parts keep all workers busy to the end).

    `sparse`: the parts of those large ones that have holes.
    """
    paths = scan.paths
    sizes = scan.size[read].tolist()
    small: list[tuple[int, int]] = []
    origin = scan.content[read].tolist()
    for number, size, content in zip(read.tolist(), sizes, origin, strict=True):
        if content == ContentOrigin.STREAM:
            yield StreamTask(number, paths[number])
            continue
        if size <= BATCH_BYTES_MAX:
            small.append((number, size))
            continue
        layout = sparse.get(number)
        if layout is None:
            count = max(1, size // PART_BYTES)
            parts: Iterable[tuple[int, int]] = ((part * PART_BYTES, PART_BYTES) for part in range(count))
        else:
            count, parts = len(layout.parts), layout.parts
        path = paths[number]
        for part, (offset, length) in enumerate(parts):
            yield FilePart(number, path, part, offset, length, part == count - 1)
    batch: list[FileItem] = []
    total = texts = 0
    for number, size in small:
        path = paths[number]
        is_full = total + size > BATCH_BYTES_MAX or len(batch) >= BATCH_FILES_MAX
        if batch and (is_full or texts + len(path) > BATCH_PATH_BYTES_MAX):
            yield Batch(batch)
            batch, total, texts = [], 0, 0
        batch.append(FileItem(number, path))
        total += size
        texts += len(path)
    if batch:
        yield Batch(batch)


def chunks_expected(sizes: NDArray[np.uint64], content: NDArray[np.uint8]) -> int:
    """Estimate from above the number of chunks of files of these sizes (as page files wherever they could be)."""
    large = sizes[sizes > CHUNK_BYTES_MIN]
    streams = int((content == ContentOrigin.STREAM).sum()) * STREAM_CHUNKS
    return streams + len(sizes) + int((large // np.uint64(PAGE_CUT_BYTES)).sum()) + len(large)


class _Parts:
    """Jobs, and how many parts of each large file are still to be read."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs
        self._left: dict[int, int] = {}
        self._paths: dict[int, bytes] = {}

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        job = next(self._jobs)
        if isinstance(job, FilePart):
            self._left[job.number] = self._left.get(job.number, 0) + 1
            if job.is_last:
                self._paths[job.number] = job.path
        return job

    def whole(self, number: int) -> bytes | None:
        """Count a part as read; return the path of its file if it was the last one that was missing."""
        if number not in self._left:
            return None
        self._left[number] -= 1
        return self._paths.pop(number, None) if not self._left[number] else None


class Archive:
    """Takes one backup. Made by `Vault.take`; use once."""

    def __init__(
        self,
        *,
        keys: VaultKeys,
        ledger: Ledger,
        epoch: int,
        index: Index,
        source: Source,
        open_pool: Callable[[int, int, int], ProcessPool | InlinePool],
        control: Control,
    ) -> None:
        """`open_pool(files, bytes, chunks)` returns the pool that does the reading."""
        self._keys = keys
        self._ledger = ledger
        self._epoch = epoch
        self.index = index
        self._source = source
        self._open_pool = open_pool
        self._control = control
        self.stored_bytes = 0

    def run(self, scan: Scan, before: PreviousEntries, is_stored: NDArray[np.bool_], assembly: Assembly) -> Written:
        """Read what changed, store it, and write the blocks. Raises Cancelled, SessionFenced, StoreError."""
        todo = plan(scan, before, is_stored)
        is_before = todo.match >= 0
        is_before[is_before] = is_stored[todo.match[is_before]] & (before.kind[todo.match[is_before]] == Kind.FILE)
        settled = self._source.settle(scan, todo.read, is_before)
        if settled.scan is not scan:
            scan = settled.scan
            todo = plan(scan, before, is_stored)
        _take_over(scan, before, todo, settled.from_before)
        got = self._ingest(scan, todo)
        for path in self._source.close_reading():
            if (number := scan.paths.number_of(path)) >= 0:
                scan.ctime_ns[number] = 0  # never equal
        self.index = self.index.with_packs(self._keys, got.packs)
        return assembly.write(scan, before, todo.match, todo.keep, todo.primary, got, self.index, self.publish)

    def publish(self, rows: Sequence[PackRow]) -> None:
        """Record durable packs in the ledger."""
        if rows:
            self._ledger.publish(self._epoch, rows)
            self.stored_bytes += sum(row.size for row in rows)

    def _sparse(self, scan: Scan, read: NDArray[np.int64]) -> dict[int, SparseLayout]:
        """Find the holes of the large files among those that are read."""
        large = read[(scan.size[read] >= 2 * PART_BYTES) & (scan.content[read] != ContentOrigin.STREAM)].tolist()
        found: dict[int, SparseLayout] = {}
        if not large:
            return found
        reader = self._source.reader()
        try:
            for number in large:
                self._control.check("The backup was cancelled.")
                layout = sparse_layout(reader, scan.paths[number], int(scan.size[number]))
                if layout is not None:
                    found[number] = layout
        finally:
            reader.close()
        return found

    def _ingest(self, scan: Scan, todo: ArchivePlan) -> Gathered:
        is_file = scan.kind == Kind.FILE
        total_files, total_bytes = int(is_file.sum()), int(scan.size[is_file].sum())
        read = todo.read
        sizes = scan.size[read]
        is_stream = scan.content == ContentOrigin.STREAM
        content_bytes = int(scan.size[todo.keep & is_file & ~is_stream].sum())
        files, done_bytes = total_files - len(read), total_bytes - int(sizes.sum())
        got = Gathered()
        self._control.progress(Progress(files, done_bytes, total_files, total_bytes))
        if not len(read):
            return got
        sparse = self._sparse(scan, read)
        if sparse:
            sizes = sizes.copy()
            for at in np.isin(read, list(sparse)).nonzero()[0].tolist():
                sizes[at] = min(int(sizes[at]), sparse[int(read[at])].data_bytes)
        pool = self._open_pool(len(read), int(sizes.sum()), chunks_expected(sizes, scan.content[read]))
        parts = _Parts(jobs_of(scan, read, sparse))

        def gather(result: Result) -> None:
            nonlocal files, done_bytes, content_bytes
            rows = np.frombuffer(result.rows, RESULT_DTYPE)
            content_bytes += int(rows["size"][~is_stream[rows["number"]]].sum())
            self._source.check_read(content_bytes)
            got.rows.append(result.rows)
            got.extents.append(result.extents)
            got.extras.append(result.extras)
            got.notices.extend(result.notices)
            got.packs += result.packs
            self.publish(result.packs)
            if len(rows) == 1 and (path := parts.whole(int(rows["number"][0]))) is not None:
                self._source.file_read(path)
            files += result.files
            done_bytes += result.read_bytes
            self._control.progress(
                Progress(min(files, total_files), min(done_bytes, total_bytes), total_files, total_bytes)
            )

        try:
            pool.run(parts, gather, self._control)
        finally:
            pool.close()
        return got
