"""The zip layout: local headers with contents, entry after entry; the central directory; the end records.

Byte 0 is the first local header, there are no gaps, and contents are never shared between entries (hard links stand
as files of their own). docs/layouts.md has every byte; the records are `zip_records`.

The layout has versions, which differ in bytes but not in lengths; the view of a backup says which one is its own.

Any range can be had: sums over the blocks find the block, sums over its entries the entry. Never more than one block's
headers are held, as the central directory is made from the blocks once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from holdfast.vault.errors import FormatError
from holdfast.vault.layout.contents import LITERAL_BYTES_MAX, Contents, blocks_from, limit
from holdfast.vault.layout.pieces import ManifestView, Piece
from holdfast.vault.layout.zip_records import (
    LIMIT_32,
    ZIP64_JOINED_OFFSET_BYTES,
    ZIP64_OFFSET_BYTES,
    ZipHeaders,
    ZipSizes,
    end_records,
)
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.listing import BlockRef
from holdfast.vault.pack.segment import FINAL


def measure(block: Block) -> tuple[int, int, int]:
    """Return (`zip_local`, `zip_central`, `zip64_entries`) of a block, as defined by `BlockSums`."""
    sizes = ZipSizes(block)
    return int(sizes.local.sum()), int(sizes.central.sum()), int(sizes.is_zip64.sum())


def total_bytes(view: ManifestView) -> int:
    """Return the length of the whole zip."""
    return _Plan(view).total


def pieces(view: ManifestView, start: int, stop: int) -> Iterator[Piece]:
    """Yield bytes `start` to `stop` of the zip. Raises FormatError, and what `view` raises."""
    plan = _Plan(view)
    if not 0 <= start <= stop <= plan.total:
        raise ValueError(f"bytes {start} to {stop} of a zip of {plan.total}")
    rest = _pieces_from(view, plan, start)
    return rest if stop == plan.total else limit(rest, stop - start)


class _Plan:
    """The start of every block's part: in the local headers, and in the central directory."""

    def __init__(self, view: ManifestView) -> None:
        refs = view.blocks
        self.local_starts = [0, *accumulate(ref.sums.zip_local for ref in refs)]
        """The start of each block, and the end of the last."""
        self.central_start = self.local_starts[-1]
        self.central_starts = [self.central_start]
        for number, ref in enumerate(refs):
            self.central_starts.append(self.central_starts[-1] + self._central_bytes(view, number, ref))
        entries = sum(ref.sums.entries for ref in refs)
        self.end = end_records(entries, self.central_starts[-1] - self.central_start, self.central_start)
        self.total = self.central_starts[-1] + len(self.end)

    def _central_bytes(self, view: ManifestView, number: int, ref: BlockRef) -> int:
        sums, start, stop = ref.sums, self.local_starts[number], self.local_starts[number + 1]
        if stop <= LIMIT_32:
            return sums.zip_central
        if start >= LIMIT_32:
            joined = sums.zip64_entries
            far = joined * ZIP64_JOINED_OFFSET_BYTES + (sums.entries - joined) * ZIP64_OFFSET_BYTES
            return sums.zip_central + far
        block = view.block(number)  # the one block in which the zip passes 4 GiB
        headers = ZipHeaders(block, block.extras(), start, view.zip_layout)
        return sums.zip_central + int(headers.far_bytes().sum())


def _pieces_from(view: ManifestView, plan: _Plan, start: int) -> Iterator[Piece]:
    """Yield all bytes of the zip from `start` on."""
    for number, skip in blocks_from(plan.local_starts, start):
        yield from _local_pieces(view, number, plan, skip)
    for number, skip in blocks_from(plan.central_starts, max(start, plan.central_start)):
        block = view.block(number)
        records = ZipHeaders(block, block.extras(), plan.local_starts[number], view.zip_layout).central_records()
        data = b"".join(records)
        if len(data) != plan.central_starts[number + 1] - plan.central_starts[number]:
            raise FormatError("A manifest block has another length than the backup's list of blocks states.")
        yield data[skip:]
    if start < plan.total:
        yield plan.end[max(0, start - plan.central_starts[-1]) :]


def _local_pieces(view: ManifestView, number: int, plan: _Plan, skip: int) -> Iterator[Piece]:
    """Yield the local headers and contents of one block, from its byte `skip` on."""
    # `headers.ends` has the end of each entry within the block's bytes: the first one that ends behind `skip` is the
    # one to begin in, and it alone is cut. Heads and inline contents are held back and joined, as a piece for each
    # would cost more than the bytes: they go out before a segment, or when they are long enough. The two bytes that end
    # a deflate stream are joined with the next entry's head.
    block = view.block(number)
    extras = block.extras()
    headers = ZipHeaders(block, extras, plan.local_starts[number], view.zip_layout)
    if int(headers.ends[-1]) != plan.local_starts[number + 1] - plan.local_starts[number]:
        raise FormatError("A manifest block has another length than the backup's list of blocks states.")
    contents = Contents(view, block, extras)
    targets = headers.targets
    heads = headers.local_headers()
    first = int(np.searchsorted(headers.ends, skip, side="right"))
    held: list[bytes] = []
    held_bytes = 0
    if skip:
        skip -= int(headers.ends[first] - headers.local[first])
        yield from _entry_from(contents, targets, heads[first], first, skip)
        first += 1
    columns = zip(
        heads[first:], contents.stored_sum[first:], contents.size[first:], contents.simple[first:], strict=True
    )
    for i, (head, stored_sum, size, simple) in enumerate(columns, first):
        held.append(head)
        if stored_sum:
            yield b"".join(held)
            if simple is not None:
                yield simple
            else:
                yield from contents.segments(i, 0)
            held, held_bytes = [FINAL], 0
            continue
        if i in targets:
            held.append(targets[i])
        elif size:
            held.append(contents.inline(i))
        held_bytes += len(head) + len(held[-1])
        if held_bytes > LITERAL_BYTES_MAX:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held:
        yield b"".join(held)


def _entry_from(contents: Contents, targets: dict[int, bytes], head: bytes, i: int, skip: int) -> Iterator[Piece]:
    """Yield entry `i` from byte `skip` of its local header and content on."""
    if contents.is_deflated(i):
        if skip < len(head):
            yield head[skip:]
        skip = max(0, skip - len(head))
        yield from contents.segments(i, skip)
        yield FINAL[max(0, skip - contents.stored_sum[i]) :]
    else:
        yield (head + (targets[i] if i in targets else contents.inline(i)))[skip:]
