"""Deleting backups: into the trash, out of it, and for good.

A successful backup stays in the trash for `TRASH_NS`. All that time its root is in the store, so a prune takes it for
needed, and bringing it back changes the catalog and the backup's marks alone. Going for good has an order that a crash
cannot harm: the state, the root, the marks, the row.

Into the trash: first the catalog, then the marks. Out of it: first the marks, then the catalog, then the marks again if
somebody wrote others in between. So a rebuild never finds one in the trash that its owner was told is not there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from msgspec import structs

from holdfast.catalog.backups import trash
from holdfast.catalog.backups.changes.gone import delete_row, mark_deleting
from holdfast.catalog.backups.found import KEPT_STATES, backup_by_id, backup_of_app, backups_in
from holdfast.catalog.records import SYSTEM, TRASH_NS, Account, Actor, Backup, State
from holdfast.service.errors import Conflict, LimitReached, backup_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.instance.logs import event
from holdfast.service.policy import limits
from holdfast.service.registry.account_record import drop_marks, store_marks
from holdfast.service.registry.accounts import get_account, plan_of
from holdfast.service.registry.backups import marked, require_unlocked
from holdfast.service.registry.damage import check_backups
from holdfast.stores.port import StoreError
from holdfast.vault.control import NEVER, ControlOf
from holdfast.vault.errors import VaultError
from holdfast.vault.manifest.root import root_name

RUN_SECONDS = 60
"""The interval of `empty_due`."""

_AT_ONCE = 500

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deleted:
    """A backup that was deleted. `freed_bytes`: of the store, which pruning frees once it is gone; `gone_at`: when it
    leaves the trash (nanoseconds); None: it is not in it, and is gone now."""

    freed_bytes: int
    gone_at: int | None


def find_trashed(instance: Instance, app_id: str, id_or_name: str) -> Backup:
    """One backup of an application that is in the trash, by id or by name. Raises NotFound, Conflict (not deleted)."""
    found = trash.trashed_backup(instance.catalog, app_id, id_or_name)
    if found is not None:
        return found
    if backup_of_app(instance.catalog, app_id, id_or_name) is None:
        raise backup_not_found()
    raise Conflict("BACKUP_NOT_USABLE", "The backup is not in the trash; nothing was changed.")


def find_to_delete(instance: Instance, app_id: str, id_or_name: str, *, is_final: bool) -> Backup:
    """The backup that a deletion means: a final one also finds it in the trash. Raises NotFound."""
    found = backup_of_app(instance.catalog, app_id, id_or_name)
    if found is None and is_final:
        found = trash.trashed_backup(instance.catalog, app_id, id_or_name)
    if found is None:
        raise backup_not_found()
    return found


def list_trash(instance: Instance, app_id: str, limit: int | None = None, after: str | None = None) -> list[Backup]:
    """The trash of an application, in the order of the list."""
    return trash.trashed_of_app(instance.catalog, app_id, limit, after)


def trash_of(instance: Instance, account: Account) -> trash.Trash:
    """The number of backups in the trash of an account, and the bytes that they alone take."""
    return trash.trash_of(instance.catalog, account.id)


def delete_backup(instance: Instance, backup: Backup, by: Actor, *, is_final: bool = False) -> Deleted:
    """Delete a backup: a successful one goes into the trash, unless `is_final`; any other, or one in it, goes at once.

    `freed_bytes` is 0 where a manifest of the account is damaged: then nothing is pruned until that is mended. Raises
    Conflict (BACKUP_IN_PROGRESS, BACKUP_LOCKED), StoreError (then it is deleted, and the rest is done later).
    """
    if backup.state in (State.QUEUED, State.RUNNING):
        raise Conflict("BACKUP_IN_PROGRESS", "The backup is still running; wait for it, or cancel it.")
    require_unlocked(instance, backup)
    if backup.state not in KEPT_STATES:
        delete_now(instance, backup, by)
        return Deleted(0, None)
    is_trashed = backup.state is State.SUCCESSFUL and not is_final
    freed = _freed_bytes(instance, backup, is_trashed)
    shown = 0 if freed is None else freed + _root_bytes(instance, backup)
    if not is_trashed:
        delete_now(instance, backup, by)
        return Deleted(shown, None)
    now_ns = instance.clock.now_ns()
    if not trash.put_into_trash(instance.catalog, backup.id, now_ns, by, freed):
        raise _changed_meanwhile()
    marked(instance, backup)
    return Deleted(shown, now_ns + TRASH_NS)


def _changed_meanwhile() -> Conflict:
    return Conflict("BACKUP_LOCKED", "The backup was locked or changed meanwhile; try again.")


def _freed_bytes(instance: Instance, backup: Backup, is_trashed: bool) -> int | None:
    """Return the bytes of packs that go with a backup; with the trash too if it goes into it. None: not known."""
    besides = trash.trashed_ids(instance.catalog, backup.account_id) if is_trashed else []
    try:
        return instance.vault(backup.account_id).bytes_only_in([backup.id], besides)
    except VaultError as error:
        _log.warning("what deleting backup %s frees is not known: %s", backup.id, error)
        return None


def _root_bytes(instance: Instance, backup: Backup) -> int:
    try:
        return instance.vault(backup.account_id).root_bytes(backup.id)
    except VaultError:
        return 0  # it is gone, or damaged


def undelete(instance: Instance, backup: Backup, by: Actor, *, is_limited: bool = False) -> Backup:
    """Bring a backup back from the trash, under its id, name and key.

    `is_limited`: the account asks for it, so that its plan must have room for it again. What of it was lost in the
    meantime is entered as damage. Raises NotFound if it is gone by now, LimitReached, StoreError.
    """
    permit = limits.permit_back(instance, backup, _bytes_back(instance, backup)) if is_limited else None
    # The marks first: the catalog must not call a backup good that a rebuild would throw away.
    store_marks(instance, structs.replace(backup, state=State.SUCCESSFUL, deleted_at=None))
    try:
        is_back = trash.take_out(instance.catalog, backup.id, instance.clock.now_ns(), by, permit)
    except LimitReached:
        marked(instance, backup)
        raise
    if not is_back:
        now = backup_by_id(instance.catalog, backup.id)
        if now is None or now.state is State.DELETING:
            drop_marks(instance, backup)  # whoever lets it go may have dropped the ones before
            raise backup_not_found()
    found = marked(instance, backup)
    event("backup_undeleted", {"backup_id": backup.id, "app_id": backup.app_id, "account_id": backup.account_id})
    try:
        check_backups(instance, backup.account_id, [found])
    except (StoreError, VaultError) as error:
        _log.warning("backup %s is back, and was not looked at: %s", backup.id, error)
    measure_trash(instance, backup.account_id)
    return backup_by_id(instance.catalog, backup.id) or found


def _bytes_back(instance: Instance, backup: Backup) -> int:
    """Return the bytes of the store that count again when a backup comes back; 0 where no limit asks for them."""
    if not plan_of(instance, get_account(instance, backup.account_id)).storage_bytes:
        return 0
    return _freed_bytes(instance, backup, is_trashed=True) or 0


def delete_now(instance: Instance, backup: Backup, by: Actor, *, deleted_before: int | None = None) -> None:
    """Delete for good, in an order that a crash cannot harm: the state first, then the root, then the row.

    `deleted_before`: only if it is in the trash since then. Raises Conflict (BACKUP_LOCKED), StoreError.
    """
    now_ns = instance.clock.now_ns()
    if backup.state is not State.DELETING and not mark_deleting(
        instance.catalog, backup.id, now_ns, by, deleted_before=deleted_before
    ):
        raise _changed_meanwhile()
    # The root first: without it the backup cannot come back by a rebuild, whatever else is left of it.
    instance.vault_store(backup.account_id).delete(root_name(backup.id))
    drop_marks(instance, backup)
    trash.note_marked(instance.catalog, backup.id)
    delete_row(instance.catalog, backup.id, instance.clock.now_ns())


def resume_deletions(instance: Instance) -> int:
    """Finish deletions that a crash cut off; returns how many. What the store refuses now waits for the next time."""
    done = 0
    for backup in backups_in(instance.catalog, [State.DELETING]):
        try:
            delete_now(instance, backup, SYSTEM)  # who began it stands in the audit since then
            done += 1
        except StoreError as error:
            _log.warning("the deletion of backup %s waits: %s", backup.id, error)
    for backup_id in trash.unmarked_ids(instance.catalog):
        unmarked = backup_by_id(instance.catalog, backup_id)
        try:
            if unmarked is None:
                trash.note_marked(instance.catalog, backup_id)
            elif unmarked.state in KEPT_STATES:
                marked(instance, unmarked)
        except StoreError as error:
            _log.warning("the marks of backup %s wait: %s", backup_id, error)
    return done


def empty_due(instance: Instance, control: ControlOf[object] = NEVER) -> None:
    """Let go what has been in the trash for its time, and measure what is left. A cancel ends it early.

    Whatever is cut off, or that the store refuses, is done the next time. Raises StoreError when the store is away.
    """
    before = instance.clock.now_ns() - TRASH_NS
    due = trash.due(instance.catalog, before, _AT_ONCE)
    if due:
        instance.confirm_store()
    for backup in due:
        if control.is_cancelled():
            return
        try:
            delete_now(instance, backup, SYSTEM, deleted_before=before)
        except Conflict:
            continue  # it was brought back, or another node is at it
        except StoreError as error:
            _log.warning("backup %s stays in the trash for now: %s", backup.id, error)
    for account_id in trash.unmeasured(instance.catalog):
        if control.is_cancelled():
            return
        measure_trash(instance, account_id)


def empty_trash(instance: Instance, account: Account, by: Actor) -> int:
    """Let go all that is in the trash of an account, now; return the number of backups. Raises StoreError."""
    gone = 0
    for backup_id in trash.trashed_ids(instance.catalog, account.id):
        backup = backup_by_id(instance.catalog, backup_id)
        if backup is None or backup.state is not State.TRASHED:
            continue
        try:
            delete_now(instance, backup, by, deleted_before=instance.clock.now_ns())
            gone += 1
        except Conflict:
            continue  # it was brought back meanwhile
    return gone


def measure_trash(instance: Instance, account_id: str) -> None:
    """Find what of the store the trash of an account alone needs; what cannot be found out now is measured later."""
    ids = trash.trashed_ids(instance.catalog, account_id)
    try:
        size = instance.vault(account_id).bytes_only_in(ids, ()) if ids else 0
    except (VaultError, StoreError) as error:
        _log.warning("what the trash of account %s holds is not known: %s", account_id, error)
        return
    trash.note_trash_bytes(instance.catalog, account_id, ids, size)


def count_uses(instance: Instance, account_id: str) -> None:
    """Count what a new backup needs, for the deletions to come; what cannot be counted now is counted then."""
    try:
        instance.vault(account_id).count_uses(trash.trashed_ids(instance.catalog, account_id))
    except (VaultError, StoreError) as error:
        _log.warning("what the backups of account %s need is not counted yet: %s", account_id, error)
