"""Findings: the results of the doctor's checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from holdfast.service.instance.home import Instance


class Level(StrEnum):
    """The severity: fine; works, but needs attention; does not work, or soon will not."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: a sentence that says what to do, and a command for it if there is one."""

    level: Level
    message: str
    command: str = ""


def problem(message: str, command: str = "") -> Finding:
    """Something does not work."""
    return Finding(Level.PROBLEM, message, command)


def warning(message: str, command: str = "") -> Finding:
    """Something works, and is not as it should be."""
    return Finding(Level.WARNING, message, command)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to examine. `fine`: the line when nothing is found; `run` may raise the errors in `FORESEEN`."""

    name: str
    fine: str
    run: Callable[[Instance], Iterable[Finding]]
