"""Request a backup: enter it as queued, once for each idempotency key, under a name that nothing else has."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import msgspec

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups.changes.asked import (
    BackupNameTaken,
    BackupRunning,
    ReferenceTaken,
    RestoreRunning,
    insert_backup,
)
from holdfast.catalog.backups.found import backup_by_idempotency_key, backups_in
from holdfast.catalog.backups.limits import Counts
from holdfast.catalog.backups.retention import BY_HAND
from holdfast.catalog.database.held import AppEnded
from holdfast.catalog.records import Actor, App, Backup, State, new_id
from holdfast.schemas.backups import REFERENCE_CHARACTERS_MAX
from holdfast.schemas.times import local_time
from holdfast.service.errors import Conflict, IdempotencyKeyReused, Invalid, ServiceError, app_ended, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.wake import wake
from holdfast.service.policy import limits
from holdfast.service.registry.backups import check_name, checked_note, name_taken
from holdfast.units import DAY_NS

IDEMPOTENCY_NS = DAY_NS

_REFERENCE = re.compile(rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{REFERENCE_CHARACTERS_MAX}}}")
_RUNS = "A backup of this application is already running; wait for it."
_RESTORED = "The application is being restored; wait until that is finished."


def request_backup(
    instance: Instance,
    app_id: str,
    by: Actor,
    *,
    name: str | None = None,
    origin: str = "manual",
    is_locked: bool = False,
    note: str | None = None,
    reference: str | None = None,
    idempotency_key: str | None = None,
    backup_id: str | None = None,
    is_limited: bool = False,
) -> tuple[Backup, bool]:
    """Enter a backup as queued; returns it, and whether it is new (False: the same key asked for it before).

    `backup_id`: its id, if this node has its archive or runs it at once; then it is this node's, wherever its app is.
    `is_limited`: the account asks for it, so that its plan's limits count; without it one by hand is the operator's.
    Raises NotFound, Invalid (NAME, NOTE, REFERENCE), Conflict (.._IN_PROGRESS, APP_ENDED, REFERENCE_TAKEN),
    IdempotencyKeyReused, LimitReached.
    """
    app = app_by_id(instance.catalog, app_id)
    if app is None:
        raise app_not_found()
    if name is not None:
        check_name(name)
    note, reference = checked_note(note), checked_reference(reference)
    request_hash = _hash_of(name, origin, is_locked, note, reference)
    now_ns = instance.clock.now_ns()
    if idempotency_key is not None:
        earlier = _earlier(instance, app_id, idempotency_key, request_hash, now_ns)
        if earlier is not None:
            return earlier, False
    backup = queued_backup(app, name or default_name(instance, origin, now_ns), origin, is_locked, now_ns)
    is_operators = origin in BY_HAND and not is_limited
    asked = {"idempotency_key": idempotency_key, "request_hash": request_hash, "note": note, "reference": reference}
    backup = msgspec.structs.replace(backup, is_operators=is_operators, **asked)
    if backup_id is not None:
        backup = msgspec.structs.replace(backup, id=backup_id, node=instance.config.node)
    permit = limits.permit(instance, now_ns) if is_limited else None
    try:
        entered = _entered(instance, backup, by, permit, is_named=name is not None)
    except ServiceError:
        if idempotency_key is not None:
            # The same request may have come in at the same time, twice.
            earlier = _earlier(instance, app_id, idempotency_key, request_hash, now_ns)
            if earlier is not None:
                return earlier, False
        raise
    wake(instance)
    return entered, True


def _entered(
    instance: Instance, backup: Backup, by: Actor, permit: Callable[[Counts], None] | None, *, is_named: bool
) -> Backup:
    """Enter a backup; one that nobody named gets a number behind its name where another one has that."""
    default = backup.name
    for attempt in range(1, 100):
        if attempt > 1:
            backup = msgspec.structs.replace(backup, name=f"{default} ({attempt})")
        try:
            insert_backup(instance.catalog, backup, by, permit)
            return backup
        except BackupNameTaken as taken:
            if is_named:
                raise name_taken(default, is_in_trash=taken.is_in_trash) from None
        except ReferenceTaken as taken:
            raise _reference_taken(backup, is_in_trash=taken.is_in_trash) from None
        except BackupRunning:
            raise Conflict("BACKUP_IN_PROGRESS", _RUNS) from None
        except RestoreRunning:
            raise Conflict("RESTORE_IN_PROGRESS", _RESTORED) from None
        except AppEnded:
            raise app_ended() from None
    raise name_taken(default)


def checked_reference(reference: str | None) -> str | None:
    """Return a reference. Raises Invalid (REFERENCE)."""
    if reference is not None and not _REFERENCE.fullmatch(reference):
        rule = f"1 to {REFERENCE_CHARACTERS_MAX} characters, none of them a control character"
        raise Invalid("reference", f"reference must be text of {rule}.")
    return reference


def _reference_taken(backup: Backup, *, is_in_trash: bool) -> Conflict:
    where = "in the trash; bring it back, or delete it for good" if is_in_trash else f"as ref:{backup.reference}"
    return Conflict("REFERENCE_TAKEN", f"The application has a backup with this reference already, {where}.")


def _hash_of(name: str | None, origin: str, is_locked: bool, note: str | None, reference: str | None) -> str:
    # Without a note or a reference as it was before there were any: a request repeated across an update is the same.
    asked: list[Any] = [name, origin, is_locked, *([] if note is None else [note])]
    asked += [] if reference is None else [{"reference": reference}]
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def _earlier(instance: Instance, app_id: str, key: str, request_hash: str, now_ns: int) -> Backup | None:
    earlier = backup_by_idempotency_key(instance.catalog, app_id, key, now_ns - IDEMPOTENCY_NS)
    if earlier is not None and earlier.request_hash != request_hash:
        raise IdempotencyKeyReused
    return earlier


def default_name(instance: Instance, origin: str, now_ns: int) -> str:
    """The name of a backup that nobody named."""
    kind = "Safety backup" if origin == "safety" else "Backup"
    return f"{kind} at {local_time(now_ns, instance.zone):%Y-%m-%d %H:%M:%S}"


def queued_backup(
    app: App,
    name: str,
    origin: str,
    is_locked: bool,
    now_ns: int,
) -> Backup:
    """A fresh backup as it is entered."""
    return Backup(
        id=new_id(now_ns),
        account_id=app.account_id,
        app_id=app.id,
        name=name,
        state=State.QUEUED,
        origin=origin,
        created_at=now_ns,
        finished_at=None,
        zip_bytes=0,
        tar_bytes=0,
        digest=None,
        files=0,
        content_bytes=0,
        stored_bytes=0,
        is_locked=is_locked,
        locked_until=None,
        error_code=None,
        error_message=None,
        warnings=(),
        progress=None,
        node=app.node,
        verified_at=None,
        restore_proved_at=None,
        idempotency_key=None,
        request_hash=None,
        commit_seq=None,
    )


def queued_backups(instance: Instance) -> list[Backup]:
    """Backups of this node that wait to be run."""
    return backups_in(instance.catalog, [State.QUEUED], instance.config.node)
