"""The tar.gz layout: one gzip member (RFC 1952) that holds a pax archive, with everything that a zip cannot hold.

Hard links, owners, nanoseconds, extended attributes, names byte for byte. The deflate stream is, member after member,
its header (`tar_deflate`), the segments of its content, its padding; then two blocks of zeros and the end.

The CRC-32 of the whole tar is summed up on the way. A range that begins in the middle and reaches the end takes what
came before from the manifest: headers are made again, contents only joined in by their CRC-32.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import accumulate

import numpy as np
from isal.isal_zlib import crc32, crc32_combine
from numpy.typing import NDArray

from holdfast.vault.errors import FormatError
from holdfast.vault.layout.contents import LITERAL_BYTES_MAX, Contents, blocks_from, limit
from holdfast.vault.layout.pieces import ManifestView, Piece
from holdfast.vault.layout.tar_deflate import (
    FIXED_BITS,
    FRONT_BITS_BY_PADDING,
    LITERALS,
    NAME_BITS_BY_LENGTH,
    SYNC_BYTES,
    ZEROS_BYTES,
    member_segment,
    pax_segment,
    pax_segment_length,
    zeros,
)
from holdfast.vault.layout.tar_header import BLOCK_BYTES, FIELDS_BYTES, TarHeaders, TarLengths
from holdfast.vault.manifest.block import Block
from holdfast.vault.pack.segment import FINAL, STORED_BYTES_MAX, stored_blocks

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no flags, no time, no level, system unknown."""
_END_ZEROS = 2 * BLOCK_BYTES
_END = zeros(_END_ZEROS) + FINAL
_TRAILER = struct.Struct("<LL")
_FRONT_BITS = np.array(FRONT_BITS_BY_PADDING)
_NAME_BITS = np.array(NAME_BITS_BY_LENGTH)
_ZEROS_BYTES = np.array(ZEROS_BYTES)
_ZEROS = [zeros(n) for n in range(BLOCK_BYTES)]
_PADDINGS = [bytes(n) for n in range(BLOCK_BYTES)]


def _member_bytes(block: Block, lengths: TarLengths) -> NDArray[np.int64]:
    """Return the deflated bytes of each member of a block."""
    bits = _FRONT_BITS[-lengths.records_length % BLOCK_BYTES] + FIXED_BITS
    bits += _NAME_BITS[lengths.name_length] + _NAME_BITS[lengths.link_length]
    sizes: NDArray[np.int64] = (bits + 7) // 8 + SYNC_BYTES
    for length in np.unique(lengths.records_length).tolist():
        sizes[lengths.records_length == length] += pax_segment_length(length)
    content = lengths.content
    stored = content + 5 * (-(-content // STORED_BYTES_MAX))
    sizes += np.where(block.stored_sum > 0, block.stored_sum.astype(np.int64), stored) * (content > 0)
    sizes += _ZEROS_BYTES[-content % BLOCK_BYTES]
    return sizes


def measure_tar(block: Block) -> int:
    """Return the deflated bytes of the members of a block, `BlockSums.tar`."""
    return int(_member_bytes(block, TarLengths(block, block.extras())).sum())


def total_bytes(view: ManifestView) -> int:
    """Return the length of the whole tar.gz."""
    return _Plan(view).total


def pieces(view: ManifestView, start: int, stop: int) -> Iterator[Piece]:
    """Yield bytes `start` to `stop` of the tar.gz. Raises FormatError, and what `view` raises."""
    plan = _Plan(view)
    if not 0 <= start <= stop <= plan.total:
        raise ValueError(f"bytes {start} to {stop} of a tar.gz of {plan.total}")
    total = _Sum() if stop > plan.trailer_start else None
    rest = _pieces_from(view, plan, start, total)
    return rest if stop == plan.total else limit(rest, stop - start)


class _Plan:
    """The starts of all parts."""

    def __init__(self, view: ManifestView) -> None:
        self.starts = list(accumulate((ref.sums.tar for ref in view.blocks), initial=len(GZIP_HEADER)))
        """The start of each block's members, and the end of the last."""
        self.end_start = self.starts[-1]
        self.trailer_start = self.end_start + len(_END)
        self.total = self.trailer_start + _TRAILER.size


class _Sum:
    """CRC-32 and length of the tar from some member on."""

    def __init__(self) -> None:
        self.crc = 0
        self.size = 0
        self.first: tuple[int, int] | None = None
        """Block and entry of the first member in it."""

    def add_block(self, headers: TarHeaders, number: int, first: int) -> None:
        """Record that a block's members from `first` on are in it."""
        if self.first is None:
            self.first = (number, first)
        self.size += int(headers.raw_lengths()[first:].sum())

    def append(self, crc: int, size: int) -> None:
        """Add bytes by their CRC-32."""
        self.crc = crc32_combine(self.crc, crc, size)
        self.size += size


def _pieces_from(view: ManifestView, plan: _Plan, start: int, total: _Sum | None) -> Iterator[Piece]:
    """Yield all bytes of the tar.gz from `start` on; without the trailer when `total` is None."""
    if start < len(GZIP_HEADER):
        yield GZIP_HEADER[start:]
    for number, skip in blocks_from(plan.starts, max(start, len(GZIP_HEADER))):
        yield from _member_pieces(view, number, plan, skip, total)
    if start < plan.trailer_start:
        yield _END[max(0, start - plan.end_start) :]
    if total is not None and start < plan.total:
        whole = _sum_before(view, total.first)
        whole.append(total.crc, total.size)
        whole.append(crc32(bytes(_END_ZEROS)), _END_ZEROS)
        trailer = _TRAILER.pack(whole.crc, whole.size & 0xFFFF_FFFF)
        yield trailer[max(0, start - plan.trailer_start) :]


def _sum_before(view: ManifestView, until: tuple[int, int] | None) -> _Sum:
    """Return CRC-32 and length of all members before the given block and entry (of all without one)."""
    blocks = range(len(view.blocks))
    last, entries = until if until is not None else (len(blocks), 0)
    total = _Sum()
    for number in blocks[: last + 1]:
        if number == last and not entries:
            break
        block = view.block(number)
        headers = TarHeaders(block, block.extras())
        stop = entries if number == last else len(block)
        crc, crcs, contents = total.crc, block.crc32.tolist(), headers.content.tolist()
        for i in range(stop):
            crc = _add_member(crc, headers.raw(i), contents[i], crcs[i])
        total.crc = crc
        total.size += int(headers.raw_lengths()[:stop].sum())
    return total


def _add_member(crc: int, raw: bytes, content: int, content_crc: int) -> int:
    """Add one more member to the CRC-32 of a tar."""
    crc = crc32(raw, crc)
    if content:
        crc = crc32(_PADDINGS[-content % BLOCK_BYTES], crc32_combine(crc, content_crc, content))
    return crc


def _member_pieces(view: ManifestView, number: int, plan: _Plan, skip: int, total: _Sum | None) -> Iterator[Piece]:
    """Yield the members of one block from byte `skip` on; `total` gets all members of which a byte is given."""
    # `ends` has the end of each member within the block's bytes: the first one that ends behind `skip` is the one to
    # begin in, and `skip` becomes a position in it. It alone is cut; all others are given whole. Heads, paddings and
    # inline contents are held back and joined, as a piece for each would cost more than the bytes: they go out before
    # a segment, or when they are long enough. A file's padding is joined with the next member's head.
    block = view.block(number)
    extras = block.extras()
    headers = TarHeaders(block, extras)
    sizes = _member_bytes(block, headers)
    ends = np.cumsum(sizes)
    if int(ends[-1]) != plan.starts[number + 1] - plan.starts[number]:
        raise FormatError("A manifest block has another length than the backup's list of blocks states.")
    contents = Contents(view, block, extras)
    first = int(np.searchsorted(ends, skip, side="right"))
    skip -= int(ends[first] - sizes[first])
    if total is not None:
        total.add_block(headers, number, first)
    fields = headers.fields.translate(LITERALS)
    names, links = headers.names, headers.links
    held: list[bytes] = []
    held_bytes = 0
    columns = zip(
        headers.records[first:],
        headers.content.tolist()[first:],
        contents.stored_sum[first:],
        contents.simple[first:],
        block.crc32.tolist()[first:],
        strict=True,
    )
    for i, (records, content, stored_sum, simple, crc) in enumerate(columns, first):
        if total is not None:
            total.crc = _add_member(total.crc, headers.raw(i), content, crc)
        at = FIELDS_BYTES * i
        head = member_segment(-len(records) % BLOCK_BYTES, names[i], fields[at : at + FIELDS_BYTES], links.get(i, b""))
        if records:
            head = pax_segment(records) + head
        padding = _ZEROS[-content % BLOCK_BYTES]
        if skip:
            yield from _member_from(contents, head, padding, i, content, skip)
            skip = 0
            continue
        held.append(head)
        if content and stored_sum:
            yield b"".join(held)
            if simple is not None:
                yield simple
            else:
                yield from contents.segments(i, 0)
            held, held_bytes = [padding] if padding else [], 0
            continue
        if content:
            held += (stored_blocks(contents.inline(i)), padding)
        held_bytes += len(head) + content
        if held_bytes > LITERAL_BYTES_MAX:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held:
        yield b"".join(held)


def _member_from(contents: Contents, head: bytes, padding: bytes, i: int, content: int, skip: int) -> Iterator[Piece]:
    """Yield member `i` from its byte `skip` on."""
    if not content or not contents.is_deflated(i):
        data = stored_blocks(contents.inline(i)) if content else b""
        yield (head + data + padding)[skip:]
        return
    if skip < len(head):
        yield head[skip:]
    skip = max(0, skip - len(head))
    yield from contents.segments(i, skip)
    rest = padding[max(0, skip - contents.stored_sum[i]) :]
    if rest:
        yield rest
