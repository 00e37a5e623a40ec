"""`holdfast app hook`: the operator's commands around an application's backups."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from holdfast.cli.apps import AppName
from holdfast.cli.command_line.declared import Argument, Option, WrongUse
from holdfast.cli.output import Json, print_json
from holdfast.cli.state import operator, state


class When(StrEnum):
    """On which side of the copy."""

    BEFORE = "before"
    AFTER = "after"


def hook(
    name: AppName,
    when: Annotated[
        When, Argument(metavar="WHEN", help="before: must succeed, else the backup fails; after: always runs.")
    ],
    command: Annotated[
        str | None, Argument(metavar="[COMMAND]", help="For /bin/sh, run in / with $HOLDFAST_PATH set.")
    ] = None,
    timeout: Annotated[int, Option("--timeout", metavar="SECONDS", help="Its time limit.")] = 60,
    remove: Annotated[bool, Option("--remove", help="Run nothing any more.")] = False,
    json: Json = False,
) -> None:
    """Show or set a command that runs before or after each copy, as the user that Holdfast runs as.

    Name programs by their whole path, and never one in the application's folder: its owner could change it.
    """
    from holdfast.catalog.records import Hook
    from holdfast.schemas.commands import AppHook, HookCommand
    from holdfast.service.registry.apps import find_app
    from holdfast.service.take.hooks import set_hook

    if remove and command is not None:
        raise WrongUse("--remove takes no command.")
    with state.instance() as instance:
        found = find_app(instance, name)
        if remove:
            found = set_hook(instance, found, when.value, None, operator())
        elif command is not None:
            found = set_hook(instance, found, when.value, Hook(command, timeout), operator())
    now = found.settings.before if when is When.BEFORE else found.settings.after
    if json:
        hook = None if now is None else HookCommand(now.command, now.timeout_seconds)
        print_json(AppHook(found.id, when.value, hook))
    elif now is None:
        print(f"{found.name} has no command {when.value} the copy.")
    else:
        print(
            f"{when.value.capitalize()} each copy of {found.name}, for at most {now.timeout_seconds} s: {now.command}"
        )
