"""Blocks of a manifest, made from entries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.manifest.block import Block, pack_extents
from holdfast.vault.manifest.columns import COLUMNS
from holdfast.vault.manifest.entry import Entry, encode_extra


def block_of(entries: Sequence[Entry]) -> Block:
    """A block of the given entries (in order)."""
    extras = [encode_extra(e.extra) for e in entries]
    lengths = {
        "extent_count": [len(e.extents) for e in entries],
        "path_length": [len(e.path) for e in entries],
        "extra_length": [len(x) for x in extras],
    }
    columns: dict[str, NDArray[np.generic]] = {
        name: np.array(lengths[name] if name in lengths else [getattr(e, name) for e in entries], dtype)
        for name, dtype in COLUMNS.items()
    }
    extents = pack_extents([x for e in entries for x in e.extents])
    return Block(columns, extents, b"".join(e.path for e in entries), b"".join(extras))
