"""Entries that came from a stranger's archive without what gives privileges, for a process that may do everything.

An archive can claim that a file is root's, runs as root, or has a capability. A backup keeps that, as everything else;
a restore with root's rights must not make it true.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.columns import COLUMNS
from holdfast.vault.manifest.entry import decode_extra, encode_extra

_SET_ID_BITS = 0o6000
_USER_ATTRIBUTES = b"user."


def unprivileged(uid: int, gid: int) -> Callable[[Block], Block]:
    """Return a view of blocks: everything is `uid`'s and `gid`'s, nothing runs as somebody else, and only the
    attributes of users are left."""

    def view(block: Block) -> Block:
        columns = {name: getattr(block, name) for name in COLUMNS}
        columns["mode"] = block.mode & np.uint16(0o7777 & ~_SET_ID_BITS)
        columns["uid"] = np.full(len(block), uid, np.uint32)
        columns["gid"] = np.full(len(block), gid, np.uint32)
        extras = []
        for i, length in enumerate(block.extra_length.tolist()):
            extras.append(_without_system_attributes(block.extra_data(i)) if length else b"")
        columns["extra_length"] = np.array([len(extra) for extra in extras], np.uint32)
        return Block(columns, block.extents, block.path_bytes, b"".join(extras))

    return view


def _without_system_attributes(raw: bytes) -> bytes:
    extra = decode_extra(raw)
    kept = tuple(pair for pair in extra.xattrs if pair[0].startswith(_USER_ATTRIBUTES))
    return raw if kept == extra.xattrs else encode_extra(msgspec.structs.replace(extra, xattrs=kept))
