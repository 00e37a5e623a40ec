"""The common part of the layouts: an entry's content as pieces, and cutting pieces at the end of a byte range."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from holdfast.vault.errors import FormatError
from holdfast.vault.layout.pieces import ManifestView, Piece, SegmentPiece
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Extra

LITERAL_BYTES_MAX = 64 * 1024
"""At most about this many bytes of literal pieces are joined into one."""


class Contents:
    """The contents of one block's files, as columns of plain Python values (numpy's are slow one at a time)."""

    def __init__(self, view: ManifestView, block: Block, extras: dict[int, Extra]) -> None:
        self._view = view
        self._extras = extras
        self.size: list[int] = block.size.tolist()
        self.stored_sum: list[int] = block.stored_sum.tolist()
        self._end = block.extent_ends
        self._count: list[int] = block.extent_count.tolist()
        self._ids: list[bytes] = block.extents["id"].tolist()
        self._stored: list[int] = block.extents["stored"].tolist()
        self._repeat: list[int] = block.extents["repeat"].tolist()
        self.simple: list[SegmentPiece | None] = [None] * len(block)
        """The content of each file whose content is one segment, once: the case of nearly every file."""
        # Of entries with one extent, `last` is its position. It is the whole content if it stands once and has as many
        # stored bytes as the entry promises; any other goes the long way, which finds what does not add up.
        last = np.cumsum(block.extent_count, dtype=np.int64) - 1
        at = (block.extent_count == 1).nonzero()[0]
        at = at[(block.extents["repeat"][last[at]] == 1) & (block.extents["stored"][last[at]] == block.stored_sum[at])]
        for i, e, stored in zip(at.tolist(), last[at].tolist(), block.stored_sum[at].tolist(), strict=True):
            self.simple[i] = SegmentPiece(self._ids[e], stored, 0, stored)

    def is_deflated(self, i: int) -> bool:
        """Return True if entry `i` is a file whose content is segments."""
        return self.stored_sum[i] > 0

    def inline(self, i: int) -> bytes:
        """Return the content of file `i`, which has no segments. Raise FormatError when it is missing."""
        extra = self._extras.get(i)
        content = extra.inline if extra is not None else None
        if len(content or b"") != self.size[i]:
            raise FormatError("A manifest block has a file whose content and size do not fit together.")
        return content or b""

    def segments(self, i: int, skip: int) -> Iterator[SegmentPiece]:
        """Yield the segments of file `i` from their byte `skip` on. Raise FormatError if the lengths do not add up."""
        left = self.stored_sum[i]
        for chunk_id, stored, repeat in self._runs(i, skip):
            run = stored * repeat
            left -= run
            if skip >= run or not stored:
                skip -= min(skip, run)
                continue
            passed, part = divmod(skip, stored)
            skip = 0
            if part:
                yield SegmentPiece(chunk_id, stored, part, stored - part)
                passed += 1
            whole = SegmentPiece(chunk_id, stored, 0, stored)
            for _ in range(repeat - passed):
                yield whole
        if left:
            raise FormatError("A manifest block has a file whose extents do not add up.")

    def _runs(self, i: int, skip: int) -> Iterator[tuple[bytes, int, int]]:
        """Yield (chunk id, stored length, repeat) of each extent; a list that `skip` passes over comes as one run."""
        extra = self._extras.get(i)
        if extra is None or not extra.lists:
            for e in range(self._end[i] - self._count[i], self._end[i]):
                yield self._ids[e], self._stored[e], self._repeat[e]
            return
        for ref in extra.lists:
            if skip >= ref.stored_sum:
                skip -= ref.stored_sum
                yield ref.chunk_id, ref.stored_sum, 1
                continue
            skip = 0
            extents = self._view.extent_list(ref)
            if sum(e.stored * e.repeat for e in extents) != ref.stored_sum:
                raise FormatError("An extent list does not add up to the length that its file has.")
            for extent in extents:
                yield extent.chunk_id, extent.stored, extent.repeat


def target_of(extra: Extra | None) -> bytes:
    """Return the target of a symbolic link. Raise FormatError when its extra has none."""
    if extra is None or not extra.target:
        raise FormatError("A manifest block has a symbolic link without a target.")
    return extra.target


def blocks_from(starts: Sequence[int], start: int) -> Iterator[tuple[int, int]]:
    """Yield (number, bytes of it to skip) of each block that ends after byte `start`.

    `starts`: the start of each block, and the end of the last one.
    """
    for number in range(bisect_right(starts, start) - 1, len(starts) - 1):
        yield number, max(0, start - starts[number])


def limit(pieces: Iterable[Piece], length: int) -> Iterator[Piece]:
    """Yield the first `length` bytes of `pieces`. Raise FormatError when there are fewer."""
    if length <= 0:
        return
    for piece in pieces:
        size = len(piece) if isinstance(piece, bytes) else piece.take
        if size < length:
            yield piece
            length -= size
            continue
        if size == length:
            yield piece
        elif isinstance(piece, bytes):
            yield piece[:length]
        else:
            yield SegmentPiece(piece.chunk_id, piece.stored, piece.skip, length)
        return
    raise FormatError("A backup's list of blocks states more bytes than its blocks have.")
