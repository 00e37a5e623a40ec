"""A page as somebody sees it, for a walk over all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

PASSWORD = "seven rare otters sing"
Act = Callable[[Page], None]


@dataclass(frozen=True)
class Shown:
    """A page as somebody sees it. `act`: what is done on it before it is looked at."""

    path: str
    act: Act | None = None
