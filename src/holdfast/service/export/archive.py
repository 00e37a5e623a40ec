"""The parts of an export as a zip, which is sent while it is made.

It must never hold a whole part in memory, or write one to the disk.
"""

from __future__ import annotations

import zipfile
from collections.abc import Generator, Iterable
from typing import IO, cast

from holdfast.service.export.parts import Part

CHUNK_BYTES = 64 * 1024
"""About this much is handed on at once."""


class _Outlet:
    """Takes what the zip writes, until it is handed on."""

    def __init__(self) -> None:
        self._content = bytearray()

    def __len__(self) -> int:
        return len(self._content)

    def write(self, content: bytes, /) -> int:
        """Take some bytes."""
        self._content += content
        return len(content)

    def flush(self) -> None:
        """Nothing waits elsewhere."""

    def taken(self) -> bytes:
        """Hand on what is there."""
        content, self._content = bytes(self._content), bytearray()
        return content


def archive(parts: Iterable[Part], date_time: tuple[int, int, int, int, int, int]) -> Generator[bytes]:
    """Make a zip of parts; yield it in chunks. `date_time`: of all of its files."""
    outlet = _Outlet()
    with zipfile.ZipFile(cast("IO[bytes]", outlet), "w", zipfile.ZIP_DEFLATED) as whole:
        for part in parts:
            info = zipfile.ZipInfo(part.name, date_time)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with whole.open(info, "w", force_zip64=True) as file:
                for text in part.texts:
                    file.write(text.encode())
                    if len(outlet) >= CHUNK_BYTES:
                        yield outlet.taken()
    yield outlet.taken()
