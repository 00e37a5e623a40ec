"""The file of a backup that an error of reading is about: errors of packs and chunks know none."""

from __future__ import annotations

import numpy as np

from holdfast.vault.errors import VaultError
from holdfast.vault.manifest.block import Block
from holdfast.vault.reader.snapshot import Snapshot


def name_file(snapshot: Snapshot, error: VaultError) -> None:
    """Enter in an error about a chunk the first file of the backup that needs it. One of the manifest has none.

    Reads the manifest, which takes as long as for a listing. Raises VaultError, StoreError.
    """
    if error.chunk_id is None or error.path is not None:
        return
    wanted = np.frombuffer(error.chunk_id, "V32")[0]
    for block in snapshot.all_blocks():
        path = _first_with(snapshot, block, error.chunk_id, wanted)
        if path is not None:
            error.path = path
            return


def _first_with(snapshot: Snapshot, block: Block, chunk_id: bytes, wanted: np.void) -> bytes | None:
    at = (block.extents["id"] == wanted).nonzero()[0]
    if len(at):
        return block.path(int(np.searchsorted(np.array(block.extent_ends, np.int64), at[0], side="right")))
    for number, extra in block.extras().items():
        if extra.lists and _is_in_lists(snapshot, [ref.chunk_id for ref in extra.lists], chunk_id):
            return block.path(number)
    return None


def _is_in_lists(snapshot: Snapshot, ids: list[bytes], chunk_id: bytes) -> bool:
    if chunk_id in ids:
        return True
    # One by one: a reader in the midst of a run of blocks may be used for others, but not for a run that is left.
    return any(extent.chunk_id == chunk_id for extents in snapshot.extent_lists(ids) for extent in extents)
