"""Erase an account: first its keys, everywhere, then its data.

Without the keys nobody can read anything of the vault, whatever copies of its packs exist. After a crash the account is
left without keys; erasing it again finishes the work.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from holdfast.catalog.accounts.erasure import NotDue
from holdfast.catalog.backups import rebuild as rebuilding
from holdfast.catalog.records import Account, Actor
from holdfast.service.errors import Conflict
from holdfast.service.instance.home import Instance, InstanceError
from holdfast.service.registry.account_record import drop_record, store_record


def is_erased(account: Account) -> bool:
    """True if an account's keys are gone already."""
    return account.data_key_sealed == rebuilding.ERASED


def erase_account(
    instance: Instance,
    account: Account,
    by: Actor,
    on_object: Callable[[int], None] = lambda done: None,
    *,
    only_if_due: bool = False,
) -> int:
    """Erase an account for good; returns the bytes that were deleted from the store.

    `only_if_due`: raises NotDue unless it is to be erased by now, whatever somebody did meanwhile. Raises Conflict
    (BACKUP_IN_PROGRESS, RESTORE_IN_PROGRESS), with nothing erased, CatalogError, StoreError, InstanceError (something
    of a key is left).
    """
    store = instance.vault_store(account.id)
    try:
        rebuilding.check_nothing_running(instance.catalog, account.id)
        # The record first: it holds the same wrapped keys, and a rebuild must not bring the account back.
        drop_record(instance, account.id)
        now_ns = instance.clock.now_ns()
        secrets = rebuilding.erase_keys(instance.catalog, account.id, now_ns, by, only_if_due=only_if_due)
    except NotDue:
        store_record(instance, account.id)
        raise
    except rebuilding.WorkRunning as error:
        store_record(instance, account.id)  # it may have come only when the record was gone
        if str(error) == "backup":
            message = "A backup of the account is running; wait until it ends, then erase."
            raise Conflict("BACKUP_IN_PROGRESS", message) from None
        message = "An application of the account is being restored; wait until it ends, then erase."
        raise Conflict("RESTORE_IN_PROGRESS", message) from None
    instance.forget_vault(account.id)
    with suppress(OSError):
        instance.uses_file(account.id).unlink(missing_ok=True)
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
