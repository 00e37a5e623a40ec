"""Backups: list, show, rename, lock, delete; the names that people give them, and the keys of their downloads."""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import Any, Literal
from urllib.parse import quote

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups import rows
from holdfast.catalog.backups.damage import NOT_PROVED
from holdfast.catalog.prepared_queries import ListRow
from holdfast.catalog.records import Backup, State
from holdfast.service.errors import Conflict, Invalid, app_not_found, backup_not_found
from holdfast.service.instance.clock import iso
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import drop_marks, keep_marks
from holdfast.stores.port import StoreError
from holdfast.vault.errors import VaultError
from holdfast.vault.manifest.root import root_name

Format = Literal["zip", "tar.gz"]
FORMATS: tuple[Format, ...] = ("zip", "tar.gz")

NAME_CHARACTERS_MAX = 191

LINK_KEY_DIGITS = 40

_NAMED = 3
"""At most this many damaged files are named in a backup's error; its warnings have all."""

_log = logging.getLogger(__name__)


def list_backups(instance: Instance, app_id: str, limit: int | None = None, after: str | None = None) -> list[Backup]:
    """Backups of an application, oldest first."""
    return rows.list_backups(instance.catalog, app_id, limit, after)


def list_account_backups(
    instance: Instance, account_id: str, limit: int | None = None, after: str | None = None
) -> list[Backup]:
    """Backups of an account, newest first."""
    return rows.list_account_backups(instance.catalog, account_id, limit, after)


def list_items(instance: Instance, app_id: str) -> list[dict[str, Any]]:
    """The whole list of an application in the API's six fields, by the quick way."""
    zone = instance.zone
    return [_item(row, zone) for row in instance.hot.list_rows(app_id)]


def _item(row: ListRow, zone: Any) -> dict[str, Any]:
    name, size, finished_at, key, created_at, state = row
    good = state == State.SUCCESSFUL
    return {
        "name": name,
        "size": size if good else 0,
        "modified": iso(finished_at if finished_at is not None else created_at, zone),
        "key": key if good else "",
        "created_at": iso(created_at, zone),
        "is_successful": good,
    }


def list_item(instance: Instance, backup: Backup) -> dict[str, Any]:
    """A backup in the API's six fields, in their order."""
    row = (backup.name, backup.zip_bytes, backup.finished_at, backup.link_key, backup.created_at, str(backup.state))
    return _item(row, instance.zone)


def full_object(instance: Instance, backup: Backup) -> dict[str, Any]:
    """The API's full backup object."""
    zone = instance.zone

    def time(ns: int | None) -> str | None:
        return None if ns is None else iso(ns, zone)

    progress = backup.progress
    return {
        **list_item(instance, backup),
        "id": backup.id,
        "app_id": backup.app_id,
        "state": str(backup.state),
        "origin": backup.origin,
        "url": download_url(instance, backup) if backup.state is State.SUCCESSFUL else None,
        "files": backup.files,
        "content_size": backup.content_bytes,
        "stored_size": backup.stored_bytes,
        "is_locked": backup.is_locked,
        "locked_until": time(backup.locked_until),
        "error": _error(backup),
        "warnings": [
            {"path": w.path, "code": w.code, "message": w.message} for w in (*backup.damage, *backup.warnings)
        ],
        "progress": None
        if progress is None
        else {
            "files": progress.files,
            "bytes": progress.bytes,
            "total_files": progress.total_files,
            "total_bytes": progress.total_bytes,
        },
        "verified_at": time(backup.verified_at),
        "restore_proved_at": time(backup.restore_proved_at),
    }


def _error(backup: Backup) -> dict[str, str] | None:
    """Why a backup failed, or what of a successful one is lost by now."""
    if backup.error_code is not None:
        return {"code": backup.error_code, "message": backup.error_message or ""}
    if not backup.damage:
        return None
    lost = [w for w in backup.damage if w.code != NOT_PROVED]
    if not lost:
        return {"code": NOT_PROVED, "message": f"{backup.damage[0].message} Use another backup."}
    files = [w.path for w in lost if w.path]
    if not files:
        return {"code": "DAMAGED", "message": f"{lost[0].message} Take a new backup."}
    count = "1 of its files" if len(lost) == 1 else f"{len(lost)} of its files"
    if not lost[-1].path:
        count = f"More than {len(files)} of its files"
    named = ", ".join(files[:_NAMED]) + (" ..." if len(files) > _NAMED else "")
    return {
        "code": "DAMAGED",
        "message": f"{count} can't be read: {named}; take a new backup, which heals what is still the same.",
    }


def download_url(instance: Instance, backup: Backup, format: Format = "zip") -> str:
    """Return the URL of a successful backup's download, ready to use."""
    name = quote(backup.name, safe="")
    return f"{instance.config.downloads_url}/{backup.account_id}_{name}.{format}?{backup.link_key}"


def get_backup(instance: Instance, account_id: str, app_id: str, id_or_name: str) -> Backup:
    """One backup of an account's application. Raises NotFound (APP_NOT_FOUND, BACKUP_NOT_FOUND)."""
    app = app_by_id(instance.catalog, app_id)
    if app is None or app.account_id != account_id:
        raise app_not_found()
    return find_backup(instance, app_id, id_or_name)


def find_backup(instance: Instance, app_id: str, id_or_name: str) -> Backup:
    """One backup of an application, by id or by name. Raises NotFound."""
    backup = rows.backup_of_app(instance.catalog, app_id, id_or_name)
    if backup is None:
        raise backup_not_found()
    return backup


def rename(instance: Instance, backup: Backup, name: str) -> Backup:
    """Give a backup another name; its download URL changes with it. Raises Invalid, Conflict."""
    check_name(name)
    if backup.state is State.DELETING:
        raise Conflict("BACKUP_NOT_USABLE", "The backup is being deleted.")
    try:
        rows.rename_backup(instance.catalog, backup.id, name)
    except rows.BackupNameTaken:
        raise name_taken(name) from None
    return _marked(instance, backup)


def name_taken(name: str) -> Invalid:
    """The error for a name that another backup of the application has."""
    return Invalid("name", f"Another backup of this application is named {name!r}; choose another name.")


def set_lock(
    instance: Instance, backup: Backup, is_locked: bool | None = None, locked_until: int | None = None
) -> Backup:
    """Lock or unlock a backup, or lock it until a time (nanoseconds), which can only be moved on.

    Raises Conflict (BACKUP_LOCKED) when that would shorten a time lock, Conflict (BACKUP_NOT_USABLE).
    """
    if backup.state is State.DELETING:
        raise Conflict("BACKUP_NOT_USABLE", "The backup is being deleted.")
    changed = rows.set_lock(instance.catalog, backup.id, is_locked, locked_until, instance.clock.now_ns())
    found = _marked(instance, backup) if changed else backup
    if not changed:
        raise Conflict("BACKUP_LOCKED", "The backup's time lock can be made longer, not shorter.")
    return found


def _marked(instance: Instance, backup: Backup) -> Backup:
    """The backup as it is now, its name and locks written to the store too."""
    found = _again(instance, backup)
    if found.state is State.SUCCESSFUL:
        keep_marks(instance, found)
    return found


def require_usable(backup: Backup, verb: str) -> None:
    """Raise Conflict (BACKUP_NOT_USABLE) unless the backup is successful; `verb` ends "can be": "restored"."""
    if backup.state is not State.SUCCESSFUL:
        raise Conflict("BACKUP_NOT_USABLE", f"The backup is {backup.state}; only a successful one can be {verb}.")


def delete_backup(instance: Instance, backup: Backup) -> int:
    """Delete a backup; returns the bytes of the store that only it needed: what pruning will free.

    They are 0 where a manifest of the account is damaged: then nothing is pruned until that is mended.

    Raises Conflict (BACKUP_IN_PROGRESS, BACKUP_LOCKED).
    """
    if backup.state in (State.QUEUED, State.RUNNING):
        raise Conflict("BACKUP_IN_PROGRESS", "The backup is being made; wait for it, or cancel it.")
    if backup.is_locked:
        raise Conflict("BACKUP_LOCKED", "The backup is locked; unlock it first.")
    if backup.locked_until is not None and backup.locked_until > instance.clock.now_ns():
        until = iso(backup.locked_until, instance.zone)
        raise Conflict("BACKUP_LOCKED", f"The backup is locked until {until} and can't be deleted before.")
    freed = 0
    if backup.state is State.SUCCESSFUL:
        try:
            freed = instance.vault(backup.account_id).bytes_only_in(backup.id)
        except VaultError as error:
            _log.warning("what deleting backup %s frees is not known: %s", backup.id, error)
    delete_now(instance, backup)
    return freed


def delete_now(instance: Instance, backup: Backup) -> None:
    """Delete in an order that a crash cannot harm: the state first, then the root, then the row."""
    if backup.state is not State.DELETING and not rows.mark_deleting(
        instance.catalog, backup.id, instance.clock.now_ns()
    ):
        raise Conflict("BACKUP_LOCKED", "The backup was locked or changed meanwhile; try again.")
    # The root first: without it the backup cannot come back by a rebuild, whatever else is left of it.
    instance.vault_store(backup.account_id).delete(root_name(backup.id))
    drop_marks(instance, backup)
    rows.delete_row(instance.catalog, backup.id, instance.clock.now_ns())


def resume_deletions(instance: Instance) -> int:
    """Finish deletions that a crash cut off; returns how many. What the store refuses now waits for the next time."""
    done = 0
    for backup in rows.backups_in(instance.catalog, [State.DELETING]):
        try:
            delete_now(instance, backup)
            done += 1
        except StoreError as error:
            _log.warning("the deletion of backup %s waits: %s", backup.id, error)
    return done


def _again(instance: Instance, backup: Backup) -> Backup:
    found = rows.backup_by_id(instance.catalog, backup.id)
    if found is None:
        raise backup_not_found()
    return found


def check_name(name: str) -> None:
    """Raises Invalid when a name cannot be the last part of a URL and the name of a file."""
    if not name.strip() or name in (".", ".."):
        raise Invalid("name", "A name must have at least one character that is not a blank.")
    if len(name) > NAME_CHARACTERS_MAX:
        raise Invalid("name", f"A name must have at most {NAME_CHARACTERS_MAX} characters.")
    if "/" in name or any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in name):
        raise Invalid("name", "A name must have no slash and no control characters.")


def link_key(link_secret: bytes, digest: bytes) -> str:
    """The key of a backup's download: 160 bits of HMAC-SHA-256 with the account's secret over the backup's digest.

    Two backups with the same content have the same key; a new secret ends all links of the account.
    """
    return hmac.new(link_secret, b"holdfast 1 download" + digest, hashlib.sha256).hexdigest()[:LINK_KEY_DIGITS]


def same_key(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
