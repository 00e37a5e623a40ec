"""`holdfast doctor`: find what is wrong with this instance, and say what to do."""

from __future__ import annotations

import sys
from typing import Annotated

from holdfast.cli.command_line.declared import Exit, Option
from holdfast.cli.output import Json, print_json
from holdfast.cli.state import state
from holdfast.cli.terminal import escaped, unguarded

MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("PROBLEM", "bold red")}
"""The mark of a level, and its style; `holdfast status` has the same."""


def doctor(
    quiet: Annotated[bool, Option("--quiet", "-q", help="Only what is not well.")] = False,
    json: Json = False,
) -> None:
    """Look at everything, say what is wrong and what to do. Exit code 1 when there is a problem; warnings alone: 0."""
    from holdfast.schemas.commands import Diagnosis
    from holdfast.service.doctor.diagnose import diagnose

    found = diagnose(state.home)
    shown = [line for line in found if not (quiet and line.level == "ok")]
    problems = sum(line.level == "problem" for line in found)
    warnings = sum(line.level == "warning" for line in found)
    if json:
        print_json(Diagnosis(problems, warnings, shown))
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for line in shown:
            mark, style = MARKS[line.level]
            text = Text(escaped(line.message))
            if line.command:
                text.append(f"\n  {line.command}", style="bold")
            table.add_row(Text(mark, style=style), Text(line.check), text)
        console = Console(file=unguarded(sys.stdout), highlight=False)
        console.print(table)
        console.print(_summary(problems, warnings))
    if problems:
        raise Exit(1)


def _summary(problems: int, warnings: int) -> str:
    if not problems and not warnings:
        return "All is well."
    return ", ".join(
        f"{count} {name}{'s' if count > 1 else ''}"
        for count, name in ((problems, "problem"), (warnings, "warning"))
        if count
    )
