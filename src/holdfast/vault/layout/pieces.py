"""What a layout is made of: literal bytes, and the segments of chunks.

A *layout* (zip, tar.gz) is a function of a manifest alone. It is given out as *pieces* in order;
`vault/reader/records.py` turns pieces into bytes, reading the segments from the packs with read-ahead. A layout never
sees a pack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Extent, ListRef


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
    """An opened backup, as far as a layout needs it. Implemented by `vault.reader.snapshot.Snapshot`."""

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
