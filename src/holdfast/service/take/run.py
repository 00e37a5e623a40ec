"""Run a queued backup in this process, from its claim to its end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

import msgspec

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups.changes.run import finish_backup, next_commit_seq, record_progress, start_backup
from holdfast.catalog.backups.damage import not_to_build_on
from holdfast.catalog.backups.found import latest_successful
from holdfast.catalog.jobs import work as running
from holdfast.catalog.records import IMPORTED, Actor, App, Backup, State, Warned, new_id
from holdfast.service.errors import app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.instance.import_scratch import remove_scratch
from holdfast.service.instance.locks import held
from holdfast.service.instance.logs import event
from holdfast.service.jobs.failures import INTERNAL_ERROR
from holdfast.service.jobs.lifecycle import catalog_control
from holdfast.service.policy.overdue import overdue_after
from holdfast.service.policy.retention import is_shrunk
from holdfast.service.registry.account_record import store_marks, store_record
from holdfast.service.registry.apps import require_folder, require_here
from holdfast.service.registry.backups import backup_now
from holdfast.service.registry.damage import recheck
from holdfast.service.registry.trash import count_uses
from holdfast.service.registry.vault_there import confirm_vault
from holdfast.service.take.failing import FAILURES, fail, is_customers_failure, take_lock
from holdfast.service.take.hooks import Hooks
from holdfast.service.take.log import BackupLog
from holdfast.service.take.request import request_backup
from holdfast.service.take.source import chosen_source
from holdfast.stores.port import StoreError
from holdfast.units import SECOND_NS
from holdfast.vault.control import NEVER, Control, Progress
from holdfast.vault.errors import (
    SessionFenced,
    Stopped,
    TakeAgain,
)
from holdfast.vault.manifest.root import root_name
from holdfast.vault.paths import shown
from holdfast.vault.vault import TakeResult

FENCED_TRIES = 3
WARNINGS_MAX = 1000
WARNING_BYTES_MAX = 1024 * 1024
"""Of more warnings than this, only the count is kept."""

BEGUN_AGAIN = ("manual", "scheduled")
"""Origins of backups that go back to the queue when the server is stopped. A safety backup is of no use without its
restore, and an import's archive is not kept."""

REQUEUED = "The server was stopped while it was running; it starts over when the server is back."

_log = logging.getLogger(__name__)


def take_now(
    instance: Instance,
    app_id: str,
    by: Actor,
    *,
    name: str | None = None,
    origin: str = "manual",
    reference: str | None = None,
    control: Control = NEVER,
) -> Backup:
    """Enter a backup and run it in this process, to its end. Raises as `request_backup` and `run_backup` do.

    Its lock is held before anybody can see it, so the worker does not begin it first. Raises Conflict (OTHER_NODE) for
    an application of another node.
    """
    app = app_by_id(instance.catalog, app_id)
    if app is not None:
        require_here(instance, app)
    backup_id = new_id(instance.clock.now_ns())
    with held(instance, take_lock(backup_id)):
        request_backup(instance, app_id, by, name=name, origin=origin, reference=reference, backup_id=backup_id)
        return run_backup(instance, backup_id, control=control, is_held=True)


def run_backup(
    instance: Instance,
    backup_id: str,
    *,
    control: Control = NEVER,
    is_held: bool = False,
) -> Backup:
    """Run a queued backup in this process, to its end; returns it as it then is: successful, or failed with a reason.

    One that somebody else runs, or that is finished, is returned as it is. `control` may raise Stopped: then
    the backup is queued again, for the next process to begin anew. `is_held`: the caller holds the backup's lock, and
    may have moved the backup to `running` already. Raises NotFound, Conflict (NODE_TAKEN), CatalogError.
    """
    instance.node_lease.hold()
    control = catalog_control(
        instance,
        lambda: running.is_backup_cancel_asked(instance.catalog, backup_id),
        lambda progress: record_progress(instance.catalog, backup_id, progress),
        control,
    )
    with nullcontext(True) if is_held else held(instance, take_lock(backup_id)) as is_ours:
        now_ns = instance.clock.now_ns()
        is_claimed = is_held and backup_now(instance, backup_id).state is State.RUNNING
        if is_ours and (is_claimed or start_backup(instance.catalog, backup_id, instance.config.node, now_ns)):
            backup = backup_now(instance, backup_id)
            about = {"backup_id": backup.id, "app_id": backup.app_id, "account_id": backup.account_id}
            event("backup_started", {**about, "origin": backup.origin})
            _run(instance, backup, control)
            done = backup_now(instance, backup_id)
            _log_end(done, about, instance.clock.now_ns() - now_ns)
            if done.state is State.SUCCESSFUL:
                _store_shrunk(instance, done)
                recheck(instance, done.account_id)
                count_uses(instance, done.account_id)
    return backup_now(instance, backup_id)


def _store_shrunk(instance: Instance, done: Backup) -> None:
    """Write it to the store too if the application has shrunk with this backup: retention rests after a rebuild too."""
    app = app_by_id(instance.catalog, done.app_id)
    if app is None or app.settings.shrunk is None or app.settings.shrunk.backup_id != done.id:
        return
    about = {"app_id": app.id, "account_id": app.account_id, "backup_id": done.id}
    event("app_shrunk", {**about, **msgspec.structs.asdict(app.settings.shrunk)}, logging.WARNING)
    try:
        store_record(instance, app.account_id)
    except StoreError as error:
        _log.warning("that application %s has shrunk is not in the store yet: %s", app.id, error)


def _log_end(done: Backup, about: dict[str, Any], took_ns: int) -> None:
    seconds = round(took_ns / SECOND_NS, 3)
    if done.state is State.FAILED:
        why = {"code": done.error_code, "reason": done.reason}
        event("backup_failed", {**about, "seconds": seconds, **why}, logging.WARNING)
    elif done.state is State.SUCCESSFUL:
        sizes = {"files": done.files, "bytes": done.content_bytes, "stored_bytes": done.stored_bytes}
        event("backup_finished", {**about, "seconds": seconds, **sizes, "warnings": len(done.warnings)})


def _run(instance: Instance, backup: Backup, control: Control) -> None:
    log, warnings = BackupLog(instance.clock), list[Warned]()
    try:
        _take(instance, backup, control, log, warnings)
    except BaseException as error:
        with suppress(StoreError):
            instance.local_store.sweep_unfinished()  # the packs that its workers were writing
        if isinstance(error, Stopped) and backup.origin in BEGUN_AGAIN:
            with suppress(StoreError):
                instance.vault_store(backup.account_id).delete(root_name(backup.id))
            if running.requeue(instance.catalog, backup.id, REQUEUED, instance.clock.now_ns()):
                return
        why = FAILURES.of(error)
        if why.code == INTERNAL_ERROR:
            _log.exception("backup %s failed", backup.id)
        remove_scratch(instance, backup.id)  # first: who is told that it failed finds nothing of it
        fail(instance, backup, why, log, warnings, is_customers=is_customers_failure(error))
        if not isinstance(error, Exception):
            raise
    else:
        remove_scratch(instance, backup.id)


def _take(
    instance: Instance,
    backup: Backup,
    control: Control,
    log: BackupLog,
    warnings: list[Warned],
) -> None:
    """Take it and enter it as successful; `warnings` gets those of the hooks. Raises whatever goes wrong."""
    app = _app_to_read(instance, backup)
    log.write("Started.")
    is_counted = False

    def count(progress: Progress) -> None:
        nonlocal is_counted
        if not is_counted:
            is_counted = True
            log.write(_to_read(progress))

    hooks = Hooks(instance, app, backup, log, warnings, control)

    def on_read() -> None:
        log.write("All is read.")
        hooks.release()

    with chosen_source(instance, app, backup, control, log=log.write, on_read=on_read) as chosen:
        for attempt in range(1, FENCED_TRIES + 1):
            previous = _previous(instance, app) if chosen.is_incremental else None
            is_counted = False
            try:
                confirm_vault(instance, app.account_id)
                with hooks.around():
                    result = instance.vault(app.account_id).take(
                        chosen.source,
                        previous.id if previous else None,
                        backup_id=backup.id,
                        commit_seq=next_commit_seq(instance.catalog, app.account_id),
                        now_ns=instance.clock.now_ns(),
                        clock=instance.clock.now_ns,
                        labels={
                            "app_id": app.id,
                            "app": app.name,
                            "name": backup.name,
                            "origin": backup.origin,
                            "created_at": str(backup.created_at),
                            **({"requested_by": "operator"} if backup.is_operators else {}),
                            **({"reference": backup.reference} if backup.reference is not None else {}),
                            **chosen.labels,
                        },
                        control=Control(report=count, outer=control),
                    )
                chosen.check_whole(result)
                if backup.is_locked or backup.note is not None:
                    store_marks(instance, backup)  # before the backup counts: a rebuild must find it locked
                if not _finish(instance, backup, result, log, warnings):
                    instance.vault_store(backup.account_id).delete(root_name(backup.id))
                return
            except (SessionFenced, TakeAgain) as error:
                if attempt == FENCED_TRIES:
                    raise
                log.write(f"It starts again: {error}")


def _app_to_read(instance: Instance, backup: Backup) -> App:
    """The application of a backup, whose folder is here if it is to be read. Raises NotFound, Conflict (OTHER_NODE)."""
    app = app_by_id(instance.catalog, backup.app_id)
    if app is None:
        raise app_not_found()
    if backup.origin != IMPORTED:
        require_folder(instance, app)
    return app


def _previous(instance: Instance, app: App) -> Backup | None:
    """The backup that the next one builds on; None where its list of files may be wrong, and all must be read anew."""
    previous = latest_successful(instance.catalog, app.id)
    wrong_until = not_to_build_on(instance.catalog, app.account_id, app.id)
    is_trusted = previous is not None and (wrong_until is None or previous.created_at > wrong_until)
    return previous if is_trusted else None


def _to_read(progress: Progress) -> str:
    """The log's line of what there is and what has changed."""
    files, size = progress.total_files - progress.files, progress.total_bytes - progress.bytes
    unchanged = f"; {progress.files:,} are as in the previous backup" if progress.files else ""
    return f"{progress.total_files:,} files, {files:,} of them to read ({size:,} bytes){unchanged}."


def _finish(instance: Instance, backup: Backup, result: TakeResult, log: BackupLog, warnings: Sequence[Warned]) -> bool:
    warned = [*warnings, *_warnings(result)]
    count = f", {len(warned)} warnings" if warned else ""
    log.write(
        f"Finished: {result.files:,} files, {result.content_bytes:,} bytes; {result.stored_bytes:,} bytes added to the "
        f"store; {result.zip_bytes:,} bytes as a zip{count}."
    )
    return finish_backup(
        instance.catalog,
        backup.id,
        result.epoch,
        warned,
        log=log.encoded(),
        finished_at=result.finished_ns,
        overdue_at=lambda app: overdue_after(instance, app, result.finished_ns),
        is_shrunk=is_shrunk,
        zip_bytes=result.zip_bytes,
        tar_bytes=result.tar_bytes,
        zip_layout=result.zip_layout,
        digest=result.digest,
        files=result.files,
        content_bytes=result.content_bytes,
        stored_bytes=result.stored_bytes,
        commit_seq=result.commit_seq,
    )


def _warnings(result: TakeResult) -> list[Warned]:
    warned, size = list[Warned](), 0
    for notice in result.notices[:WARNINGS_MAX]:
        if size > WARNING_BYTES_MAX:
            break
        warned.append(Warned(shown(notice.path), notice.code, notice.message))
        size += len(notice.path) + len(notice.message)
    more = len(result.notices) - len(warned) + result.notices.more
    if more > 0:
        warned.append(Warned("", "MORE_WARNINGS", f"There were {more} more warnings."))
    return warned
