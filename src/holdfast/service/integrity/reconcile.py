"""Reconcile: compare the store and the catalog with each other, once a day.

A leftover in the store is removed only if it is known to be one: the root of a backup that failed, or that this catalog
has deleted, and only a day later. A root that the catalog does not know stays: `rebuild` restores that backup. A
successful backup whose root is gone is recorded as damaged. Packs that no ledger knows are left to prune, which
condemns them with its usual care (epoch, readers' grace); this module only requests a prune.

It must never draw conclusions from a store that is not there, as when its disk is not mounted.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from holdfast.catalog.accounts.rows import all_accounts
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.database.leases import claim_lease
from holdfast.catalog.events.audit import Change
from holdfast.catalog.events.log import deleted_before
from holdfast.catalog.packs import prune as pruning
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.records import SYSTEM, Account, State
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import mend_record
from holdfast.service.registry.damage import check_backups
from holdfast.service.registry.trash import resume_deletions
from holdfast.service.registry.vault_there import confirm_vault
from holdfast.service.retention.erase import is_erased
from holdfast.service.retention.prune import lost_roots
from holdfast.stores.port import StoreError
from holdfast.units import DAY_NS
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import VaultError
from holdfast.vault.maintenance.mark import backup_ids
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.copy import packs_in

AGE_NS = DAY_NS
"""The minimum age of what is removed: whoever may still be working on it is done by then."""

EVERY_NS = DAY_NS

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The findings for one account."""

    account_id: str
    removed_roots: tuple[str, ...] = ()
    """Roots of failed or deleted backups, which are gone now."""
    unknown_roots: tuple[str, ...] = ()
    """Roots of which the catalog says nothing; they stay."""
    lost_roots: tuple[str, ...] = ()
    """Successful backups whose root is gone; they are damaged now."""
    stray_packs: int = 0
    """Packs that no ledger knows; the next prune takes care of them."""


def reconcile_due(instance: Instance, control: Control = NEVER) -> None:
    """Finish deletions that were cut off; once a day, on one of the nodes, reconcile all accounts.

    A cancel ends it early.
    """
    resume_deletions(instance)
    now_ns = instance.clock.now_ns()
    if not claim_lease(instance.catalog, "reconcile", now_ns, now_ns + EVERY_NS):
        return
    for account in all_accounts(instance.catalog):
        if control.is_cancelled():
            return
        try:
            reconcile_account(instance, account)
        except (StoreError, VaultError) as error:
            _log.warning("account %s was not reconciled with the store: %s", account.id, error)


def reconcile_account(instance: Instance, account: Account) -> Reconciled:
    """Reconcile one account. Raises StoreError, VaultError."""
    if is_erased(account):
        return Reconciled(account.id)
    confirm_vault(instance, account.id)
    mend_record(instance, account.id)
    removed, unknown = _roots(instance, account)
    lost = [backup for backup in lost_roots(instance, account) if not backup.damage]
    if lost:
        for backup in lost:
            _log.error("the root of backup %s (application %s) is gone from the store", backup.id, backup.app_id)
        check_backups(instance, account.id, lost)
    return Reconciled(account.id, removed, unknown, tuple(b.id for b in lost), _strays(instance, account))


def _roots(instance: Instance, account: Account) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remove the roots that should be gone; returns those, and those of which nothing is known."""
    store = instance.vault_store(account.id)
    before = instance.clock.now_ns() - AGE_NS
    removed, nameless = [], []
    # First the store and then the catalog: a backup has its row before it has a root.
    for backup_id in backup_ids(store):
        backup = backup_by_id(instance.catalog, backup_id)
        if backup is None:
            nameless.append(backup_id)
        elif backup.state is State.FAILED and (backup.finished_at or 0) < before:
            removed.append(backup_id)
    deleted = deleted_before(instance.catalog, nameless, account.id, before) if nameless else set()
    unknown = [backup_id for backup_id in nameless if backup_id not in deleted]
    removed += sorted(deleted)
    if removed:
        # The catalog first: what the store refuses now is found, and entered, again.
        change = Change(SYSTEM, "account.reconciled", account.id, data={"removed_roots": removed})
        pruning.want_prune(instance.catalog, account.id, instance.clock.now_ns(), change)
    for backup_id in removed:
        store.delete(root_name(backup_id))
        _log.warning("the root of backup %s was left over in the store and is removed", backup_id)
    if unknown:
        _log.warning(
            "the store has %d backups of account %s that the catalog does not know; `holdfast rebuild` enters them",
            len(unknown),
            account.id,
        )
    return tuple(removed), tuple(unknown)


def _strays(instance: Instance, account: Account) -> int:
    """Count packs that no ledger knows and have a prune come for them; none while a backup is being made."""
    ledger = SqlLedger(instance.catalog, account.id)
    in_store = {pack_id for pack_id, _ in packs_in(instance.vault_store(account.id))}
    known = set(ledger.live_pack_ids()) | {pack_id for pack_id, _ in ledger.condemned()}
    strays = in_store - known
    if not strays or pruning.is_making(instance.catalog, account.id):
        return 0  # they may be the packs of that backup
    pruning.want_prune(instance.catalog, account.id, instance.clock.now_ns())
    return len(strays)
