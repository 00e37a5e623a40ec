"""Backups that fail: the reason, its entry with the backup, and the recovery of those whose process died.

The process that runs a backup holds a lock (flock) on `run/take-<id>.lock` for as long as it lives. So a backup that
the catalog shows as running is known to be dead when its lock is free. This needs no clock, and a dead process blocks
nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

from holdfast.catalog.backups.changes.run import fail_backup
from holdfast.catalog.backups.found import backups_in
from holdfast.catalog.records import Backup, State, Warned
from holdfast.service.instance.home import Instance
from holdfast.service.instance.import_scratch import sweep_imports
from holdfast.service.instance.locks import held
from holdfast.service.jobs.failures import Failure, Failures
from holdfast.service.registry.backups import backup_now
from holdfast.service.take.hooks import recover_hooks
from holdfast.service.take.log import BackupLog
from holdfast.service.take.source import sweep_copies
from holdfast.sources.archive.errors import ArchiveRefused, ArchiveTooLarge, ScratchFailed
from holdfast.sources.port import SourceError, SourceMissing, SourceTooLarge
from holdfast.stores.port import StoreError, StoreFull, StoreUnreachable
from holdfast.vault.errors import (
    Cancelled,
    KeyMismatch,
    SessionFenced,
    Stopped,
    TakeAgain,
    VaultError,
)
from holdfast.vault.manifest.root import root_name

FAILURES = Failures(
    "The backup",
    (
        (Stopped, "INTERRUPTED"),
        (Cancelled, "CANCELLED"),
        (StoreFull, "STORE_FULL"),
        (StoreUnreachable, "STORE_UNREACHABLE"),
        (StoreError, "STORE_ERROR"),
        (ArchiveTooLarge, "ARCHIVE_TOO_LARGE"),
        (ArchiveRefused, "INVALID_ARCHIVE"),
        (ScratchFailed, "SCRATCH_FAILED"),
        (SourceMissing, "SOURCE_MISSING"),
        (SourceTooLarge, "SOURCE_TOO_LARGE"),
        (SourceError, "SOURCE_UNREADABLE"),
        (KeyMismatch, "MASTER_KEY_WRONG"),
        (SessionFenced, "PRUNED_MEANWHILE"),
        (TakeAgain, "SOURCE_CHANGED"),
        (VaultError, "VAULT_ERROR"),
    ),
    interrupted="The backup was interrupted before it was finished.",
    disk=("SOURCE_UNREADABLE", "The application's folder could not be read"),
)


_CUSTOMERS = (Cancelled, ArchiveTooLarge, ArchiveRefused, SourceTooLarge)
"""Errors that a customer brings about: by their cancel, their archive, their tree."""


def is_customers_failure(error: BaseException) -> bool:
    """True if the customer brought an error about; a stop of the server cancels too, and is the operator's."""
    return isinstance(error, _CUSTOMERS) and not isinstance(error, Stopped)


def fail(
    instance: Instance,
    backup: Backup,
    why: Failure,
    log: BackupLog,
    warnings: Sequence[Warned],
    *,
    is_customers: bool = False,
) -> None:
    """Enter a backup as failed, unless it has ended; nothing of it stays in the store."""
    if backup_now(instance, backup.id).state not in (State.QUEUED, State.RUNNING):
        return  # it was entered as successful, and what came behind that failed
    # The root may be there when the failure came behind it; a root without a backup must not rise again.
    with suppress(StoreError):
        instance.vault_store(backup.account_id).delete(root_name(backup.id))
    log.write(f"Failed ({why.code}): {why.message}")
    if why.detail and why.detail != why.message:
        log.output(why.detail)
    fail_backup(
        instance.catalog,
        backup.id,
        why.code,
        why.message,
        instance.clock.now_ns(),
        detail=why.detail or None,
        log=log.encoded(),
        warnings=warnings,
        is_customers=is_customers,
    )


def recover_backups(instance: Instance) -> list[Backup]:
    """Mark as failed what a process of this node left running when it died; returns those.

    Backups that somebody runs, here or elsewhere, are left alone, and so are queued ones. Archives whose import is over
    or never came about are removed. Applications that were left waiting between their hooks are let go first. Raises
    Conflict (NODE_TAKEN).
    """
    instance.node_lease.hold()  # what another home runs under this name is not dead
    failed = []
    logs: dict[str, BackupLog] = defaultdict(lambda: BackupLog(instance.clock))
    warnings = recover_hooks(instance, lambda backup_id: logs[backup_id])
    for backup in backups_in(instance.catalog, [State.RUNNING], instance.config.node):
        with held(instance, take_lock(backup.id)) as is_ours:
            # Looked at again: whoever ran it may have let go of the lock because it is finished.
            if is_ours and backup_now(instance, backup.id).state is State.RUNNING:
                fail(
                    instance,
                    backup,
                    Failure(
                        "INTERRUPTED",
                        "The process that made this backup ended before it was finished; earlier backups are whole.",
                    ),
                    logs[backup.id],
                    [warnings[backup.id]] if backup.id in warnings else [],
                )
                failed.append(backup_now(instance, backup.id))
    instance.local_store.sweep_unfinished()
    sweep_imports(instance)
    sweep_copies(instance)
    return failed


def take_lock(backup_id: str) -> str:
    """The name of the lock that whoever runs a backup holds."""
    return f"take-{backup_id}"
