"""Erase an account: first the keys, everywhere, then the bytes that they opened.

When the keys are gone nothing of the vault can be read by anybody, whatever copies of its packs there are. A crash
midway leaves an account whose keys are gone; erasing it again goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from holdfast.catalog import backups as backup_rows
from holdfast.catalog import rebuilding
from holdfast.catalog.records import Account, State
from holdfast.service.errors import Conflict
from holdfast.service.instance import Instance, InstanceError
from holdfast.service.record import RECORD_NAME


def is_erased(account: Account) -> bool:
    """Whether an account's keys are gone already."""
    return account.data_key_sealed == rebuilding.ERASED


def erase_account(instance: Instance, account: Account, on_object: Callable[[int], None] = lambda done: None) -> int:
    """Erase an account for good; returns the bytes that were deleted from the store.

    Raises Conflict (BACKUP_IN_PROGRESS), CatalogError, StoreError, InstanceError (something of a key is left).
    """
    for backup in backup_rows.list_account_backups(instance.catalog, account.id, None, None):
        if backup.state in (State.QUEUED, State.RUNNING):
            raise Conflict("BACKUP_IN_PROGRESS", "A backup of the account is being made; wait for it, then erase.")
    store = instance.vault_store(account.id)
    # The record first: it holds the same wrapped keys, and a rebuild must not bring the account back.
    store.delete(RECORD_NAME)
    secrets = rebuilding.erase_keys(instance.catalog, account.id)
    instance.forget_vault(account.id)
    if rebuilding.is_left_in_files(instance.catalog, secrets):
        raise InstanceError(
            "The account's wrapped keys are still in the catalog's files; stop `holdfast serve` and erase again."
        )
    deleted = 0
    for number, (name, size) in enumerate(list(store.list("")), 1):
        store.delete(name)
        deleted += size
        on_object(number)
    rebuilding.forget_account(instance.catalog, account.id)
    return deleted
