"""Prune the vaults: remove what no backup needs any more, so that the store shrinks.

A server prunes an account some minutes after a deletion, when no backup of it is running (a prune makes those start
again), and once more when the grace of the condemned packs is over. One node at a time prunes an account: it holds a
claim in the catalog and a local lock.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.catalog.accounts.rows import account_by_id
from holdfast.catalog.backups.found import KEPT_STATES, backup_by_id, kept_backups
from holdfast.catalog.events.audit import Change
from holdfast.catalog.packs import prune as pruning
from holdfast.catalog.records import SYSTEM, Account, Actor, ActorKind, Backup, State
from holdfast.service.errors import Conflict
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.instance.logs import event
from holdfast.service.registry.vault_there import confirm_vault
from holdfast.service.retention.erase import is_erased
from holdfast.stores.port import StoreError
from holdfast.units import DAY_NS, HOUR_NS, SECOND_NS
from holdfast.vault.control import NEVER
from holdfast.vault.errors import ChunkMissing, DamagedError, VaultError
from holdfast.vault.maintenance.mark import backup_ids
from holdfast.vault.maintenance.prune import GRACE_NS
from holdfast.vault.maintenance.prune_plan import CopyBudget, PruneControl, PrunePlan, PruneResult
from holdfast.vault.manifest.root import root_name

SETTLE_NS = 120 * SECOND_NS
"""A prune starts this long after a deletion: more may come, and one prune does for all."""

IMPATIENT_NS = 6 * HOUR_NS
"""After this long it runs even while backups of the account are running; those start again."""

CLAIM_NS = 6 * HOUR_NS
AGAIN_NS = HOUR_NS
"""A failed prune is tried again after this long; one that found something missing, a day later."""

MISSING_AGAIN_NS = DAY_NS
COPY_BYTES_MIN = 64 * 1024 * 1024
"""With less than this left of a run's budget, no further account is begun: it would get nowhere."""

_log = logging.getLogger(__name__)


def prune_account(
    instance: Instance,
    account: Account,
    by: Actor,
    *,
    grace_ns: int = GRACE_NS,
    budget: CopyBudget | None = None,
    control: PruneControl = NEVER,
) -> PruneResult:
    """Prune one account's vault. Condemned packs are deleted `grace_ns` later, so that running downloads go on.

    Raises Conflict (PRUNE_IN_PROGRESS), VaultError (something needed is missing: nothing was thrown away), StoreError.
    """
    with held(instance, f"prune-{account.id}") as is_ours:
        if not is_ours:
            raise Conflict("PRUNE_IN_PROGRESS", f"The vault of account {account.id} is being pruned already.")
        now_ns = instance.clock.now_ns()
        if not pruning.claim_prune(instance.catalog, account.id, instance.config.node, now_ns, now_ns + CLAIM_NS):
            raise Conflict("PRUNE_IN_PROGRESS", f"Another node prunes the vault of account {account.id} already.")
        try:
            return _prune(instance, account, by, now_ns, grace_ns, budget, control)
        finally:
            pruning.end_claim(instance.catalog, account.id)


def _prune(
    instance: Instance,
    account: Account,
    by: Actor,
    now_ns: int,
    grace_ns: int,
    budget: CopyBudget | None,
    control: PruneControl,
) -> PruneResult:
    """Prune it, and record when there will be something to gain again."""
    again_at = now_ns + AGAIN_NS
    pruning.begin_prune(instance.catalog, account.id, again_at)
    try:
        with _with_advice():
            confirm_vault(instance, account.id)
            _require_roots(instance, account)
            _drop_failed_roots(instance, account)
            instance.local_store.sweep_unfinished()
            done = instance.vault(account.id).prune(now_ns=now_ns, grace_ns=grace_ns, budget=budget, control=control)
    except (ChunkMissing, DamagedError):
        pruning.end_prune(instance.catalog, account.id, again_at, now_ns + MISSING_AGAIN_NS)
        raise
    condemned_at = pruning.first_condemned_at(instance.catalog, account.id)
    next_at = None if condemned_at is None else condemned_at + GRACE_NS
    if done.full:
        next_at = again_at
    elif done.waiting_packs:
        next_at = now_ns
    sizes = {"freed_bytes": done.freed_bytes, "deleted_bytes": done.deleted_bytes}
    ended_ns = instance.clock.now_ns()
    is_entered = by.kind is not ActorKind.SYSTEM or any(sizes.values())
    change = Change(by, "account.pruned", account.id, data=sizes) if is_entered else None
    pruning.end_prune(instance.catalog, account.id, again_at, next_at, ended_ns, change)
    seconds = round((ended_ns - now_ns) / SECOND_NS, 3)
    event("prune_finished", {"account_id": account.id, "seconds": seconds, **sizes})
    return done


def prune_due(instance: Instance, control: PruneControl = NEVER) -> list[PruneResult]:
    """Prune the accounts that are due, within the instance's budget of time and of bytes copied.

    An account that is begun is finished, except for packs that should be copied: these may wait for the next run.
    """
    config, started_ns = instance.config, instance.clock.now_ns()

    def is_over() -> bool:
        return control.is_cancelled() or instance.clock.now_ns() - started_ns >= config.prune_seconds_max * SECOND_NS

    pruning.want_sweeps(instance.catalog, started_ns - GRACE_NS, started_ns)
    due = pruning.due_prunes(
        instance.catalog, settled_before=started_ns - SETTLE_NS, impatient_before=started_ns - IMPATIENT_NS
    )
    left = config.prune_bytes_max
    done: list[PruneResult] = []
    for account_id in due:
        if is_over() or left < COPY_BYTES_MIN:
            break
        account = account_by_id(instance.catalog, account_id)
        if account is None or is_erased(account):
            continue
        try:
            result = prune_account(instance, account, SYSTEM, budget=CopyBudget(left, is_over), control=control)
        except Conflict:
            continue  # somebody is at it
        except (VaultError, StoreError) as error:
            _log.warning("the vault of account %s was not pruned: %s", account_id, error)
            continue
        if result.full:
            _log.warning("the vault of account %s was pruned in part: %s", account_id, result.full)
        left -= result.copied_bytes
        done.append(result)
    return done


def plan_prune(
    instance: Instance,
    account: Account,
    *,
    control: PruneControl = NEVER,
) -> PrunePlan:
    """Return what `prune_account` would do, without changing anything. Raises VaultError, StoreError."""
    with _with_advice():
        _require_roots(instance, account)
        return instance.vault(account.id).plan_prune(control=control)


@contextmanager
def _with_advice() -> Iterator[None]:
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
    return [backup_id for backup_id in in_store if backup_by_id(instance.catalog, backup_id) is None]


def _require_roots(instance: Instance, account: Account) -> None:
    """Raises DamagedError when a backup that can be read, in the trash or not, has no root: a prune would take all that
    it needs for dead.

    So nothing goes either when the store is not there at all, as when its disk is not mounted.
    """
    lost = lost_roots(instance, account)
    if lost:
        raise DamagedError(
            f"The root of backup {lost[0].name!r} of application {lost[0].app_id} is gone from the store"
            + (f" (and of {len(lost) - 1} more)" if len(lost) > 1 else "")
            + "; check that the store's disk is mounted, restore the root from a copy, or delete the backup."
        )


def lost_roots(instance: Instance, account: Account) -> list[Backup]:
    """Successful backups of an account, in the trash or not, whose root the store does not have. Raises StoreError."""
    good = kept_backups(instance.catalog, account.id)
    in_store = set(backup_ids(instance.vault_store(account.id)))
    missing = [backup_by_id(instance.catalog, b.id) for b in good if b.id not in in_store]
    return [b for b in missing if b is not None and _is_good(b)]  # not those that were deleted meanwhile


def _is_good(backup: Backup) -> bool:
    return backup.state in KEPT_STATES


def _drop_failed_roots(instance: Instance, account: Account) -> None:
    """A root whose backup failed after it was written keeps nothing alive."""
    store = instance.vault_store(account.id)
    for backup_id in backup_ids(store):
        backup = backup_by_id(instance.catalog, backup_id)
        if backup is not None and backup.state is State.FAILED:
            try:
                store.delete(root_name(backup_id))
            except StoreError:
                continue  # it is dropped the next time
