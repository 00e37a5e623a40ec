"""`holdfast status`: how the backups of applications stand, the worst first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from holdfast.cli.command_line.declared import Argument, Exit, Option
from holdfast.cli.output import Json, print_json
from holdfast.cli.state import state
from holdfast.cli.terminal import escaped, unguarded

if TYPE_CHECKING:
    from holdfast.schemas.commands import AppStatus


def status(
    name: Annotated[
        str | None, Argument(metavar="[APP]", help="The application's name or id; without one, all of them.")
    ] = None,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Only what is not well.")] = False,
    json: Json = False,
) -> None:
    """Show how the backups of each application stand, the worst first. Exit code 1 if one has a problem."""
    from holdfast.schemas.commands import Status
    from holdfast.service.doctor.status import app_statuses
    from holdfast.service.registry.apps import active_apps, find_app

    with state.instance() as instance:
        found = app_statuses(instance, active_apps(instance) if name is None else [find_app(instance, name)])
    shown = [one for one in found if not (quiet and one.level == "ok")]
    problems, warnings = (sum(one.level == level for one in found) for level in ("problem", "warning"))
    if json:
        print_json(Status(problems, warnings, shown))
    else:
        _print(shown, is_one=name is not None)
        if name is None:
            print(_summary(len(found), problems, warnings))
    if problems:
        raise Exit(1)


def _print(shown: list[AppStatus], *, is_one: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from holdfast.cli.doctor import MARKS

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for one in shown:
        mark, style = MARKS[one.level]
        text = Text(escaped(one.headline), style="bold")
        if is_one or one.level != "ok":
            text.append(escaped(f" {one.message}"), style="not bold")
            if one.command:
                text.append(f"\n  {one.command}")
        table.add_row(Text(mark, style=style), Text(escaped(one.app)), text)
    Console(file=unguarded(sys.stdout), highlight=False).print(table)


def _summary(apps: int, problems: int, warnings: int) -> str:
    if not apps:
        return "There are no applications yet; `holdfast app add` makes one."
    of_all = "1 application" if apps == 1 else f"{apps} applications"
    well = apps - problems - warnings
    parts = (
        (problems, "has a problem" if problems == 1 else "have a problem"),
        (warnings, "with a warning"),
        (well, "fine"),
    )
    return f"{of_all}: " + ", ".join(f"{count} {what}" for count, what in parts if count) + "."
