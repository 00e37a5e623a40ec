"""Damage: find the affected backups and record it with them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from holdfast.catalog.backups.damage import DAMAGED, MORE_DAMAGED, NOT_PROVED, Found, damaged_backups, record_findings
from holdfast.catalog.backups.found import list_account_backups
from holdfast.catalog.records import Backup, State, Warned
from holdfast.service.instance.home import Instance
from holdfast.stores.port import StoreError
from holdfast.vault.errors import ChunkMissing, DamagedError, VaultError
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    from holdfast.vault.maintenance.backup_check import DamagedBackup

_log = logging.getLogger(__name__)


@contextmanager
def file_named(instance: Instance, backup: Backup) -> Iterator[None]:
    """Name in an error about lost or damaged content the file of the backup that it hits, where that is known."""
    try:
        yield
    except (ChunkMissing, DamagedError) as error:
        error.backup = backup.name
        from holdfast.vault.reader.at_fault import name_file

        with suppress(VaultError, StoreError):
            snapshot = instance.vault(backup.account_id).open(backup.id)
            try:
                name_file(snapshot, error)
            finally:
                snapshot.close()
        raise


def recheck(instance: Instance, account_id: str) -> None:
    """After a backup: clear what it healed of the account's damaged backups. Costs next to nothing when there are none.

    A failure is only logged: the next check looks again.
    """
    damaged = [
        backup
        for backup in damaged_backups(instance.catalog, account_id)
        if any(w.code != NOT_PROVED for w in backup.damage)
    ]
    if not damaged:
        return
    try:
        check_backups(instance, account_id, damaged)
    except (StoreError, VaultError) as error:
        _log.warning("could not check if backups of account %s have healed: %s", account_id, error)


def check_backups(instance: Instance, account_id: str, backups: Sequence[Backup], read_at: int | None = None) -> None:
    """Enter what of an account's backups is lost, as far as manifests tell; `read_at` as `record_damage` has it.

    Raises StoreError, VaultError.
    """
    found = instance.vault(account_id).damaged_backups([backup.id for backup in backups])
    record_damage(instance, backups, found, read_at)


def successful(instance: Instance, account_id: str) -> list[Backup]:
    """The successful backups of an account, newest first."""
    return [
        backup
        for backup in list_account_backups(instance.catalog, account_id, None, None)
        if backup.state is State.SUCCESSFUL
    ]


def record_damage(
    instance: Instance, checked: Iterable[Backup], damaged: Iterable[DamagedBackup], read_at: int | None
) -> None:
    """Enter the outcome for checked backups: those of them that are damaged, and that the others are not.

    `damaged` may have backups that were not checked. `read_at`: when all of their data was read, if it was.

    What did not come back in a test restore stays: only another one can tell.
    """
    damage_of = {one.backup_id: one for one in damaged}
    found = []
    for backup in checked:
        damage = (*damaged_paths(damage_of.get(backup.id)), *(w for w in backup.damage if w.code == NOT_PROVED))
        verified_at = read_at if not damage else None
        if damage != backup.damage or verified_at is not None:
            found.append(Found(backup.id, damage, verified_at))
    if found:
        record_findings(instance.catalog, found, instance.clock.now_ns())


def record_lost(instance: Instance, account_id: str) -> None:
    """After packs were taken out of use: enter which of the account's backups miss something now. Raises StoreError."""
    check_backups(instance, account_id, successful(instance, account_id))


def damaged_paths(damaged: DamagedBackup | None) -> tuple[Warned, ...]:
    if damaged is None:
        return ()
    damage = [Warned(shown(file.path), DAMAGED, file.message) for file in damaged.files]
    more = damaged.count - sum(file.count for file in damaged.files)
    if more > 0:
        damage.append(Warned("", MORE_DAMAGED, f"There are {more} more files that can't be read."))
    return tuple(damage)
