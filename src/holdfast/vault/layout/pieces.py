"""The pieces of a layout: literal bytes, and the segments of chunks.

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
from holdfast.vault.manifest.listing import BlockRef


class ManifestView(Protocol):
    """An opened backup, as far as a layout needs it. Implemented by `vault.reader.snapshot.Snapshot`."""

    @property
    def zip_layout(self) -> int:
        """The version of its zip's layout."""

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
