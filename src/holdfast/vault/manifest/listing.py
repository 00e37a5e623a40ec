"""Manifest blocks in a backup's list of blocks: their names, measures and sums."""

from __future__ import annotations

import msgspec


class BlockSums(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The contribution of one block to the lengths of the layouts. Bytes, except for the two counts."""

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
