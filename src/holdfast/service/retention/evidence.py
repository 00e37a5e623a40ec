"""Evidence: before a backup is deleted because newer ones exist, the store is checked to have those newer ones.

The catalog alone would let the last real backups go for hollow ones.
"""

from __future__ import annotations

import logging

from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.service.instance.home import Instance
from holdfast.stores.port import StoreError
from holdfast.vault.maintenance.mark import backup_ids
from holdfast.vault.pack.copy import packs_in

_log = logging.getLogger(__name__)


class Evidence:
    """The accounts whose vaults were seen to be whole in this run of retention: each is listed at most once."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._seen: dict[str, frozenset[str] | None] = {}

    def has(self, account_id: str, backup_id: str) -> bool:
        """Return True if the store has the root of a backup, and every live pack of its account in its full length.

        An account of which that is not so is logged. What cannot be listed was not seen.
        """
        if account_id not in self._seen:
            try:
                self._seen[account_id] = self._read_ids(account_id)
            except StoreError as error:
                _log.warning("no backup of account %s goes by its rules now: %s", account_id, error)
                self._seen[account_id] = None
        roots = self._seen[account_id]
        return roots is not None and backup_id in roots

    def _read_ids(self, account_id: str) -> frozenset[str] | None:
        """Return the ids of the backups in the store; None when it lacks a pack."""
        self._instance.confirm_store()
        store = self._instance.vault_store(account_id)
        # The ledger first: a pack that is published meanwhile is in the store before it is in the ledger.
        live = SqlLedger(self._instance.catalog, account_id).live_packs()
        there = dict(packs_in(store))
        lacking = sum(there.get(pack_id) != size for pack_id, _, size in live)
        if lacking:
            _log.warning(
                "no backup of account %s goes by its rules: %d of its %d packs are missing or cut short in the store; "
                "run `holdfast check`",
                account_id,
                lacking,
                len(live),
            )
            return None
        return frozenset(backup_ids(store))
