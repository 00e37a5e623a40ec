"""A snapshot: one backup opened for reading, decoded only as far as needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from holdfast.vault.errors import FormatError
from holdfast.vault.manifest.block import Block, decode_block, decode_list
from holdfast.vault.manifest.entry import Entry, Extent, ListRef
from holdfast.vault.manifest.listing import BlockRef
from holdfast.vault.manifest.root import Root, decode_listing
from holdfast.vault.pack.seal import SealKind
from holdfast.vault.pack.segment import inflate_segment
from holdfast.vault.reader.records import RecordReader

BLOCKS_CACHED = 4
MANIFEST_CHUNK_BYTES_MAX = 16 * 1024 * 1024
"""At most this many bytes has a valid manifest chunk; a damaged length must not allocate all memory."""


class Snapshot:
    """Satisfies `layout.pieces.ManifestView`. Not to be shared between threads; `close` it."""

    def __init__(self, root: Root, reader: RecordReader, view: Callable[[Block], Block] = lambda block: block) -> None:
        """`view` changes each block as it is read, as `unprivileged` does."""
        self._view = view
        self.root = root
        self.reader = reader
        self._cache: OrderedDict[int, Block] = OrderedDict()

    @property
    def zip_layout(self) -> int:
        """The version of the layout of the backup's zip."""
        return self.root.zip_layout

    def close(self) -> None:
        """Release the open packs."""
        self.reader.close()

    def chunks(self, ids: Sequence[bytes]) -> Iterator[bytes]:
        """Yield the contents of manifest chunks, in order. Raises ChunkMissing, DamagedError."""
        for segment in self.reader.segments(SealKind.MANIFEST, list(ids)):
            yield inflate_segment(segment, MANIFEST_CHUNK_BYTES_MAX)

    @cached_property
    def blocks(self) -> Sequence[BlockRef]:
        """Return all blocks of the backup, in order."""
        return [ref for part in self.chunks(self.root.listing) for ref in decode_listing(part)]

    def block(self, number: int) -> Block:
        """Decode one block."""
        block = self._cache.get(number)
        if block is None:
            block = self._checked(number, next(self.chunks([self.blocks[number].chunk_id])))
            self._cache[number] = block
            if len(self._cache) > BLOCKS_CACHED:
                self._cache.popitem(last=False)
        return block

    def _checked(self, number: int, data: bytes) -> Block:
        block = decode_block(data)
        if len(block) != self.blocks[number].sums.entries:
            raise FormatError("A manifest block has another number of entries than the backup's list states.")
        return self._view(block)

    def all_blocks(self) -> Iterator[Block]:
        """Yield all blocks in order, read in long runs and not cached."""
        for number, data in enumerate(self.chunks([ref.chunk_id for ref in self.blocks])):
            yield self._checked(number, data)

    def decoded(self, ids: Sequence[bytes]) -> Iterator[Block]:
        """Yield blocks by the ids of their chunks, read in long runs and not cached."""
        return (decode_block(data) for data in self.chunks(ids))

    def extent_lists(self, ids: Sequence[bytes]) -> Iterator[tuple[Extent, ...]]:
        """Yield extent lists by the ids of their chunks, read in long runs."""
        return (decode_list(data) for data in self.chunks(ids))

    def extent_list(self, ref: ListRef) -> tuple[Extent, ...]:
        """Decode one extent list of a big file."""
        return decode_list(next(self.chunks([ref.chunk_id])))

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, in order."""
        for block in self.all_blocks():
            yield from block.entries()

    def content(self, entry: Entry) -> Iterator[bytes]:
        """Yield the content of a file entry, chunk by chunk, inflated and checked against its lengths."""
        if entry.extra.inline is not None:
            yield entry.extra.inline
            return
        lists = [self.extent_list(ref) for ref in entry.extra.lists] or [entry.extents]
        for extents in lists:
            segments = self.reader.segments(SealKind.DATA, [e.chunk_id for e in extents])
            for extent, segment in zip(extents, segments, strict=True):
                data = inflate_segment(segment, extent.raw)
                for _ in range(extent.repeat):
                    yield data
