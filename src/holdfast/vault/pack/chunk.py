"""Cutting content into chunks, and naming them.

Ordinary files: FastCDC (Xia et al., "The Design of Fast Content-Defined Chunking", IEEE TPDS 2020; library
pyfastcdc) with the vault's own gear seed, so that chunk lengths reveal nothing about known files to a reader of packs.
Page files (SQLite): fixed places, small, so that an update costs the pages it touched.
"""

from __future__ import annotations

from collections.abc import Iterator

from blake3 import blake3
from isal import isal_zlib
from pyfastcdc import FastCDC

CHUNK_BYTES_MIN = 64 * 1024
CHUNK_BYTES_AVERAGE = 256 * 1024
CHUNK_BYTES_MAX = 1024 * 1024
PAGE_CUT_BYTES = 8 * 1024
"""Size of the chunks of page files (docs/performance.md compares other sizes)."""

_SQLITE_MAGIC = b"SQLite format 3\x00"


def chunk_id(data: bytes | memoryview, key: bytes) -> bytes:
    """Return the 32-byte name of a chunk: BLAKE3 of its content keyed with the vault's key."""
    return blake3(data, key=key).digest()


def is_page_file(head: bytes | memoryview) -> bool:
    """Return True if a file that starts with `head` (16 bytes are enough) consists of pages that change in place."""
    return head[:16] == _SQLITE_MAGIC


class Chunker:
    """Content-defined cutting with one vault's seed. Not to be shared between threads."""

    def __init__(self, seed: int) -> None:
        self._cdc = FastCDC(
            CHUNK_BYTES_AVERAGE, min_size=CHUNK_BYTES_MIN, max_size=CHUNK_BYTES_MAX, normalized_chunking=1, seed=seed
        )

    def lengths(self, window: memoryview, *, is_end: bool) -> Iterator[int]:
        """Return the lengths of the chunks at the start of `window`.

        Unless `is_end`, chunks that could still change with more bytes behind them are left for the next window, so
        the cuts do not depend on how the file is read. A window of at least CHUNK_BYTES_MAX always gives one.
        """
        left = len(window)
        for piece in self._cdc.cut_buf(window):
            if not is_end and left < CHUNK_BYTES_MAX:
                return
            left -= piece.length
            yield piece.length


def page_lengths(size: int) -> Iterator[int]:
    """Return the lengths of the chunks of `size` bytes of a page file."""
    yield from (min(PAGE_CUT_BYTES, size - at) for at in range(0, size, PAGE_CUT_BYTES))


def crc_of_zeros(size: int, repeat: int) -> int:
    """Return the CRC-32 of `repeat` times `size` zero bytes, by doubling."""
    crc, length = isal_zlib.crc32(bytes(size)), size
    total = 0
    while repeat:
        if repeat & 1:
            total = isal_zlib.crc32_combine(total, crc, length)
        crc = isal_zlib.crc32_combine(crc, crc, length)
        length *= 2
        repeat >>= 1
    return total
