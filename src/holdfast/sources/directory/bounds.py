"""The bounds on one tree: its owner may be hostile, and memory and time are shared by all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.sources.port import SourceTooLarge
from holdfast.units import MIB, TIB
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    from holdfast.vault.source import Scan


@dataclass(frozen=True, slots=True)
class TreeBounds:
    """More than this is refused with a sentence. `name_bytes` counts names and the targets of links."""

    entries: int = 4_000_000
    name_bytes: int = 256 * MIB
    file_bytes: int = 8 * TIB
    """Apparent size of one file: holes count."""
    content_bytes: int = 32 * TIB
    """Apparent size of all files together."""


BOUNDS = TreeBounds()


def check_sizes(scan: Scan, bounds: TreeBounds) -> None:
    """Raise SourceTooLarge for files that are larger than they may be, alone or together; holes count.

    A restore, a download and a proof of such a file take time by its size.
    """
    import numpy as np  # worker processes load this module, and have no use for it

    from holdfast.vault.manifest.entry import Kind

    is_file = scan.kind == Kind.FILE
    sizes = np.where(is_file, scan.size, 0)
    if len(sizes) and int(sizes.max()) > bounds.file_bytes:
        path = shown(scan.paths[int(np.argmax(sizes))])
        raise SourceTooLarge(
            f"The file {path} has {int(sizes.max()):,} bytes, holes included, and a backup takes files of at most "
            f"{bounds.file_bytes:,}; make it smaller, remove it, or leave it out with an ignore pattern."
        )
    linked = is_file & (scan.nlink > 1)
    _, firsts = np.unique(scan.inode[linked], return_index=True)
    total = float(sizes[~linked].sum(dtype=np.float64) + sizes[linked][firsts].sum(dtype=np.float64))
    if total > bounds.content_bytes:
        raise SourceTooLarge(
            f"The application's files have {int(total):,} bytes, holes included, and a backup has at most "
            f"{bounds.content_bytes:,}; remove some, or leave some out with ignore patterns."
        )


def check_read(content_bytes: int, bounds: TreeBounds) -> None:
    """Raise SourceTooLarge when more has been read than all files together may have: each may grow behind the walk."""
    if content_bytes > bounds.content_bytes:
        raise SourceTooLarge(
            f"The application's files grew to more than {bounds.content_bytes:,} bytes, holes included, while they "
            "were read, and a backup has at most that; stop what writes them, remove some, or leave some out with "
            "ignore patterns."
        )
