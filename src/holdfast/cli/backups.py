"""`holdfast backup ...`"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from holdfast.cli.apps import AppName
from holdfast.cli.command_line.declared import Argument, Exit, Group, Option, confirm
from holdfast.cli.output import WRONG_USE, Json, fail, print_json, print_table, warn
from holdfast.cli.progress import bytes_bar, progress_bar
from holdfast.cli.state import operator, state
from holdfast.cli.terminal import escaped, write_bytes
from holdfast.units import size_text

if TYPE_CHECKING:
    from holdfast.catalog.records import App, Backup
    from holdfast.service.instance.home import Instance

app = Group()

BackupName = Annotated[str, Argument(metavar="BACKUP", help="The backup's id or name, or ref:REFERENCE.")]


class Format(StrEnum):
    """The format of a download."""

    ZIP = "zip"
    TAR_GZ = "tar.gz"


@app.command("create")
def create(
    name: AppName,
    called: Annotated[str | None, Option("--name", help="A name for the backup.")] = None,
    reference: Annotated[
        str | None, Option("--reference", help="An id of your own, by which it is found as ref:ID.")
    ] = None,
    json: Json = False,
) -> None:
    """Take a backup now, and wait until it is finished; for an application of another node, queue it there."""
    from holdfast.service.errors import Conflict
    from holdfast.service.registry.apps import find_app, is_here
    from holdfast.service.take.failing import recover_backups
    from holdfast.service.take.request import queued_backups, request_backup
    from holdfast.service.take.run import run_backup, take_now

    with state.instance() as instance:
        found = find_app(instance, name)
        if not is_here(instance, found):
            queued, _ = request_backup(instance, found.id, operator(), name=called, reference=reference)
            _print_queued(instance, found, queued, as_json=json)
            return
        recover_backups(instance)
        with _stopped_aloud(name), progress_bar(f"Backing up {name}") as control:
            try:
                done = take_now(instance, found.id, operator(), name=called, reference=reference, control=control)
            except Conflict as refusal:
                if refusal.code != "BACKUP_IN_PROGRESS":
                    raise
                # A process may have queued one and died before it began.
                waiting = [b.id for b in queued_backups(instance) if b.app_id == found.id]
                if not waiting:
                    raise
                done = run_backup(instance, waiting[0], control=control)
        print_taken(instance, done, as_json=json)


def _print_queued(instance: Instance, found: App, queued: Backup, *, as_json: bool) -> None:
    from holdfast.service.registry.backups import full_object

    if as_json:
        print_json(full_object(instance, queued, for_operator=True))
    else:
        print(
            f"{queued.name}: queued for the node {found.node}, which has the folder of {found.name}; "
            "`holdfast jobs` shows when it runs there."
        )


@contextmanager
def _stopped_aloud(name: str) -> Iterator[None]:
    """Print the outcome of a backup that Ctrl-C or SIGTERM ended."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        print(f"The backup of {escaped(name)} was stopped; nothing of it is kept as a backup.", file=sys.stderr)
        raise


def print_taken(instance: Instance, done: Backup, *, as_json: bool) -> None:
    """Print the outcome of a backup; exit with 1 if it failed."""
    from holdfast.catalog.records import State
    from holdfast.service.registry.backups import full_object

    shown = full_object(instance, done, for_operator=True)
    if as_json:
        print_json(shown)
    if done.state is not State.SUCCESSFUL:
        error = (
            done.error_detail
            or done.error_message
            or "Another process is running the backup; see `holdfast backup list`."
        )
        raise Exit(fail(done.error_code or "BACKUP_IN_PROGRESS", error))
    if not as_json:
        print(
            f"{done.name}: {done.files} files, {size_text(done.content_bytes)}; "
            f"added {size_text(done.stored_bytes)} to the store.\n{shown.url}"
        )
        for warning in done.warnings:
            warn(warning.message)


@app.command("list")
def list_all(
    name: AppName,
    trash: Annotated[bool, Option("--trash", help="Those that were deleted and can be brought back.")] = False,
    json: Json = False,
) -> None:
    """List an application's backups, oldest first."""
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.backups import list_backups, list_items, list_rows

    with state.instance() as instance:
        found = find_app(instance, name)
        if trash:
            _print_trash(instance, found, as_json=json)
            return
        if json:
            print_json(list_items(instance, found.account_id, list_rows(instance, found.id)))
            return
        from holdfast.schemas.times import local_time

        print_table(
            ("ID", "STATE", "STARTED", "SIZE", "ADDED", "LOCKED", "NAME"),
            [
                (
                    b.id,
                    str(b.state),
                    f"{local_time(b.created_at, instance.zone):%Y-%m-%d %H:%M:%S}",
                    size_text(b.zip_bytes),
                    size_text(b.stored_bytes),
                    "yes" if b.is_locked else "",
                    b.name + (f"  ({b.reason})" if b.error_message else ""),
                )
                for b in list_backups(instance, found.id)
            ],
        )


def _print_trash(instance: Instance, found: App, *, as_json: bool) -> None:
    from holdfast.schemas.times import local_time
    from holdfast.service.registry.backups import full_objects
    from holdfast.service.registry.trash import list_trash

    backups = list_trash(instance, found.id)
    if as_json:
        print_json(full_objects(instance, backups))
        return
    print_table(
        ("ID", "STARTED", "DELETED", "GONE", "SIZE", "NAME"),
        [
            (
                b.id,
                *(
                    f"{local_time(at or 0, instance.zone):%Y-%m-%d %H:%M:%S}"
                    for at in (b.created_at, b.deleted_at, b.gone_at)
                ),
                size_text(b.zip_bytes),
                b.name,
            )
            for b in backups
        ],
    )


@app.command("download")
def download(
    name: AppName,
    backup: BackupName,
    output: Annotated[str | None, Option("-o", "--output", help="Where to; - for standard output.")] = None,
    format: Annotated[Format, Option("--format", help="zip or tar.gz.")] = Format.ZIP,
    force: Annotated[bool, Option("--force", help="Overwrite a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Write a backup to a file, whole or not at all."""
    from holdfast.schemas.commands import DownloadedFile
    from holdfast.service.access.download import Download
    from holdfast.service.people.audit import Change, entered_download
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.backups import find_backup, require_usable

    with state.instance() as instance:
        found = find_backup(instance, find_app(instance, name).id, backup)
        require_usable(found, "downloaded")
        ready = Download(instance, found, format.value)
        path = None if output == "-" else Path(output or ready.filename)
        if path is not None:
            _require_free(path, force)
        data = {"format": format.value}
        change = Change(operator(), "backup.downloaded", found.account_id, found.app_id, found.id, data=data)
        with closing(entered_download(instance, change, ready.stream(0, ready.length))) as pieces:
            if path is None:
                write_bytes(pieces)
                return
            _write_whole(path, pieces, ready.length)
    if json:
        print_json(DownloadedFile(str(path), ready.length))
    else:
        print(f"{path}: {size_text(ready.length)}")


def _require_free(path: Path, force: bool) -> None:
    """Exit unless a file may be written: it does not exist, or may be overwritten. On a terminal, ask."""
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise Exit(fail("OUTPUT", f"{path} is not a file; name a file with -o.", WRONG_USE))
    if force or not path.exists():
        return
    if not sys.stdin.isatty():
        raise Exit(fail("OUTPUT_EXISTS", f"{path} exists already; --force overwrites it, -o names another."))
    confirm(f"Overwrite {escaped(str(path))}?")


def _write_whole(path: Path, pieces: Iterator[memoryview], length: int) -> None:
    """Write beside the file, then rename: a download that breaks off leaves what was there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("xb") as file, bytes_bar(f"Writing {path.name}", length) as count:
            for piece in pieces:
                file.write(piece)
                count(len(piece))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise Exit(fail("OUTPUT", f"{path} cannot be written ({error.strerror}); choose another with -o.")) from None
    finally:
        with suppress(OSError):
            partial.unlink()


@app.command("log")
def log(name: AppName, backup: BackupName, json: Json = False) -> None:
    """Print what was done when while a backup was made, and what the operator's commands printed."""
    from holdfast.catalog.records import State
    from holdfast.schemas.commands import BackupLogLines
    from holdfast.service.take.log import log_lines

    with one_backup(name, backup) as (instance, found):
        lines = log_lines(instance, found, with_private=True)
    if json:
        print_json(BackupLogLines(found.id, lines))
        return
    for line in lines:
        print(line)
    if not lines:
        is_open = found.state in (State.QUEUED, State.RUNNING)
        why = "is not finished; its log comes with its end" if is_open else "has no log; it came from a rebuild"
        print(f"The backup {found.name} {why}.", file=sys.stderr)


@app.command("delete")
def delete(
    name: AppName,
    backup: BackupName,
    final: Annotated[bool, Option("--final", help="Not into the trash, and out of it: gone for good.")] = False,
    json: Json = False,
) -> None:
    """Delete a backup: it stays in the trash for 24 hours."""
    from holdfast.schemas.commands import FreedBackup
    from holdfast.schemas.times import iso_or_none
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.trash import delete_backup, find_to_delete

    with state.instance() as instance:
        found = find_to_delete(instance, find_app(instance, name).id, backup, is_final=final)
        done = delete_backup(instance, found, operator(), is_final=final)
        gone_at = iso_or_none(done.gone_at, instance.zone)
    if json:
        print_json(FreedBackup(found.id, done.freed_bytes, gone_at))
    elif gone_at is None:
        print(f"Deleted {found.name}; pruning frees {size_text(done.freed_bytes)} (`holdfast prune`).")
    else:
        print(
            f"Deleted {found.name}; it is in the trash until {gone_at} (`holdfast backup undelete`). "
            f"Pruning frees {size_text(done.freed_bytes)} after that."
        )


@app.command("undelete")
def undelete(name: AppName, backup: BackupName, json: Json = False) -> None:
    """Bring a deleted backup back from the trash."""
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.trash import find_trashed
    from holdfast.service.registry.trash import undelete as operation

    with state.instance() as instance:
        found = find_trashed(instance, find_app(instance, name).id, backup)
        print_changed(instance, operation(instance, found, operator()), json, f"{found.name} is back.")


@app.command("rename")
def rename(
    name: AppName,
    backup: BackupName,
    new: Annotated[str, Argument(metavar="NEW-NAME", help="The name that it gets.")],
    json: Json = False,
) -> None:
    """Give a backup another name."""
    from holdfast.service.registry import backups

    with one_backup(name, backup) as (instance, found):
        changed = backups.rename(instance, found, new, operator())
        print_changed(instance, changed, json, f"{found.name} is now named {changed.name}.")


@app.command("note")
def note(
    name: AppName,
    backup: BackupName,
    text: Annotated[str, Argument(metavar="TEXT", help="The note; an empty one takes the note away.")],
    json: Json = False,
) -> None:
    """Write a note to a backup, for people to read."""
    from holdfast.service.registry.backups import set_note

    with one_backup(name, backup) as (instance, found):
        changed = set_note(instance, found, text, operator())
        text = f"{changed.name} has no note now." if changed.note is None else f"Noted with {changed.name}."
        print_changed(instance, changed, json, text)


def print_changed(instance: Instance, changed: Backup, as_json: bool, text: str) -> None:
    from holdfast.service.registry.backups import full_object

    if as_json:
        print_json(full_object(instance, changed, for_operator=True))
    else:
        print(text)


@contextmanager
def one_backup(name: str, backup: str) -> Iterator[tuple[Instance, Backup]]:
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.backups import find_backup

    with state.instance() as instance:
        yield instance, find_backup(instance, find_app(instance, name).id, backup)
