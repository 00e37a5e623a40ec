"""Prune the vaults: what no backup needs any more goes, and the store gets smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from holdfast.catalog import backups as rows
from holdfast.catalog.records import Account, State
from holdfast.service.errors import Conflict
from holdfast.service.instance import Instance
from holdfast.service.journal import journal
from holdfast.service.locks import held
from holdfast.stores.port import StoreError
from holdfast.vault.errors import ChunkMissing, DamagedError
from holdfast.vault.mark import backup_ids
from holdfast.vault.prune import GRACE_NS, PrunePlan, PruneProgress, PruneResult
from holdfast.vault.root import root_name


def prune_account(
    instance: Instance,
    account: Account,
    *,
    grace_ns: int = GRACE_NS,
    on_progress: Callable[[PruneProgress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> PruneResult:
    """Prune one account's vault. Condemned packs are deleted `grace_ns` later, so that running downloads go on.

    Raises Conflict (PRUNE_IN_PROGRESS), VaultError (something needed is missing: nothing was thrown away), StoreError.
    """
    with held(instance, f"prune-{account.id}") as is_ours:
        if not is_ours:
            raise Conflict("PRUNE_IN_PROGRESS", f"The vault of account {account.id} is being pruned already.")
        _drop_failed_roots(instance, account)
        instance.local_store.sweep_unfinished()
        now_ns = instance.clock.now_ns()
        with _said_what_to_do():
            done = instance.vault(account.id).prune(
                now_ns=now_ns, grace_ns=grace_ns, on_progress=on_progress, cancelled=cancelled
            )
        seconds = round((instance.clock.now_ns() - now_ns) / 1e9, 3)
        sizes = {"freed_bytes": done.freed_bytes, "deleted_bytes": done.deleted_bytes}
        journal.info("prune_finished", extra={"account_id": account.id, "seconds": seconds, **sizes})
        return done


def plan_prune(
    instance: Instance,
    account: Account,
    *,
    on_progress: Callable[[PruneProgress], None] = lambda progress: None,
) -> PrunePlan:
    """What `prune_account` would do; changes nothing. Raises VaultError, StoreError."""
    with _said_what_to_do():
        return instance.vault(account.id).plan_prune(on_progress=on_progress)


@contextmanager
def _said_what_to_do() -> Iterator[None]:
    try:
        yield
    except (ChunkMissing, DamagedError) as error:
        raise type(error)(
            f"{error} Nothing was thrown away. If the catalog was put back from an older copy, run `holdfast rebuild`; "
            "else `holdfast check` says what is damaged."
        ) from error


def unknown_backups(instance: Instance, account: Account) -> list[str]:
    """Backups in the store that the catalog does not know, as after a catalog was put back from an older copy.

    Prune counts them as needed; `rebuild` enters them.
    """
    in_store = backup_ids(instance.vault_store(account.id))
    return [backup_id for backup_id in in_store if rows.backup_by_id(instance.catalog, backup_id) is None]


def _drop_failed_roots(instance: Instance, account: Account) -> None:
    """A root whose backup failed after it was written keeps nothing alive."""
    store = instance.vault_store(account.id)
    for backup_id in backup_ids(store):
        backup = rows.backup_by_id(instance.catalog, backup_id)
        if backup is not None and backup.state is State.FAILED:
            try:
                store.delete(root_name(backup_id))
            except StoreError:
                continue  # it is dropped the next time
