"""`holdfast files`, `cat`, `diff`, `find`: look into backups."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

from holdfast.cli.apps import AppName
from holdfast.cli.backups import BackupName
from holdfast.cli.command_line.declared import Argument, Exit
from holdfast.cli.output import WRONG_USE, Json, fail, print_json, print_table, warn
from holdfast.cli.state import operator, state
from holdfast.cli.terminal import escaped, write_bytes

if TYPE_CHECKING:
    from holdfast.catalog.records import App
    from holdfast.service.instance.home import Instance

PathInBackup = Annotated[str, Argument(metavar="PATH", help="From the application's folder.")]
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "metadata": "="}


@contextmanager
def _found(name: str) -> Iterator[tuple[Instance, App]]:
    from holdfast.service.registry.apps import find_app

    with state.instance() as instance:
        yield instance, find_app(instance, name)


def files(name: AppName, backup: BackupName, path: PathInBackup = "", json: Json = False) -> None:
    """List a folder of a backup."""
    from holdfast.service.access.browse import list_folder
    from holdfast.service.registry.backups import find_backup

    with _found(name) as (instance, app):
        entries, after = list_folder(instance, found := find_backup(instance, app.id, backup), path)
        while after is not None:
            more, after = list_folder(instance, found, path, after)
            entries += more
    if json:
        print_json(entries)
        return
    shown = {"folder": "/", "symlink": " -> "}
    print_table(
        ("MODE", "SIZE", "MODIFIED", "NAME"),
        [(e.mode, str(e.size), e.mtime, e.name + shown.get(e.kind, "") + (e.target or "")) for e in entries],
    )


def cat(name: AppName, backup: BackupName, path: PathInBackup) -> None:
    """Write a file of a backup to standard output; a folder as a zip."""
    from holdfast.service.access.browse import find_content
    from holdfast.service.people.audit import Change, entered_download
    from holdfast.service.registry.backups import find_backup

    with _found(name) as (instance, app):
        one = find_backup(instance, app.id, backup)
        content = find_content(instance, one, path)
        if sys.stdout.isatty() and not content.is_file:
            message = f"{path or 'The whole'} is a folder, given as a zip; send it to a file."
            raise Exit(fail("OUTPUT", message, WRONG_USE))
        data = {"paths": [path]}
        change = Change(operator(), "content.downloaded", one.account_id, one.app_id, one.id, data=data)
        with closing(entered_download(instance, change, content.stream(0, content.length))) as pieces:
            write_bytes(pieces)


def diff(
    name: AppName,
    first: Annotated[str, Argument(metavar="BACKUP1", help="Id or name.")],
    second: Annotated[str, Argument(metavar="BACKUP2", help="Id or name.")],
    json: Json = False,
) -> None:
    """Show what the second backup has different from the first."""
    from holdfast.service.access import browse
    from holdfast.service.registry.backups import find_backup

    with _found(name) as (instance, app):
        found, _ = browse.diff(instance, find_backup(instance, app.id, first), find_backup(instance, app.id, second))
    if json:
        print_json(found)
        return
    for one in found.paths:
        sizes = " -> ".join(str(size) for size in (one.size_before, one.size_after) if size is not None)
        print(f"{_SIGNS[one.what]} {escaped(one.path)}{'/' if one.kind == 'folder' else ''}  ({sizes})")
    if found.is_truncated:
        print("... and more")
    print(
        f"{found.added} added (+), {found.removed} removed (-), {found.changed} changed (~), "
        f"{found.metadata} with other rights or times only (=)."
    )


def find(
    name: AppName,
    pattern: Annotated[str, Argument(metavar="PATTERN", help="Like '*.log' or 'data/*'; no slash: the name.")],
    json: Json = False,
) -> None:
    """Show in which backups a path is, with each version of it."""
    from holdfast.service.access.find import find as find_paths

    with _found(name) as (instance, app):
        found, _ = find_paths(instance, app.id, pattern)
    if json:
        print_json(found)
    else:
        for one in found.paths:
            print(escaped(one.path))
            for version in one.versions:
                backups = version.backups
                last = f" to {backups[-1].name}" if len(backups) > 1 else ""
                print(f"  {version.mtime}  {version.size} bytes  in {len(backups)}: {backups[0].name}{last}")
        if found.is_truncated:
            print("... and more")
    for bad in found.unreadable:
        warn(f"backup {bad.id}: {bad.message}")
    if not found.paths:
        raise Exit(fail("PATH_NOT_FOUND", f"No backup of {name} has anything that matches {pattern!r}."))
