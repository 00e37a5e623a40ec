"""`holdfast restore`: files of a backup, or a database."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from holdfast.cli.command_line.declared import Argument, Exit, Option
from holdfast.cli.output import Json, fail, print_json, warn
from holdfast.cli.progress import progress_bar
from holdfast.cli.sources import PasswordEnv, PasswordFile
from holdfast.cli.state import operator, state
from holdfast.cli.terminal import escaped
from holdfast.units import size_text

if TYPE_CHECKING:
    from holdfast.catalog.records import App, Backup, Job
    from holdfast.schemas.jobs import RestorePreview
    from holdfast.service.instance.home import Instance
    from holdfast.service.restore.files import Restored
    from holdfast.sources.databases.spec import DatabaseSpec


class RestoreMode(StrEnum):
    """The fate of files that the backup does not have."""

    MIRROR = "mirror"
    OVERLAY = "overlay"


def restore(
    name: Annotated[str | None, Argument(metavar="APP", help="The application's name or id.")] = None,
    backup: Annotated[
        str | None,
        Argument(metavar="BACKUP", help="The backup's name, id or ref:REFERENCE."),
    ] = None,
    undo: Annotated[
        str | None, Option("--undo", metavar="JOB", help="Undo this restore, by its safety backup.")
    ] = None,
    to: Annotated[Path | None, Option("--to", help="Restore into this folder, not into the application's.")] = None,
    path: Annotated[
        list[str] | None, Option("--path", help="Only this file or folder; may be given several times.")
    ] = None,
    mode: Annotated[
        RestoreMode | None,
        Option(
            "--mode",
            help="mirror removes what the backup does not have (the default), overlay leaves it (the default "
            "with --to).",
        ),
    ] = None,
    into: Annotated[
        str | None,
        Option(
            "--into",
            metavar="FOLDER",
            help="Put everything into this new folder below the application's own, which backups then leave out.",
        ),
    ] = None,
    other: Annotated[str | None, Option("--app", help="Restore into this other application.")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Only say what would change.")] = False,
    safety_backup: Annotated[
        bool, Option("--safety-backup/--no-safety-backup", help="Take a backup first, to undo the restore with.")
    ] = True,
    database: Annotated[
        str | None, Option("--database", metavar="NAME", help="A database of the backup instead of its files.")
    ] = None,
    to_dsn: Annotated[
        str | None, Option("--to-dsn", help="Restore the database into this one, not where it came from.")
    ] = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    json: Json = False,
) -> None:
    """Restore a backup: everything it needs is checked first, and if it fails, everything stays as it was."""

    from holdfast.service.errors import Invalid
    from holdfast.service.preview.apart import restore_apart
    from holdfast.service.registry.apps import find_app, require_here
    from holdfast.service.registry.backups import find_backup
    from holdfast.service.registry.databases import dump_in, spec_of
    from holdfast.service.registry.restored_folders import checked_into
    from holdfast.service.restore.files import recover_restores, request_restore
    from holdfast.service.restore.plan import Wanted
    from holdfast.service.take.failing import recover_backups

    if undo is not None:
        if name or backup or to or path or mode or into or other or dry_run or database or to_dsn:
            raise Invalid("undo", "With --undo give only the id of the restore's job; `holdfast jobs` lists them.")
        _undo(undo, json=json)
        return
    if name is None or backup is None:
        raise Invalid("backup", "Give the application and the backup, or --undo with a job.")
    if to is not None and (other is not None or into is not None):
        raise Invalid("to", "Give --to or --app or --into; only --app and --into go together.")
    if database is not None and (to or path or mode or into or other or dry_run):
        raise Invalid("database", "With --database there can only be --to-dsn and where its password is.")
    if database is None and (to_dsn or password_env or password_file):
        raise Invalid("database", "--to-dsn and --password-... are for a database; name it with --database.")
    if to_dsn is None and (password_env or password_file):
        raise Invalid(
            "to_dsn", "The password of the original database is known already; use --password-... only with --to-dsn."
        )
    with state.instance() as instance:
        recover_restores(instance)
        recover_backups(instance)
        found = find_app(instance, name)
        one = find_backup(instance, found.id, backup)
        if database is not None:
            target_spec = None
            if to_dsn is not None:
                kind = dump_in(instance, one, database).kind
                target_spec = spec_of(
                    kind, to_dsn, name=database, password_env=password_env, password_file=password_file
                )
            _restore_database(instance, found, one, database, target_spec, safety_backup=safety_backup, json=json)
            return
        chosen = mode or (RestoreMode.MIRROR if to is None else RestoreMode.OVERLAY)
        wanted = Wanted(
            paths=tuple(path or ()),
            mode=chosen.value,
            safety_backup=safety_backup,
            to=None if to is None else str(to.resolve()),
            into=None if into is None else checked_into(into),
            is_inline=True,
        )
        target = found if other is None else find_app(instance, other)
        if dry_run:
            if to is None:
                require_here(instance, target)
            preview = restore_apart(instance, one, target, wanted).changes
            if json:
                print_json(preview)
            else:
                _print_preview(preview)
            return
        job = request_restore(instance, one, target, wanted, operator())
        result = _run(instance, job, one.name, json)
        if not json:
            _print_result(result, wanted.to or str(Path(target.path, wanted.into or "")), job.id)


def _undo(job_id: str, *, json: bool) -> None:
    """Restore the safety backup of a restore; what was half done is undone first."""
    from holdfast.service.jobs.lifecycle import get_job
    from holdfast.service.restore.files import recover_restores, request_restore
    from holdfast.service.restore.undo import undo_of
    from holdfast.service.take.failing import recover_backups

    with state.instance() as instance:
        recover_restores(instance)
        recover_backups(instance)
        safety, app, wanted = undo_of(instance, get_job(instance, job_id), is_inline=True)
        job = request_restore(instance, safety, app, wanted, operator(), undoes=job_id)
        result = _run(instance, job, safety.name, json)
        if not json:
            _print_result(result, app.path, job.id)


def _restore_database(
    instance: Instance,
    found: App,
    backup: Backup,
    name: str,
    to: DatabaseSpec | None,
    *,
    safety_backup: bool,
    json: bool,
) -> None:
    from holdfast.service.restore.database import WantedDatabase
    from holdfast.service.restore.files import request_restore
    from holdfast.service.restore.plan import Wanted

    wanted = Wanted(database=WantedDatabase(name, to), safety_backup=safety_backup, is_inline=True)
    job = request_restore(instance, backup, found, wanted, operator())
    result = _run(instance, job, f"{name} of {backup.name}", json)
    if not json:
        where = f"into {to.dsn}" if to is not None else "where it came from"
        print(f"Restored the database {name} {where}, from a dump of {size_text(result.written_bytes)}.")
        if result.safety_backup_id:
            print(f"The state before is the safety backup {result.safety_backup_id}.")
            print(f"To undo this: holdfast restore --undo {job.id}")


def _run(instance: Instance, job: Job, called: str, json: bool) -> Restored:
    """Run a restore in this process to its end. Raises Exit when it failed."""
    import msgspec

    from holdfast.catalog.records import JobState
    from holdfast.service.jobs.lifecycle import shown_job
    from holdfast.service.restore.files import Restored, run_restore

    with progress_bar(f"Restoring {called}") as control:
        done = run_restore(instance, job.id, control=control)
    if json:
        print_json(shown_job(instance, done, for_operator=True))
    if done.state is not JobState.SUCCESSFUL:
        raise Exit(
            fail(
                done.error_code or "RESTORE_IN_PROGRESS",
                done.reason or "Another process restores it.",
            )
        )
    return msgspec.json.decode(done.result or "", type=Restored)


def _print_preview(preview: RestorePreview) -> None:
    for sign, seen in (("+", preview.paths_added), ("~", preview.paths_changed), ("-", preview.paths_removed)):
        for one in seen:
            print(f"{sign} {escaped(one.path)}{'/' if one.kind == 'folder' else ''}")
    if preview.is_truncated:
        print("... and more")
    print(
        f"{preview.added} would be added, {preview.changed} changed, {preview.removed} removed; "
        f"{size_text(preview.write_bytes)} would be written."
    )


def _print_result(result: Restored, where: str, job_id: str) -> None:
    print(
        f"Restored to {where}: {result.added} added, {result.changed} changed, {result.removed} removed; "
        f"{size_text(result.written_bytes)} written."
    )
    if result.safety_backup_id:
        print(f"The state before is the safety backup {result.safety_backup_id}.")
        print(f"To undo this: holdfast restore --undo {job_id}")
    for warning in result.warnings:
        warn(warning.message)
