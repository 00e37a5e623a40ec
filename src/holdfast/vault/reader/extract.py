"""Extract: the contents of a backup's files as plain bytes, read in long runs and checked against their CRC-32.

Small files come whole, many to a read. Large ones (and those with holes) come in parts with their places, so that holes
need not be written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from holdfast.vault.errors import DamagedError
from holdfast.vault.layout.contents import Contents
from holdfast.vault.layout.pieces import Piece, SegmentPiece
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Entry, Extent, Extra, Kind
from holdfast.vault.pack.chunk import chunk_id, crc_of_zeros
from holdfast.vault.pack.segment import StreamInflater, inflate_file
from holdfast.vault.paths import shown
from holdfast.vault.reader.snapshot import Snapshot

SMALL_BYTES_MAX = 4 * 1024 * 1024
"""At most this many bytes has a file that comes whole."""


class Small:
    """A whole file: the block and number of its entry there, its number in the backup, its content."""

    __slots__ = ("at", "block", "data", "number")

    def __init__(self, number: int, block: Block, at: int, data: bytes) -> None:
        self.number = number
        self.block = block
        self.at = at
        self.data = data


class Large:
    """A file to be fetched with `large_parts`."""

    __slots__ = ("entry", "number")

    def __init__(self, number: int, entry: Entry) -> None:
        self.number = number
        self.entry = entry


class _Due:
    """A small file whose segments were asked for."""

    __slots__ = ("at", "block", "crc32", "inline", "number", "size", "stored")

    def __init__(self, number: int, block: Block, at: int, stored: int, size: int, crc32: int, inline: bytes) -> None:
        self.number = number
        self.block = block
        self.at = at
        self.stored = stored
        self.size = size
        self.crc32 = crc32
        self.inline = inline


_PART_PATH_BYTES = 16 * 1024 * 1024


def extract(
    snapshot: Snapshot, wanted: NDArray[np.bool_], on_block: Callable[[Block, int], None] = lambda block, base: None
) -> Iterator[Small | Large]:
    """Yield the wanted files of a backup, in its order. `wanted`: one flag per entry; only files are yielded.

    `on_block(block, number of its first entry)` is called before anything of a block is given. While this runs, the
    snapshot must be used for nothing else. Raises DamagedError, ChunkMissing, FormatError, StoreError.
    """
    blocks = _Blocks(snapshot, on_block)
    while not blocks.is_over:
        yield from _extracted(snapshot, wanted, blocks)


class _Blocks:
    """The blocks of a backup, with the number of the first entry of each, in parts."""

    def __init__(self, snapshot: Snapshot, on_block: Callable[[Block, int], None]) -> None:
        self._blocks = snapshot.all_blocks()
        self._on_block = on_block
        self._base = 0
        self.is_over = False

    def part(self) -> Iterator[tuple[Block, int]]:
        """Yield the next blocks; the part ends behind some MiB of paths, as blocks are held until its last file."""
        size = 0
        while size < _PART_PATH_BYTES:
            block = next(self._blocks, None)
            if block is None:
                self.is_over = True
                return
            size += len(block.path_bytes)
            self._on_block(block, self._base)
            yield block, self._base
            self._base += len(block)


def _extracted(snapshot: Snapshot, wanted: NDArray[np.bool_], blocks: _Blocks) -> Iterator[Small | Large]:
    due: deque[_Due | Large] = deque()
    stream = snapshot.reader.render(_pieces(snapshot, wanted, due, blocks))
    held = memoryview(b"")
    for buffer in stream:
        held = memoryview(b"".join([held, buffer])) if held else buffer
        while due:
            first = due[0]
            if isinstance(first, Large):
                due.popleft()
                yield first
                continue
            if first.stored > len(held):
                break
            due.popleft()
            yield _whole(snapshot, first, held[: first.stored])
            held = held[first.stored :]
    for last in due:
        if isinstance(last, Large):
            yield last
        elif last.stored:
            raise DamagedError(f"The file {shown(last.block.path(last.at))} is cut short in the store.")
        else:
            yield _whole(snapshot, last, held[:0])


def _pieces(
    snapshot: Snapshot, wanted: NDArray[np.bool_], due: deque[_Due | Large], blocks: _Blocks
) -> Iterator[Piece]:
    for block, base in blocks.part():
        rows = (wanted[base : base + len(block)] & (block.kind == Kind.FILE)).nonzero()[0].tolist()
        if rows:
            yield from _block_pieces(snapshot, block, base, rows, due)


def _block_pieces(
    snapshot: Snapshot, block: Block, base: int, rows: list[int], due: deque[_Due | Large]
) -> Iterator[Piece]:
    extras = block.extras()
    contents = Contents(snapshot, block, extras)
    sizes, stored, crcs = contents.size, contents.stored_sum, block.crc32.tolist()
    # A file without holes stores something for each of its bytes; a flag makes it certain.
    with_holes = _with_holes(block)
    for i in rows:
        size = sizes[i]
        if size > SMALL_BYTES_MAX or with_holes[i] or _has_lists(extras.get(i)):
            due.append(Large(base + i, block.entry(i)))
            continue
        inline = b"" if stored[i] else contents.inline(i)
        due.append(_Due(base + i, block, i, stored[i], size, crcs[i], inline))
        if stored[i]:
            simple = contents.simple[i]
            if simple is not None:
                yield simple
            else:
                yield from contents.segments(i, 0)


def _has_lists(extra: Extra | None) -> bool:
    return extra is not None and bool(extra.lists)


def _with_holes(block: Block) -> list[bool]:
    if not block.extents["flags"].any():
        return [False] * len(block)
    holes = np.concatenate([[0], (block.extents["flags"] != 0).cumsum()])
    ends = np.array(block.extent_ends, np.int64)
    flags: list[bool] = (holes[ends] > holes[ends - block.extent_count]).tolist()
    return flags


def _whole(snapshot: Snapshot, due: _Due, stream: memoryview) -> Small:
    data = inflate_file(stream, due.size) if due.stored else due.inline
    if len(data) != due.size or isal_zlib.crc32(data) != due.crc32:
        raise DamagedError(f"The file {shown(due.block.path(due.at))} does not match what was backed up.")
    return Small(due.number, due.block, due.at, data)


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some of a large file: `size` bytes from `offset` on, still deflated (whole segments)."""

    offset: int
    stream: memoryview
    size: int

    def write(self, write_at: Callable[[int, bytes], None]) -> tuple[int, int, int]:
        """Inflate it and pass it to `write_at(offset, bytes)`; return (offset, size, CRC-32) for `check_whole`.

        For any thread. Raises DamagedError when there are not `size` bytes.
        """
        crc, at = 0, self.offset
        for data in self._inflated():
            crc = isal_zlib.crc32(data, crc)
            write_at(at, data)
            at += len(data)
        return self.offset, self.size, crc

    def _inflated(self) -> Iterator[bytes]:
        if self.size <= SMALL_BYTES_MAX:
            pieces: Iterable[bytes] = [inflate_file(self.stream, self.size)]
        else:
            pieces = StreamInflater().feed(self.stream)
        left = self.size
        for data in pieces:
            left -= len(data)
            yield data
        if left:
            raise DamagedError("A stored segment has another length than its file states.")


def large_parts(snapshot: Snapshot, entry: Entry) -> Iterator[FilePart]:
    """Yield the content of a file with chunks, part by part in order, holes left out.

    The caller inflates, and compares the whole (`check_whole`). While this runs, the snapshot must be used for nothing
    else. Raises as `extract`.
    """
    at = 0
    for extents in _runs(snapshot, entry):
        if extents[0].is_hole:
            at += sum(e.raw * e.repeat for e in extents)
            continue
        lengths = ((e.stored, e.raw) for e in extents for _ in range(e.repeat))
        for buffer in snapshot.reader.render(_segments(extents)):
            stored = raw = 0
            while stored < len(buffer):  # a buffer holds whole segments
                one_stored, one_raw = next(lengths)
                stored += one_stored
                raw += one_raw
            yield FilePart(at, buffer, raw)
            at += raw
    if at != entry.size:
        raise DamagedError(f"The file {shown(entry.path)} has another length in the store.")


def check_whole(entry: Entry, parts: Iterable[tuple[int, int, int]]) -> None:
    """Compare a large file with its CRC-32. `parts`: (offset, size, CRC-32) of each part in order. DamagedError."""
    at, crc = 0, 0
    for offset, size, part_crc in [*parts, (entry.size, 0, 0)]:
        if offset > at:
            crc = isal_zlib.crc32_combine(crc, crc_of_zeros(1, offset - at), offset - at)
        crc = isal_zlib.crc32_combine(crc, part_crc, size)
        at = offset + size
    if at != entry.size or crc != entry.crc32:
        raise DamagedError(f"The file {shown(entry.path)} does not match what was backed up.")


def _runs(snapshot: Snapshot, entry: Entry) -> Iterator[list[Extent]]:
    """Yield the extents in order, in lists of only holes or only data."""
    for extents in _lists(snapshot, entry):
        run: list[Extent] = []
        for extent in extents:
            if run and run[-1].is_hole != extent.is_hole:
                yield run
                run = []
            run.append(extent)
        if run:
            yield run


def _lists(snapshot: Snapshot, entry: Entry) -> Iterator[Iterable[Extent]]:
    if not entry.extra.lists:
        yield entry.extents
    for ref in entry.extra.lists:
        yield snapshot.extent_list(ref)


def _segments(extents: list[Extent]) -> Iterator[SegmentPiece]:
    for extent in extents:
        piece = SegmentPiece(extent.chunk_id, extent.stored, 0, extent.stored)
        for _ in range(extent.repeat):
            yield piece


def same_content(snapshot: Snapshot, entry: Entry, id_key: bytes, read_into: Callable[[memoryview, int], int]) -> bool:
    """Return True if a file has the content of an entry of the same size; compared by the ids of its chunks.

    `read_into(buffer, offset)` fills a buffer and returns how many bytes there were.
    """
    if entry.extra.inline is not None or not entry.size:
        data = bytearray(entry.size)
        return read_into(memoryview(data), 0) == entry.size and bytes(data) == (entry.extra.inline or b"")
    at = 0
    buffer = memoryview(bytearray(1024 * 1024))
    for extents in _lists(snapshot, entry):
        for extent in extents:
            for _ in range(extent.repeat):
                part = buffer[: extent.raw]
                if read_into(part, at) != extent.raw or chunk_id(part, id_key) != extent.chunk_id:
                    return False
                at += extent.raw
    return at == entry.size


def is_given_back(snapshot: Snapshot, entry: Entry, id_key: bytes, read_into: Callable[[memoryview, int], int]) -> bool:
    """As `same_content`, and the CRC-32 must match too: both checks of the manifest."""
    crc = 0

    def read(buffer: memoryview, offset: int) -> int:
        nonlocal crc
        count = read_into(buffer, offset)
        crc = isal_zlib.crc32(buffer[:count], crc)
        return count

    return same_content(snapshot, entry, id_key, read) and crc == entry.crc32
