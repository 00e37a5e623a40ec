"""`holdfast app days`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from holdfast.cli.apps import AppName
from holdfast.cli.command_line.declared import Option
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import state

if TYPE_CHECKING:
    from holdfast.schemas.apps import Day


def days(
    name: AppName,
    last: Annotated[int, Option("--last", min=1, max=400, help="How many days, today among them.")] = 30,
    json: Json = False,
) -> None:
    """Show what became of an application's backups day by day."""
    from holdfast.service.registry.apps import find_app
    from holdfast.service.standing.days import shown_days

    with state.instance() as instance:
        shown = shown_days(instance, find_app(instance, name).id, last)
    if json:
        print_json(shown)
    else:
        _print(shown)


def _print(shown: list[Day]) -> None:
    from holdfast.units import size_text

    counts = ("good", "failed", "cancelled", "missed", "damaged", "proved")
    sizes = ("added_size", "content_size", "stored_size")
    heads = ("DAY", *(name.upper() for name in counts), "ADDED", "CONTENT", "STORED")
    lines = [
        (day.day, *(str(getattr(day, name) or "-") for name in counts), *(size_text(getattr(day, n)) for n in sizes))
        for day in shown
    ]
    print_table(heads, lines)
