"""The words of a command line: the values of a command's parameters in them, and its help."""

from __future__ import annotations

import argparse
import difflib
import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from holdfast.cli.command_line.declared import Argument, Option, WrongUse
from holdfast.cli.command_line.parameters import Parameter, parameters_of

_HELP = ("-h", "--help")
_HELP_TEXT = "Show this page and stop."
_HOME_TEXT = "The instance's folder (default: $HOLDFAST_HOME, else ~/.local/share/holdfast)."
_GROUP_WORDS = "[OPTIONS] COMMAND [ARGS]..."
_WIDTH_MAX = 80
_INDENT = 2


class _Parser(argparse.ArgumentParser):
    """argparse, with errors raised and help titled as the program's own."""

    def __init__(self, path: str, words: str, description: str) -> None:
        super().__init__(
            prog=path,
            usage=f"{path} {words}".strip(),
            description=description,
            add_help=False,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=_width()),
        )
        self._optionals.title = "Options"
        self._positionals.title = "Arguments"

    def format_usage(self) -> str:
        """Return the line that shows the order of the words."""
        return f"Usage: {self.usage}\n"

    def format_help(self) -> str:
        """Return the page of a command."""
        return "Usage: " + super().format_help().removeprefix("usage: ")

    def error(self, message: str) -> NoReturn:
        """Raise WrongUse."""
        raise WrongUse(message)


class CommandLine:
    """The command line of one command. `path`: all its words, the program's name before them."""

    def __init__(self, path: str, function: Callable[..., None]) -> None:
        self.path = path
        self.function = function
        self.parameters = parameters_of(function)
        arguments = [_shown(one) for one in self.parameters if isinstance(one.declared, Argument)]
        self._parser = _Parser(path, " ".join(["[OPTIONS]", *arguments]), _text(function))
        for parameter in self.parameters:
            _add(self._parser, parameter)
        self._parser.add_argument(*_HELP, action="store_true", dest="help", help=_HELP_TEXT)

    @property
    def usage(self) -> str:
        """The line that shows the order of the words."""
        return self._parser.format_usage()

    @property
    def page(self) -> str:
        """The page about the command."""
        return self._parser.format_help()

    def values(self, words: Sequence[str]) -> dict[str, Any] | None:
        """Return the arguments of the function that words mean; None when they ask for help. Raises WrongUse."""
        found, unknown = self._parser.parse_known_intermixed_args(list(words))
        if found.help:
            return None
        if unknown:
            raise WrongUse(self._unknown(unknown))
        values: dict[str, Any] = {}
        for one in self.parameters:
            given = getattr(found, one.field)
            if given is None or given == []:
                if one.is_required:
                    raise WrongUse(f"Missing {_kind(one)} '{_name(one)}'.")
                values[one.field] = one.default
            else:
                values[one.field] = _converted(one, given)
        return values

    def _unknown(self, words: list[str]) -> str:
        option = next((word for word in words if word.startswith("-") and word != "-"), None)
        if option is None:
            return f"Got unexpected extra argument(s) ({' '.join(words)})"
        names = [name for one in self.parameters for name in one.names]
        near = difflib.get_close_matches(option.partition("=")[0], names)
        return f"No such option: {option}" + (f" (did you mean {' or '.join(near)}?)" if near else "")


def group_usage(path: str) -> str:
    """Return the line that shows the order of the words of a group's commands."""
    return f"Usage: {path} {_GROUP_WORDS}\n"


def group_page(path: str, description: str, summaries: Mapping[str, str]) -> str:
    """Return the page about a group that does nothing itself. `summaries`: of its commands."""
    parser = _Parser(path, _GROUP_WORDS, description)
    parser.add_argument(*_HELP, action="store_true", help=_HELP_TEXT)
    parser.add_argument("--home", metavar="PATH", help=_HOME_TEXT)
    if " " not in path:
        parser.add_argument("--version", action="store_true", help="Print the version and stop.")
    return parser.format_help() + command_list(summaries)


def command_list(summaries: Mapping[str, str]) -> str:
    """Return the lines about the commands of a group."""
    column = max(map(len, summaries)) + 2
    width = _width() - column - _INDENT
    lines = [
        f"{' ' * _INDENT}{name.ljust(column)}{textwrap.shorten(text, width, placeholder='...')}"
        for name, text in summaries.items()
    ]
    return "\n".join(["", "Commands:", *lines, ""])


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _WIDTH_MAX)


def summary_of(function: Callable[..., None]) -> str:
    """Return what a command does, in one sentence."""
    return _text(function).partition(". ")[0].removesuffix(".") + "."


def _text(function: Callable[..., None]) -> str:
    paragraphs = (function.__doc__ or "").split("\n\n")
    return " ".join(paragraphs[0].split())


def _add(parser: _Parser, parameter: Parameter) -> None:
    declared = parameter.declared
    if isinstance(declared, Argument):
        parser.add_argument(
            parameter.field,
            nargs="*" if parameter.is_many else "?",
            metavar=parameter.metavar or parameter.field,
            help=_escaped(declared.help),
        )
        return
    text = _escaped(_with_bounds(declared))
    if parameter.kind is not bool:
        parser.add_argument(
            *declared.names,
            dest=parameter.field,
            action="append" if parameter.is_many else "store",
            metavar=parameter.metavar,
            help=text,
        )
        return
    on, _, off = declared.names[0].partition("/")
    parser.add_argument(on, *declared.names[1:], dest=parameter.field, action="store_const", const=True, help=text)
    if off:
        help_off = f"Do not; without either, {on if parameter.default else off}."
        parser.add_argument(off, dest=parameter.field, action="store_const", const=False, help=help_off)


def _with_bounds(option: Option) -> str:
    if option.min is None and option.max is None:
        return option.help
    low, high = (f"{option.min} to " if option.min is not None else "at most "), option.max
    return f"{option.help} [{low}{high}]" if high is not None else f"{option.help} [at least {option.min}]"


def _escaped(text: str) -> str:
    """argparse fills in what `%` names."""
    return text.replace("%", "%%")


def _converted(parameter: Parameter, given: Any) -> Any:
    try:
        if parameter.kind is bool:
            convert = parameter.declared.convert if isinstance(parameter.declared, Option) else None
            return convert(given) if convert is not None else given
        return [parameter.value(text) for text in given] if parameter.is_many else parameter.value(given)
    except WrongUse as error:
        raise WrongUse(f"Invalid value for '{_name(parameter)}': {error}") from None


def _kind(parameter: Parameter) -> str:
    return "argument" if isinstance(parameter.declared, Argument) else "option"


def _name(parameter: Parameter) -> str:
    return parameter.names[0] if parameter.names else parameter.metavar or parameter.field


def _shown(parameter: Parameter) -> str:
    name = (parameter.metavar or parameter.field) + ("..." if parameter.is_many else "")
    return name if parameter.is_required else f"[{name}]"
