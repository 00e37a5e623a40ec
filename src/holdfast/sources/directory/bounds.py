"""The bounds on one tree: its owner may be hostile, and memory and time are everybody's."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.units import MIB, TIB


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
