"""A manifest block as its backup lists it: its digest, and the lengths that it has in the layouts."""

from __future__ import annotations

from blake3 import blake3

from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.listing import BlockRef, BlockSums


def block_digest(block: Block) -> bytes:
    """Return 16 bytes over everything that a customer can see of a block: all but ctime, inode and device."""
    hasher = blake3(derive_key_context="holdfast 1 block digest")
    for column in (
        block.kind,
        block.mode,
        block.uid,
        block.gid,
        block.mtime_ns,
        block.size,
        block.crc32,
        block.stored_sum,
        block.extent_count,
        block.path_length,
        block.extra_length,
        block.extents,
    ):
        hasher.update(column.tobytes())
    hasher.update(block.path_bytes)
    hasher.update(block.extra_bytes)
    return hasher.digest(16)


def ref_of(block: Block, cid: bytes) -> BlockRef:
    """Return the reference by which the backup's list names a block."""
    local, central, zip64 = zip_layout.measure(block)
    return BlockRef(
        cid, block_digest(block), block.path(0), BlockSums(len(block), local, central, zip64, targz.measure_tar(block))
    )
