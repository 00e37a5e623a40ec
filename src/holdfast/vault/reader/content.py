"""The content of one file from any byte on: only the chunks that hold the wanted bytes are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from isal import isal_zlib

from holdfast.vault.errors import DamagedError
from holdfast.vault.manifest.entry import Entry, Extent
from holdfast.vault.pack.seal import SealKind
from holdfast.vault.pack.segment import inflate_segment
from holdfast.vault.reader.snapshot import Snapshot

_CHUNKS_AT_ONCE = 32


def content_range(snapshot: Snapshot, entry: Entry, start: int, stop: int) -> Iterator[memoryview]:
    """Yield bytes `start` to `stop` of a file, in pieces of at most a chunk. A whole file is compared with its CRC-32.

    Raises DamagedError, ChunkMissing; bytes yielded before that are as stored.
    """
    if not 0 <= start <= stop <= entry.size:
        raise ValueError(f"bytes {start} to {stop} of a file of {entry.size}")
    if entry.extra.inline is not None:
        if start < stop:
            yield memoryview(entry.extra.inline)[start:stop]
        return
    at, crc = start, 0
    for chunk, skip in _chunks(snapshot, entry, start, stop):
        piece = memoryview(chunk)[skip : skip + stop - at]
        crc = isal_zlib.crc32(piece, crc)
        at += len(piece)
        if at == stop and stop - start == entry.size and crc != entry.crc32:
            raise DamagedError("The stored file does not match what was backed up.")
        yield piece
    if at != stop:
        raise DamagedError("The stored file is shorter than its entry states.")


def _chunks(snapshot: Snapshot, entry: Entry, start: int, stop: int) -> Iterator[tuple[bytes, int]]:
    """Yield (content, bytes of it to skip) of each chunk with any of the wanted bytes; a hole's once a repetition."""
    batch: list[tuple[Extent, int, int]] = []  # extent, copies, bytes to skip in the first one
    for extent, copies, skip in _wanted(snapshot, entry, start, stop):
        batch.append((extent, copies, skip))
        if len(batch) == _CHUNKS_AT_ONCE:
            yield from _read(snapshot, batch)
            batch = []
    yield from _read(snapshot, batch)


def _read(snapshot: Snapshot, batch: list[tuple[Extent, int, int]]) -> Iterator[tuple[bytes, int]]:
    segments = snapshot.reader.segments(SealKind.DATA, [extent.chunk_id for extent, _, _ in batch])
    for (extent, copies, skip), segment in zip(batch, segments, strict=True):
        data = inflate_segment(segment, extent.raw)
        if len(data) != extent.raw:
            raise DamagedError("A stored segment has another length than its file states.")
        for copy in range(copies):
            yield data, 0 if copy else skip


def _wanted(snapshot: Snapshot, entry: Entry, start: int, stop: int) -> Iterator[tuple[Extent, int, int]]:
    at = 0
    for extents, size in _lists(snapshot, entry):
        if at + size <= start:
            at += size
            continue
        for extent in extents():
            run = extent.raw * extent.repeat
            if at + run > start and extent.raw:
                passed = max(0, start - at)
                first = passed // extent.raw
                needed = -(-(min(stop, at + run) - at) // extent.raw)
                yield extent, needed - first, passed % extent.raw
            at += run
            if at >= stop:
                return


def _lists(snapshot: Snapshot, entry: Entry) -> Iterator[tuple[Callable[[], tuple[Extent, ...]], int]]:
    """Yield (extents on request, bytes of content) of each extent list, or of the entry itself."""
    if not entry.extra.lists:
        yield (lambda: entry.extents), entry.size
    for ref in entry.extra.lists:
        yield partial(snapshot.extent_list, ref), ref.raw_sum
