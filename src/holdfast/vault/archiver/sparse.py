"""The parts in which a sparse file is read. Holes are found first: it costs what it holds, not what it spans."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.vault.source import SourceReader


PART_BYTES = 64 * 1024 * 1024
"""Files over twice this are read in parts by several workers. A forced cut at each border costs a moved large file at
most one chunk in 64 MiB more; page files are cut at fixed places anyway."""


@dataclass(frozen=True, slots=True)
class SparseLayout:
    """The parts of a sparse file: offset and length of each, in order. `data_bytes`: of the parts that have data."""

    parts: list[tuple[int, int]]
    data_bytes: int


def sparse_layout(reader: SourceReader, path: bytes, size: int) -> SparseLayout | None:
    """Return the parts of a file of `size` bytes; None for one without holes."""
    try:
        fd = reader.open(path)
    except OSError:
        return SparseLayout([(0, size)], 0)  # whoever reads it says why
    try:
        stat = reader.stat(fd)
        return _joined(reader, fd, size // PART_BYTES) if stat.st_blocks * 512 < stat.st_size else None
    except OSError:
        return None
    finally:
        os.close(fd)


def _joined(reader: SourceReader, fd: int, count: int) -> SparseLayout:
    """Join parts that have no data and stand side by side; `count`: of all parts. The last one is never joined, as it
    also has what the file has grown by."""
    parts: list[tuple[int, int]] = []
    done = with_data = 0
    while done < count:
        start, _ = reader.data_run(fd, done * PART_BYTES, count * PART_BYTES)
        first = min(start // PART_BYTES, count - 1)
        if first > done:
            parts.append((done * PART_BYTES, (first - done) * PART_BYTES))
        parts.append((first * PART_BYTES, PART_BYTES))
        with_data += 1
        done = first + 1
    return SparseLayout(parts, with_data * PART_BYTES)
