"""`holdfast app ...`"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from holdfast.cli.command_line.declared import Argument, Group, Option, confirm
from holdfast.cli.output import Json, print_json, print_table, warn
from holdfast.cli.state import operator, state
from holdfast.cli.terminal import escaped

if TYPE_CHECKING:
    from holdfast.catalog.records import App
    from holdfast.schemas.commands import OperatorApp
    from holdfast.service.instance.home import Instance

app = Group()

AppName = Annotated[str, Argument(metavar="APP", help="The application's name or id.")]


@app.command("add")
def add(
    name: Annotated[str, Argument(metavar="NAME", help="A name for the application.")],
    account: Annotated[str, Option("--account", help="The id of the account it belongs to.")],
    path: Annotated[Path, Option("--path", help="The folder that holds its data.")],
    json: Json = False,
) -> None:
    """Make an application; prints its id."""
    from holdfast.schemas.commands import NewApp
    from holdfast.service.registry.apps import add_app

    with state.instance() as instance:
        made = add_app(instance, account, name, path, operator())
        _warn_of_others(instance, made)
    if json:
        print_json(NewApp(made.id, made.id))
    else:
        print(f"Application {made.name}: {made.id}")


@app.command("list")
def list_all(
    account: Annotated[str | None, Option("--account", help="Only those of one account.")] = None,
    json: Json = False,
) -> None:
    """List applications."""
    from holdfast.service.registry.apps import list_apps

    with state.instance() as instance:
        found = _shown(instance, list_apps(instance, account))
    if json:
        print_json(found)
    else:
        print_table(
            ("APP", "NAME", "LAST GOOD BACKUP", "NEXT BACKUP", "OVERDUE SINCE", "RETENTION RESTS SINCE", "PATH"),
            [
                (
                    a.id,
                    a.name,
                    a.last_good_backup_at or "never",
                    a.next_backup_at or "none",
                    a.overdue_since or "",
                    a.shrunk.since if a.shrunk else "",
                    a.path,
                )
                for a in found
            ],
        )


@app.command("rename")
def rename(
    name: AppName,
    new: Annotated[str, Argument(metavar="NEW-NAME", help="The name that it gets.")],
    json: Json = False,
) -> None:
    """Give an application another name."""
    from holdfast.service.registry.apps import find_app, rename_app

    with state.instance() as instance:
        changed = rename_app(instance, find_app(instance, name), new, operator())
        _print_changed(instance, changed, json, f"{name} is now named {changed.name}.")


@app.command("set-path")
def set_path(
    name: AppName,
    path: Annotated[Path, Argument(metavar="DIR", help="The folder that holds its data now.")],
    json: Json = False,
) -> None:
    """Say where an application's data is now: a folder of this machine."""
    from holdfast.service.registry import apps

    with state.instance() as instance:
        changed = apps.set_path(instance, apps.find_app(instance, name), path, operator())
        _warn_of_others(instance, changed)
        _print_changed(instance, changed, json, f"The data of {changed.name} is now in {changed.path}.")


def _warn_of_others(instance: Instance, changed: App) -> None:
    from holdfast.service.registry.apps import apps_in_folder

    for other in apps_in_folder(instance, changed):
        warn(
            f"The application {other.name} of the account {other.account_id} has the same folder; a restore of one "
            "changes the other too."
        )


def _print_changed(instance: Instance, changed: App, as_json: bool, text: str) -> None:
    if as_json:
        print_json(_shown(instance, [changed])[0])
    else:
        print(text)


def _shown(instance: Instance, found: Sequence[App]) -> list[OperatorApp]:
    from holdfast.schemas.commands import OperatorApp, extended
    from holdfast.service.registry.apps import shown_apps

    shown = zip(shown_apps(instance, found, for_operator=True), found, strict=True)
    return [extended(OperatorApp, one, app.account_id, app.path, app.external_id) for one, app in shown]


@app.command("remove")
def remove(
    name: AppName,
    yes: Annotated[bool, Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove an application and all its backups; its data stays."""
    from holdfast.schemas.commands import RemovedApp
    from holdfast.service.registry.apps import find_app, remove_app
    from holdfast.service.registry.backups import list_backups

    with state.instance() as instance:
        found = find_app(instance, name)
        if not yes and sys.stdin.isatty():
            count = len(list_backups(instance, found.id))
            backups = "1 backup" if count == 1 else f"{count} backups"
            confirm(f"Remove {escaped(found.name)} and its {backups}?")
        removed = remove_app(instance, found, operator())
    if json:
        print_json(RemovedApp(found.id, found.id, removed))
    else:
        print(f"Removed {found.name} with {removed} backups; its data in {found.path} was not touched.")
