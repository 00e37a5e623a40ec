"""The parameters of a command, read from the signature of its function."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from holdfast.cli.command_line.declared import Argument, Option, WrongUse

_METAVARS: dict[type[Any], str] = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}
_NUMBERS: dict[type[Any], str] = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a command. `field`: its name in the function; `kind`: the type of one value of it."""

    field: str
    kind: type[Any]
    is_many: bool
    is_required: bool
    default: Any
    declared: Option | Argument

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which it is given, those that switch it off among them; none for an argument."""
        if isinstance(self.declared, Argument):
            return ()
        return tuple(name for both in self.declared.names for name in both.split("/"))

    @property
    def metavar(self) -> str:
        """The word that stands for its value."""
        if self.declared.metavar:
            return self.declared.metavar
        if issubclass(self.kind, Enum):
            return "|".join(str(one.value) for one in self.kind)
        return _METAVARS.get(self.kind, "TEXT")

    def value(self, text: str) -> Any:
        """Return the value that a text means. Raises WrongUse."""
        option = self.declared if isinstance(self.declared, Option) else None
        if option is not None and option.convert is not None:
            return option.convert(text)
        if issubclass(self.kind, Enum):
            try:
                return self.kind(text)
            except ValueError:
                raise WrongUse(f"{text!r} is none of {', '.join(str(one.value) for one in self.kind)}") from None
        if self.kind not in _NUMBERS:
            return self.kind(text)
        try:
            number: float = self.kind(text)
        except ValueError:
            raise WrongUse(f"{text!r} is not {_NUMBERS[self.kind]}") from None
        if option is not None:
            if option.min is not None and number < option.min:
                raise WrongUse(f"{text} is less than {option.min}")
            if option.max is not None and number > option.max:
                raise WrongUse(f"{text} is more than {option.max}")
        return number


def parameters_of(function: Callable[..., None]) -> list[Parameter]:
    """Return the parameters of a command's function, in the order of its signature."""
    hints = get_type_hints(function, include_extras=True)
    return [_parameter(name, hints[name], one.default) for name, one in inspect.signature(function).parameters.items()]


def _parameter(field: str, hint: Any, default: Any) -> Parameter:
    kind, declared = get_args(hint)[:2]
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not types.NoneType)
    is_many = get_origin(kind) is list
    if is_many:
        (kind,) = get_args(kind)
    is_required = default is inspect.Parameter.empty
    return Parameter(field, kind, is_many, is_required, None if is_required else default, declared)
