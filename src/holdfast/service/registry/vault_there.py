"""The presence of an account's vault in the store, confirmed before an index or a verdict is believed.

The mark tells the right store from another one; it does not tell an old copy of it from the current one, nor see that
a part of it is not mounted.
"""

from __future__ import annotations

from holdfast.catalog.backups.found import newest_of_account
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import RECORD_NAME, is_there, store_record
from holdfast.stores.port import StoreUnreachable
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.writer import pack_name


def confirm_vault(instance: Instance, account_id: str) -> None:
    """Raise StoreUnreachable unless the store is the right one, and has the account's vault up to its newest backup.

    A record that alone is missing is written anew. Raises StoreError, CatalogError.
    """
    instance.confirm_store()
    has_record = _has(instance, account_id, RECORD_NAME)
    newest = newest_of_account(instance.catalog, account_id)
    if newest is not None and not _has(instance, account_id, root_name(newest.id)):
        packs = SqlLedger(instance.catalog, account_id).live_packs()
        if not has_record or (packs and not _has(instance, account_id, pack_name(packs[-1][0]))):
            raise StoreUnreachable(
                f"The store has neither the newest backup of account {account_id} nor its newest pack: it is an older "
                "copy, or a part of it is not mounted. Put the current one back; if this is all that is left, "
                "`holdfast rebuild` takes it as it is. Nothing was changed."
            )
    if not has_record:
        store_record(instance, account_id)


def _has(instance: Instance, account_id: str, name: str) -> bool:
    return is_there(instance.vault_store(account_id), name)
