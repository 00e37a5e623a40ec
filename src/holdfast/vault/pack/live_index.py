"""The index over the live packs of a vault, kept as the ledger has them."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from holdfast.vault.pack.index import Index
from holdfast.vault.pack.ledger import Ledger
from holdfast.vault.pack.seal import VaultKeys


class LiveIndex:
    """Opens the tables of packs that are new, and nothing while the ledger's live packs are the same."""

    def __init__(self, keys: VaultKeys, ledger: Ledger) -> None:
        self._keys = keys
        self._ledger = ledger
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._index = Index.empty()
        self._sizes: Mapping[bytes, int] = {}

    def index(self, refresh: bool) -> Index:
        """Return the index; with `refresh` as the ledger has it now. Raises DamagedError, FormatError."""
        return self.with_sizes(refresh)[0]

    def with_sizes(self, refresh: bool = True) -> tuple[Index, Mapping[bytes, int]]:
        """Return the index and the bytes of each pack, as of one moment. Raises DamagedError, FormatError."""
        with self._lock:
            if self._stamp is None or refresh:
                # Before the packs: what changes in between is seen the next time.
                stamp = self._ledger.live_stamp()
                if stamp != self._stamp:
                    self._refresh()
                    self._stamp = stamp
            return self._index, self._sizes

    def _refresh(self) -> None:
        sizes = {pack_id: size for pack_id, _, size in self._ledger.live_packs()}
        held = self._index
        known = set(held.packs)
        if known.difference(sizes):
            held, known = Index.empty(), set()
        fresh = [pack_id for pack_id in sizes if pack_id not in known]
        if fresh:
            held = held.with_packs(self._keys, self._ledger.pack_rows(fresh))
        self._index, self._sizes = held, sizes
