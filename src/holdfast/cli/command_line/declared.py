"""Declarations of commands: functions whose annotations carry an `Option` or `Argument` each, in groups."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

Function = TypeVar("Function", bound=Callable[..., None])


class WrongUse(Exception):
    """The command line is wrong; the message is a sentence about it."""


class Exit(Exception):
    """The command is over, with this exit code; what there is to say has been said."""

    def __init__(self, code: int = 0) -> None:
        super().__init__(code)
        self.code = code


class Option:
    """A parameter that is given by name. `names`: as `--to`, or `--copy/--no-copy` for both values of a flag.

    `metavar`: what stands for the value in help; `min`, `max`: bounds of a number, both allowed; `convert`: makes the
    value of the text (of a flag: is told of it); raises WrongUse.
    """

    def __init__(
        self,
        *names: str,
        help: str,
        metavar: str = "",
        min: int | None = None,
        max: int | None = None,
        convert: Callable[[Any], Any] | None = None,
    ) -> None:
        self.names, self.help, self.metavar = names, help, metavar
        self.min, self.max, self.convert = min, max, convert


class Argument:
    """A parameter that is given by its place. `metavar`: its name in help."""

    def __init__(self, *, metavar: str, help: str) -> None:
        self.metavar, self.help = metavar, help


class Group:
    """Commands with a common first word. `alone`: what runs when no command follows it."""

    def __init__(self) -> None:
        self.commands: dict[str, Callable[..., None]] = {}
        self.alone: Callable[..., None] | None = None

    def command(self, name: str) -> Callable[[Function], Function]:
        """Make a function the command of this name."""

        def add(function: Function) -> Function:
            self.commands[name] = function
            return function

        return add

    def without_command(self, function: Function) -> Function:
        """Make a function what runs when no command follows the group's name."""
        self.alone = function
        return function


class Entry(NamedTuple):
    """A command or group in the tree of all. `place`: `module:name` below `holdfast.cli`, imported when asked for.

    `help`: of a group; a command's is the first line of its function. `more`: commands of a group that stand in other
    modules than the group itself.
    """

    place: str
    help: str = ""
    more: Mapping[str, Entry] = MappingProxyType({})


def confirm(question: str) -> None:
    """Ask on standard error; end the command with 1 unless the answer is yes. The end of the input is a no."""
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    if answer not in ("y", "yes"):
        print("Aborted: nothing was changed.", file=sys.stderr)
        raise Exit(1)
