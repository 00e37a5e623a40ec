"""Reading a compressed stream in bounded memory: gzip, xz, bzip2, zstd, or nothing at all.

A stream may be several compressed ones, one after the other, with zeros between and behind them, as gzip, xz and tar's
blocking factor leave them. One that ends in the middle is an error, never an end.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from holdfast.sources.archive.errors import ArchiveRefused, damaged

READ_BYTES = 64 * 1024
XZ_MEMORY_BYTES_MAX = 256 * 1024 * 1024
"""`xz -9` needs 65 MiB to unpack; more is asked for by `--lzma2=dict=...` only."""

ZSTD_WINDOW_LOG_MAX = 27
"""128 MiB, what `zstd` itself unpacks without being told `--long=31`."""


class Decompressor(Protocol):
    """The interface that bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Deflate:
    """zlib behind the same interface. `wbits` as zlib's: 31 for gzip, -15 for raw deflate."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)
        self._tail = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._inner.decompress(self._tail + data, max(0, max_length))
        self._tail = self._inner.unconsumed_tail
        self.needs_input = not self._tail and (max_length < 0 or len(out) < max_length)
        return out


EMPTY_STREAMS_MAX = 1000
"""At most this many streams without content, one after the other: each costs time and none brings anything."""

ERRORS = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, zstd.ZstdError)
"""Errors that the decompressors raise for damaged data (bz2: OSError and ValueError)."""


def open_zstd() -> Decompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX})


_MAKERS: dict[bytes, tuple[str, Callable[[], Decompressor]]] = {
    b"\x1f\x8b": ("gzip", lambda: Deflate(31)),
    b"\xfd7zXZ\x00": ("xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY_BYTES_MAX)),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
    b"\x28\xb5\x2f\xfd": ("zstd", open_zstd),
}


def compression_of(start: bytes) -> tuple[str, Callable[[], Decompressor]] | None:
    """Name and decompressor of a stream that begins with `start`; None when it is not compressed."""
    return next((maker for magic, maker in _MAKERS.items() if start.startswith(magic)), None)


class Stream:
    """The inflated bytes of a file, front to back; no more of them than were allowed."""

    def __init__(self, file: BinaryIO, bytes_max: int) -> None:
        """`bytes_max`: bytes allowed from the start; `allow` adds to them."""
        self._file = file
        self._left = bytes_max
        found = compression_of(file.read(8))
        file.seek(0)
        self._name = found[0] if found else ""
        self._make: Callable[[], Decompressor] | None = found[1] if found else None
        self._inner = self._make() if self._make else None

    def allow(self, size: int) -> None:
        """Allow further bytes."""
        self._left += size

    def read(self, size: int) -> bytes:
        """At least one and at most `size` bytes; none at the end. Raises ArchiveRefused, OSError of the file."""
        data = self._file.read(size) if self._inner is None else self._inflated(self._inner, size)
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveRefused("The tar has far more headers and padding than its members need; make it again.")
        return data

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes. Raises ArchiveRefused when there are fewer."""
        parts = []
        while size:
            data = self.read(size)
            if not data:
                raise damaged("it ends in the middle")
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def _inflated(self, inner: Decompressor, size: int) -> bytes:
        streams = 0
        while True:
            if inner.eof:
                streams += 1
                if streams > EMPTY_STREAMS_MAX:
                    raise damaged(f"it has more than {EMPTY_STREAMS_MAX:,} {self._name} streams without content")
                rest = self._behind(inner.unused_data)
                if not rest:
                    return b""
                assert self._make
                inner = self._inner = self._make()
            else:
                rest = self._file.read(READ_BYTES) if inner.needs_input else b""
                if inner.needs_input and not rest:
                    raise damaged(f"its {self._name} stream ends in the middle")
            out = self._step(inner, rest, size)
            if out:
                return out

    def _step(self, inner: Decompressor, data: bytes, size: int) -> bytes:
        try:
            return inner.decompress(data, size)
        except lzma.LZMAError as error:
            if "emory" in str(error):
                raise ArchiveRefused(
                    f"The archive needs more than {XZ_MEMORY_BYTES_MAX:,} bytes of memory to unpack; "
                    "make it with `xz -9` or less."
                ) from None
            raise damaged(f"its {self._name} stream cannot be unpacked ({error})") from None
        except ERRORS as error:
            raise damaged(f"its {self._name} stream cannot be unpacked ({error})") from None

    def _behind(self, rest: bytes) -> bytes:
        """Return the bytes after the end of one stream, without zeros; none at the end of the file."""
        while True:
            rest = rest.lstrip(b"\0")
            if rest:
                return rest
            rest = self._file.read(READ_BYTES)
            if not rest:
                return b""
