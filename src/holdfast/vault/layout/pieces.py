"""What a layout is made of: literal bytes, and the segments of chunks.

A *layout* (zip, tar.gz) is a function of a manifest alone. It is given out as *pieces* in order; `vault/reading.py`
turns pieces into bytes, reading the segments from the packs with read-ahead. A layout never sees a pack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from holdfast.vault.entry import Extent, ListRef
from holdfast.vault.manifest import Block


class BlockSums(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one block contributes to the lengths of the layouts. Bytes, but for the two counts."""

    entries: int
    zip_local: int
    """Local headers with contents."""
    zip_central: int
    """Central directory records, as if all local headers began below 4 GiB."""
    zip64_entries: int
    """Entries that have a zip64 extra field in their central record for their sizes already."""
    tar: int
    """Deflated bytes of the block's tar members (headers, contents, padding) inside the one gzip member."""


class BlockRef(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One block as the backup's listing names it."""

    chunk_id: bytes
    """The chunk (kind manifest) that holds the block."""
    digest: bytes
    """16 bytes over all that a customer can see of the block's entries (not inode, device, ctime)."""
    first_path: bytes
    sums: BlockSums


class ManifestView(Protocol):
    """An opened backup, as far as a layout needs it. Implemented by `vault.snapshot.Snapshot`."""

    @property
    def blocks(self) -> Sequence[BlockRef]:
        """All blocks, in order."""

    def block(self, number: int) -> Block:
        """Decode one block (a few are cached)."""

    def extent_list(self, ref: ListRef) -> tuple[Extent, ...]:
        """Decode one extent list of a big file."""


class SegmentPiece(msgspec.Struct, frozen=True, gc=False):
    """Bytes `skip` to `skip + take` of the segment (`stored` bytes long) of a chunk."""

    chunk_id: bytes
    stored: int
    skip: int
    take: int


Piece = bytes | SegmentPiece


def clip(pieces: Iterable[Piece], at: int, start: int, stop: int) -> Iterator[Piece]:
    """Of pieces that begin at byte `at` of a layout, the bytes from `start` to `stop`."""
    for piece in pieces:
        size = piece.take if isinstance(piece, SegmentPiece) else len(piece)
        if at >= stop:
            return
        if at + size > start:
            first, last = max(0, start - at), min(size, stop - at)
            if first == 0 and last == size:
                yield piece
            elif isinstance(piece, SegmentPiece):
                yield SegmentPiece(piece.chunk_id, piece.stored, piece.skip + first, last - first)
            else:
                yield piece[first:last]
        at += size


class Contents:
    """The segments of the files of one block, with its extents unpacked once."""

    def __init__(self, view: ManifestView, block: Block) -> None:
        self._view = view
        self._block = block
        self._ids = block.extents["id"].tobytes()
        self._stored: list[int] = block.extents["stored"].tolist()
        self._repeat: list[int] = block.extents["repeat"].tolist()
        self._ends = block.extent_ends
        self._counts: list[int] = block.extent_count.tolist()

    def of(self, i: int) -> Iterator[SegmentPiece]:
        """The segments of file `i`, repeats written out."""
        count = self._counts[i]
        if not count:
            for ref in self._block.extra(i).lists:
                for extent in self._view.extent_list(ref):
                    for _ in range(extent.repeat):
                        yield SegmentPiece(extent.chunk_id, extent.stored, 0, extent.stored)
            return
        end = self._ends[i]
        for k in range(end - count, end):
            piece = SegmentPiece(self._ids[32 * k : 32 * k + 32], self._stored[k], 0, self._stored[k])
            for _ in range(self._repeat[k]):
                yield piece
