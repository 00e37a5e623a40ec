"""Segments: a chunk's bytes as raw deflate (RFC 1951) that ends at a byte border and is not final.

Segments put one after the other, then `FINAL`, are one valid deflate stream, whatever encoder made each. So a segment
is made once and never changes; better encoders only write new ones, with another *encoder number*.
No segment leaves here without having been inflated again: libraries have had faults in exactly this flush
(zlib-ng #585, zlib #532).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, cast

from isal import isal_zlib

from holdfast.vault.errors import DamagedError

FINAL = b"\x03\x00"
"""An empty final block: ends a deflate stream that is at a byte border."""

_IsalError = cast(type[Exception], isal_zlib.error)  # the library's stub has the type wrong

STORED_BYTES_MAX = 65_535
INFLATED_BYTES_MAX = 4 * 1024 * 1024
_SAMPLE_BYTES = 4096
_SAMPLE_FROM_BYTES = 65_536
_SMALL_BYTES = 8_192


class Encoder(IntEnum):
    """The encoder that made a segment; recorded with each chunk in its pack's trailer."""

    STORED = 0
    """Stored blocks only: data that does not shrink."""
    ISAL_1 = 1
    ISAL_3 = 2
    ZLIB_9 = 3


LEVELS: dict[str, Encoder] = {"fast": Encoder.ISAL_1, "balanced": Encoder.ISAL_3, "small": Encoder.ZLIB_9}
_ISAL_LEVEL = {Encoder.ISAL_1: 1, Encoder.ISAL_3: 3}


def stored_blocks(data: bytes | memoryview) -> bytes:
    """Return `data` as non-final stored blocks: 5 bytes more for each 65,535."""
    parts: list[bytes | memoryview] = []
    for start in range(0, len(data), STORED_BYTES_MAX):
        piece = data[start : start + STORED_BYTES_MAX]
        size = len(piece)
        parts += (b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little"), piece)
    return b"".join(parts)


class _Deflater:
    """One compressor for many segments: a full flush ends a segment and forgets what was before it."""

    def __init__(self, encoder: Encoder) -> None:
        self._stream: Any = (
            zlib.compressobj(9, zlib.DEFLATED, -15)
            if encoder is Encoder.ZLIB_9
            else isal_zlib.compressobj(_ISAL_LEVEL[encoder], isal_zlib.DEFLATED, -15)
        )

    def deflate(self, data: bytes | memoryview) -> bytes:
        head: bytes = self._stream.compress(data)
        tail: bytes = self._stream.flush(zlib.Z_FULL_FLUSH)
        return head + tail if head else tail


class SegmentMaker:
    """Makes segments with one encoder. Not to be shared between threads."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._deflater = _Deflater(encoder)
        self._sampler = _Deflater(Encoder.ISAL_1)

    def make(self, data: bytes | memoryview, crc32: int) -> tuple[bytes, Encoder]:
        """Return the segment of a chunk and its encoder; it was read back and compared with `crc32`.

        Raises DamagedError when it does not read back: a fault of memory or of the compressing library.
        """
        segment, encoder = b"", self._encoder
        if len(data) < _SAMPLE_FROM_BYTES or self._shrinks(data):
            segment = self._deflater.deflate(data)
        if not segment or len(segment) >= len(data) + 5 * -(-len(data) // STORED_BYTES_MAX):
            segment, encoder = stored_blocks(data), Encoder.STORED
        check_segment(segment, len(data), crc32)
        return segment, encoder

    def _shrinks(self, data: bytes | memoryview) -> bool:
        """Return True if a sample of a larger chunk shrinks; saves most of the work on media and archives."""
        size = len(data)
        for at in (0, (size - _SAMPLE_BYTES) // 2, size - _SAMPLE_BYTES):
            if len(self._sampler.deflate(data[at : at + _SAMPLE_BYTES])) < _SAMPLE_BYTES * 31 // 32:
                return True
        return False


def inflate_segment(segment: bytes | memoryview, raw_max: int) -> bytes:
    """Inflate a segment of at most `raw_max` bytes. Raise DamagedError when it is longer or not valid."""
    inflater = isal_zlib.decompressobj(-15)
    try:
        # One byte of room more than needed, so that a segment that is too long is detected.
        data = inflater.decompress(segment, raw_max + 1)
    except _IsalError as error:
        raise DamagedError("A stored segment is not valid deflate.") from error
    if len(data) > raw_max or inflater.eof:
        raise DamagedError("A stored segment is longer than it should be.")
    return data


def inflate_file(stream: bytes | memoryview, size: int) -> bytes:
    """Inflate all segments of one file, back to back. DamagedError when they are not valid or give over `size` bytes.

    The caller compares length and CRC-32.
    """
    try:
        if size <= _SMALL_BYTES:
            data: bytes = isal_zlib.decompressobj(-15).decompress(stream, size + 1)
        else:
            data = isal_zlib.decompress(b"".join([stream, FINAL]), -15, size)
    except _IsalError as error:
        raise DamagedError("A stored segment is not valid deflate.") from error
    return data


class StreamInflater:
    """Inflates segments that come in buffers, giving out pieces of bounded size."""

    def __init__(self) -> None:
        self._inflater = isal_zlib.decompressobj(-15)

    def feed(self, buffer: bytes | memoryview) -> Iterator[bytes]:
        """Yield what the next buffer inflates to, in pieces of at most INFLATED_BYTES_MAX. Raises DamagedError."""
        try:
            data = self._inflater.decompress(buffer, INFLATED_BYTES_MAX)
            while data:
                yield data
                data = self._inflater.decompress(self._inflater.unconsumed_tail, INFLATED_BYTES_MAX)
        except _IsalError as error:
            raise DamagedError("A stored segment is not valid deflate.") from error
        if self._inflater.eof:
            raise DamagedError("A stored segment ends its stream.")


def check_segment(segment: bytes, raw: int, crc32: int) -> None:
    """Inflate a segment that we made; raise DamagedError when the length or CRC-32 of the result differs."""
    try:
        # Two ways to the same result: the one without a copy is a quarter faster for small segments, slower for large.
        if raw <= _SMALL_BYTES:
            data = isal_zlib.decompressobj(-15).decompress(segment, raw + 1)
        else:
            data = isal_zlib.decompress(segment + FINAL, -15, raw)
    except _IsalError as error:
        raise DamagedError("A stored segment is not valid deflate.") from error
    if len(data) != raw or isal_zlib.crc32(data) != crc32:
        raise DamagedError("A stored segment does not inflate to the bytes it was made of.")
