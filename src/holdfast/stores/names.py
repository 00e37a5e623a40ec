"""Names of objects: ASCII letters, digits and a few signs, in parts joined by `/`; the same for every store."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def checked(name: str) -> str:
    """The name itself; ValueError when no object may be called so (a fault of the program, never of a user)."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not an object name: {name!r}")
    return name
