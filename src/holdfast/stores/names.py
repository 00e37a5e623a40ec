"""Names of objects: ASCII letters, digits and a few signs, in parts joined by `/`; the same for every store."""

from __future__ import annotations

import re

_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(/{_PART})*")
_PREFIX = re.compile(rf"({_PART}/)*({_PART})?")


def is_name(name: str) -> bool:
    """Return True if this is a valid object name."""
    return _NAME.fullmatch(name) is not None


def checked(name: str) -> str:
    """Return the name itself; raise ValueError if it is invalid (a fault of the program, never of a user)."""
    if not is_name(name):
        raise ValueError(f"not an object name: {name!r}")
    return name


def checked_prefix(prefix: str) -> str:
    """Return the prefix itself; raise ValueError if no valid name begins with it."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"not the beginning of an object name: {prefix!r}")
    return prefix
