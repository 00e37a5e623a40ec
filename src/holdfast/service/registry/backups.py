"""Backups: list, show, rename, lock; the names and notes that people give them. `trash.py` deletes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal
from urllib.parse import quote

from holdfast.catalog.backups import found as backup_found
from holdfast.catalog.backups.changes import labels as backup_labels
from holdfast.catalog.backups.changes.asked import BackupNameTaken
from holdfast.catalog.backups.changes.labels import rename_backup
from holdfast.catalog.backups.damage import NOT_PROVED
from holdfast.catalog.backups.downloadable import Downloadable
from holdfast.catalog.backups.found import KEPT_STATES, backup_by_id, backup_of_app
from holdfast.catalog.backups.trash import note_marked
from holdfast.catalog.prepared_queries import ListRow
from holdfast.catalog.records import Actor, Backup, State
from holdfast.schemas.backups import (
    NAME_CHARACTERS_MAX,
    NOTE_CHARACTERS_MAX,
    ListedBackup,
    backup_of,
    listed_of,
    row_of,
)
from holdfast.schemas.backups import Backup as FullBackup
from holdfast.schemas.fields import Note, OperatorNote, note_of
from holdfast.schemas.times import iso
from holdfast.service.errors import Conflict, Invalid, NotFound, backup_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import drop_marks, marks_of, store_marks
from holdfast.service.registry.accounts import get_account, plan_of
from holdfast.service.registry.kept import kept_by
from holdfast.service.registry.link_keys import LinkKeys
from holdfast.units import DAY_NS

Format = Literal["zip", "tar.gz"]

ListedRows = list[ListRow]
"""As much of an application's backups as the list shows."""

LOCK_DAYS_WITHOUT_LIMIT = 36_500
"""A time lock ends within this time also where the plan has no limit."""

_NAMED = 3
"""At most this many damaged files are named in a backup's error; its warnings have all."""


def list_backups(instance: Instance, app_id: str, limit: int | None = None, after: str | None = None) -> list[Backup]:
    """Backups of an application, oldest first."""
    return backup_found.list_backups(instance.catalog, app_id, limit, after)


def list_account_backups(
    instance: Instance,
    account_id: str,
    limit: int | None = None,
    after: str | None = None,
    app_ids: Collection[str] | None = None,
) -> list[Backup]:
    """Backups of an account, newest first; of some of its applications only, if those are given."""
    return backup_found.list_account_backups(instance.catalog, account_id, limit, after, app_ids)


def list_items(instance: Instance, account_id: str, rows: ListedRows, *, with_keys: bool = True) -> list[ListedBackup]:
    """The list of an application of an account, of its rows. Raises KeyMismatch."""
    zone, keys = instance.zone, LinkKeys(instance)
    return [
        listed_of((name, size, finished_at, keys.key(account_id, digest) if with_keys else "", created_at, state), zone)
        for name, size, finished_at, digest, created_at, state in rows
    ]


def list_rows(instance: Instance, app_id: str) -> ListedRows:
    """The rows of an application's whole list, oldest first, by the quick way."""
    return instance.prepared.list_rows(app_id)


def listed(instance: Instance, backups: Sequence[Backup], *, with_keys: bool = True) -> list[ListedBackup]:
    """Backups as the list shows them. Raises KeyMismatch."""
    keys = LinkKeys(instance)
    return [listed_of(row_of(backup, keys.of(backup) if with_keys else ""), instance.zone) for backup in backups]


def full_object(
    instance: Instance, backup: Backup, *, with_keys: bool = True, for_operator: bool = False
) -> FullBackup:
    """A backup as a whole; for the operator with the details of its failure. Raises KeyMismatch."""
    return full_objects(instance, [backup], with_keys=with_keys, for_operator=for_operator)[0]


def full_objects(
    instance: Instance,
    backups: Sequence[Backup],
    *,
    with_keys: bool = True,
    for_operator: bool = False,
    kept: Mapping[str, tuple[str, ...]] | None = None,
) -> list[FullBackup]:
    """Backups as a whole; without the keys and URLs of downloads for one who may not have them. Raises KeyMismatch.

    `kept`: by id what keeps them, if that is known already.
    """
    keys, shown, now_ns = LinkKeys(instance), [], instance.clock.now_ns()
    kept = kept_by(instance, backups) if kept is None else kept
    for backup in backups:
        key = keys.of(backup) if with_keys and backup.deleted_at is None else ""
        url = _url(instance, backup, key) if key and backup.state is State.SUCCESSFUL else None
        error = _error(backup, for_operator)
        shown.append(backup_of(backup, key, instance.zone, url, error, kept.get(backup.id, ()), now_ns))
    return shown


def _error(backup: Backup, for_operator: bool) -> Note | None:
    """Why a backup failed, or what of a successful one is lost by now."""
    if backup.error_code is not None:
        detail = (backup.reason or "") if for_operator else None
        return note_of(backup.error_code, backup.error_message, detail)
    if not backup.damage:
        return None
    found = _loss(backup)
    return OperatorNote(found.code, found.message, found.message) if for_operator else found


def _loss(backup: Backup) -> Note:
    lost = [w for w in backup.damage if w.code != NOT_PROVED]
    if not lost:
        return Note(NOT_PROVED, f"{backup.damage[0].message} Use another backup.")
    files = [w.path for w in lost if w.path]
    if not files:
        return Note("DAMAGED", f"{lost[0].message} Take a new backup.")
    count = "1 of its files" if len(lost) == 1 else f"{len(lost)} of its files"
    if not lost[-1].path:
        count = f"More than {len(files)} of its files"
    named = ", ".join(files[:_NAMED]) + (" ..." if len(files) > _NAMED else "")
    message = f"{count} can't be read: {named}; take a new backup, which heals what is still the same."
    return Note("DAMAGED", message)


def download_url(instance: Instance, backup: Backup, format: Format = "zip") -> str:
    """Return the URL of a successful backup's download, ready to use. Raises KeyMismatch."""
    return _url(instance, backup, LinkKeys(instance).of(backup), format)


def _url(instance: Instance, backup: Backup, key: str, format: Format = "zip") -> str:
    return f"{download_place(instance, backup, format)}?{key}"


def download_place(instance: Instance, backup: Backup | Downloadable, format: str) -> str:
    """Return the URL of a backup's download without the query, which is what opens it."""
    return f"{instance.config.downloads_url}/{backup.account_id}_{quote(backup.name, safe='')}.{format}"


def find_backup(instance: Instance, app_id: str, id_or_name: str) -> Backup:
    """One backup of an application, by id or by name. Raises NotFound."""
    backup = backup_of_app(instance.catalog, app_id, id_or_name)
    if backup is None:
        raise backup_not_found()
    return backup


def backup_now(instance: Instance, backup_id: str) -> Backup:
    """A backup as it is now. Raises NotFound (BACKUP_NOT_FOUND)."""
    found = backup_by_id(instance.catalog, backup_id)
    if found is None:
        raise backup_not_found()
    return found


def check_after(instance: Instance, after: str | None, account_id: str, app_id: str | None = None) -> None:
    """Raise NotFound unless there is a backup `after` (of this account, of this application).

    An empty page in its place would look like the end to a client whose backup was deleted between two pages.
    """
    if after is None:
        return
    backup = backup_by_id(instance.catalog, after)
    if backup is None or backup.account_id != account_id or app_id not in (None, backup.app_id):
        if app_id is None:
            raise NotFound("BACKUP_NOT_FOUND", "This account has no such backup.")
        raise backup_not_found()


def rename(instance: Instance, backup: Backup, name: str, by: Actor) -> Backup:
    """Give a backup another name; its download URL changes with it. Raises Invalid, Conflict."""
    check_name(name)
    if backup.state is State.DELETING:
        raise Conflict("BACKUP_NOT_USABLE", "The backup is being deleted.")
    try:
        rename_backup(instance.catalog, backup.id, name, instance.clock.now_ns(), by)
    except BackupNameTaken as taken:
        raise name_taken(name, is_in_trash=taken.is_in_trash) from None
    return marked(instance, backup)


def set_note(instance: Instance, backup: Backup, note: str | None, by: Actor) -> Backup:
    """Give a backup another note; None or blanks take it away. Raises Invalid (NOTE), Conflict (BACKUP_NOT_USABLE)."""
    note = checked_note(note)
    if backup.state is State.DELETING:
        raise Conflict("BACKUP_NOT_USABLE", "The backup is being deleted.")
    backup_labels.set_note(instance.catalog, backup.id, note, instance.clock.now_ns(), by)
    return marked(instance, backup)


def name_taken(name: str, *, is_in_trash: bool = False) -> Invalid:
    """The error for a name that another backup of the application has; `is_in_trash`: one that was deleted."""
    if is_in_trash:
        return Invalid(
            "name",
            f"A deleted backup in the trash is named {name!r}; choose another name, bring that one back, or delete it "
            "for good.",
        )
    return Invalid("name", f"Another backup of this application is named {name!r}; choose another name.")


def set_lock(
    instance: Instance,
    backup: Backup,
    by: Actor,
    is_locked: bool | None = None,
    locked_until: int | None = None,
    *,
    by_customer: bool = False,
) -> Backup:
    """Lock or unlock a backup, or lock it until a time (nanoseconds), which can only be moved on.

    `by_customer`: the end must lie within what the account's plan allows; the operator, who can override a lock, may
    set what he likes. Raises Conflict (BACKUP_LOCKED) when that would shorten a time lock, Conflict
    (BACKUP_NOT_USABLE), Invalid (LOCKED_UNTIL).
    """
    if by_customer and locked_until is not None:
        _check_lock_end(instance, backup, locked_until)
    if backup.state is State.DELETING:
        raise Conflict("BACKUP_NOT_USABLE", "The backup is being deleted.")
    changed = backup_labels.set_lock(instance.catalog, backup.id, is_locked, locked_until, instance.clock.now_ns(), by)
    found = marked(instance, backup) if changed else backup
    if not changed:
        if backup_now(instance, backup.id).deleted_at is not None:
            raise backup_not_found()
        raise Conflict("BACKUP_LOCKED", "The backup's time lock can be made longer, not shorter.")
    return found


def _check_lock_end(instance: Instance, backup: Backup, locked_until: int) -> None:
    """Raise Invalid for a time lock without end: nobody could delete the backup, or end its application."""
    account = get_account(instance, backup.account_id)
    days = plan_of(instance, account).lock_days_max or LOCK_DAYS_WITHOUT_LIMIT
    latest = instance.clock.now_ns() + days * DAY_NS
    if locked_until > latest:
        raise Invalid(
            "locked_until",
            f"locked_until must be at most {days} days ahead, as the plan {account.plan} has it: "
            f"{iso(latest, instance.zone)} or before.",
        )


def override_locks(instance: Instance, backup: Backup, by: Actor) -> Backup:
    """Take all locks of a backup away, as only the operator may; of a time lock an event says so.

    Raises Conflict (BACKUP_NOT_USABLE).
    """
    if backup.state is State.DELETING:
        raise Conflict("BACKUP_NOT_USABLE", "The backup is being deleted.")
    backup_labels.override_locks(instance.catalog, backup.id, instance.clock.now_ns(), by)
    return marked(instance, backup)


def marked(instance: Instance, backup: Backup) -> Backup:
    """The backup as it is now, with what changed of it written to the store too. Raises NotFound, StoreError."""
    found = backup_now(instance, backup.id)
    while found.state in KEPT_STATES:
        store_marks(instance, found)
        now = backup_by_id(instance.catalog, backup.id)
        if now is None:
            drop_marks(instance, backup)
            break
        if marks_of(now) == marks_of(found):
            note_marked(instance.catalog, backup.id)
            break
        found = now  # of two that change it at once, the one that writes last must have read last
    return found


def require_usable(backup: Backup, verb: str) -> None:
    """Raise Conflict (BACKUP_NOT_USABLE) unless the backup is successful; `verb` ends "can be": "restored"."""
    if backup.state is State.TRASHED:
        raise Conflict("BACKUP_NOT_USABLE", f"The backup is in the trash; it can be {verb} once it is brought back.")
    if backup.state is not State.SUCCESSFUL:
        raise Conflict("BACKUP_NOT_USABLE", f"The backup is {backup.state}; only a successful one can be {verb}.")


def require_unlocked(instance: Instance, backup: Backup, called: str = "The backup") -> None:
    """Raise Conflict (BACKUP_LOCKED) while a backup must not be deleted."""
    if backup.is_locked:
        raise Conflict("BACKUP_LOCKED", f"{called} is locked; unlock it first.")
    until = locked_until(instance, backup)
    if until is not None:
        raise Conflict("BACKUP_LOCKED", f"{called} is locked until {until} and can't be deleted before.")


def locked_until(instance: Instance, backup: Backup) -> str | None:
    """Return when the time lock of a backup ends; None for a backup without one, or with one that is over."""
    if backup.locked_until is None or backup.locked_until <= instance.clock.now_ns():
        return None
    return iso(backup.locked_until, instance.zone)


def check_name(name: str) -> None:
    """Raises Invalid when a name cannot be the last part of a URL and the name of a file."""
    if not name.strip() or name in (".", ".."):
        raise Invalid("name", "A name must have at least one character that is not a blank.")
    if len(name) > NAME_CHARACTERS_MAX:
        raise Invalid("name", f"A name must have at most {NAME_CHARACTERS_MAX} characters.")
    if any(0xD800 <= ord(c) < 0xE000 for c in name):
        raise Invalid("name", "A name must be UTF-8, and this one is not; write it in another way.")
    if "/" in name or any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in name):
        raise Invalid("name", "A name must have no slash and no control characters.")


def checked_note(note: str | None) -> str | None:
    """The note as it is kept; None for blanks. Raises Invalid (NOTE)."""
    if note is None or not note.strip():
        return None
    if len(note) > NOTE_CHARACTERS_MAX:
        raise Invalid("note", f"A note must have at most {NOTE_CHARACTERS_MAX} characters.")
    if any(0xD800 <= ord(c) < 0xE000 for c in note):
        raise Invalid("note", "A note must be UTF-8, and this one is not; write it in another way.")
    if any((ord(c) < 32 and c not in "\t\n") or 0x7F <= ord(c) < 0xA0 for c in note):
        raise Invalid("note", "A note must have no control characters but tabs and ends of lines.")
    return note
