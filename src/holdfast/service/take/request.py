"""Request a backup: enter it as queued, once for each idempotency key, under a name that nothing else has."""

from __future__ import annotations

import hashlib

import msgspec

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups import rows
from holdfast.catalog.backups.retention import BY_HAND
from holdfast.catalog.database.held import AppEnded
from holdfast.catalog.records import Actor, App, Backup, State, new_id
from holdfast.schemas.times import local_time
from holdfast.service.errors import Conflict, IdempotencyKeyReused, LimitReached, app_ended, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.wake import wake
from holdfast.service.policy import limits
from holdfast.service.registry.backups import check_name, checked_note, name_taken
from holdfast.units import DAY_NS

IDEMPOTENCY_NS = DAY_NS

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
    idempotency_key: str | None = None,
    backup_id: str | None = None,
    is_limited: bool = False,
) -> tuple[Backup, bool]:
    """Enter a backup as queued; returns it, and whether it is new (False: the same key asked for it before).

    `backup_id`: its id, if this node has its archive or runs it at once; then it is this node's, wherever its app is.
    `is_limited`: the account asks for it, so that its plan's limits count; without it one by hand is the operator's.
    Raises NotFound, Invalid (NAME, NOTE), Conflict (.._IN_PROGRESS, APP_ENDED), IdempotencyKeyReused, LimitReached.
    """
    app = app_by_id(instance.catalog, app_id)
    if app is None:
        raise app_not_found()
    if name is not None:
        check_name(name)
    note = checked_note(note)
    request_hash = _hash_of(name, origin, is_locked, note)
    now_ns = instance.clock.now_ns()
    if idempotency_key is not None:
        earlier = _earlier(instance, app_id, idempotency_key, request_hash, now_ns)
        if earlier is not None:
            return earlier, False
    default = default_name(instance, origin, now_ns)
    permit = limits.permit(instance, now_ns) if is_limited else None
    is_operators = origin in BY_HAND and not is_limited
    about = (origin, is_locked, now_ns, idempotency_key, request_hash, is_operators, note)
    for attempt in range(1, 100):
        chosen = name or (default if attempt == 1 else f"{default} ({attempt})")
        backup = queued_backup(app, chosen, *about)
        if backup_id is not None:
            backup = msgspec.structs.replace(backup, id=backup_id, node=instance.config.node)
        try:
            rows.insert_backup(instance.catalog, backup, by, permit)
        except rows.BackupNameTaken as taken:
            if name is not None:
                raise name_taken(name, is_in_trash=taken.is_in_trash) from None
        except (rows.BackupRunning, LimitReached) as error:
            if idempotency_key is not None:
                # The same request may have come in at the same time, twice.
                earlier = _earlier(instance, app_id, idempotency_key, request_hash, now_ns)
                if earlier is not None:
                    return earlier, False
            if isinstance(error, LimitReached):
                raise
            raise Conflict("BACKUP_IN_PROGRESS", _RUNS) from None
        except (rows.RestoreRunning, AppEnded) as error:
            raise _refused(error) from None
        else:
            wake(instance)
            return backup, True
    raise name_taken(default)


def _refused(error: Exception) -> Conflict:
    return app_ended() if isinstance(error, AppEnded) else Conflict("RESTORE_IN_PROGRESS", _RESTORED)


def _hash_of(name: str | None, origin: str, is_locked: bool, note: str | None) -> str:
    # Without a note as it was before there were notes: a request that is repeated across an update is the same.
    asked = [name, origin, is_locked, *([] if note is None else [note])]
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def _earlier(instance: Instance, app_id: str, key: str, request_hash: str, now_ns: int) -> Backup | None:
    earlier = rows.backup_by_idempotency_key(instance.catalog, app_id, key, now_ns - IDEMPOTENCY_NS)
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
    idempotency_key: str | None = None,
    request_hash: str | None = None,
    is_operators: bool = False,
    note: str | None = None,
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
        idempotency_key=idempotency_key,
        request_hash=request_hash,
        commit_seq=None,
        is_operators=is_operators,
        note=note,
    )


def queued_backups(instance: Instance) -> list[Backup]:
    """Backups of this node that wait to be run."""
    return rows.backups_in(instance.catalog, [State.QUEUED], instance.config.node)
