"""Who a page is shown to: the theme and the time zone that he chose, and the token by which he changes the theme.

Known from the session, so that no page has to hand them on; `as_page` forgets them when it has answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import tzinfo
from typing import NamedTuple

from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import speak
from holdfast.service.people.preferences import Preferences, zone_named


class Bar(NamedTuple):
    """A line that stands on top of every page, with a button. `css`: its look; `token`: empty for no button."""

    css: str
    text: str
    action: str
    token: str
    button: str


class Viewer(NamedTuple):
    """Whoever is signed in. `theme`: `auto`, `light`, `dark`; None before that. `bars`: on top of the page."""

    theme: str | None = None
    zone: tzinfo | None = None
    theme_token: str = ""
    bars: tuple[Bar, ...] = ()


_NOBODY = Viewer()
_viewer: ContextVar[Viewer] = ContextVar("viewer", default=_NOBODY)


@contextmanager
def shown_to_nobody() -> Iterator[None]:
    """Forget afterwards who a page was shown to."""
    token = _viewer.set(_NOBODY)
    try:
        yield
    finally:
        _viewer.reset(token)


def show_to(preferences: Preferences, theme_token: str) -> None:
    """Show the page as somebody prefers it. `theme_token`: of the form that changes the theme."""
    zone = None if preferences.time_zone is None else zone_named(preferences.time_zone)
    _viewer.set(Viewer(preferences.theme or "auto", zone, theme_token))
    speak(preferences.language)


def put_on_top(*bars: Bar) -> None:
    """Have lines stand on top of the page, in their order."""
    _viewer.set(_viewer.get()._replace(bars=bars))


def bars() -> tuple[Bar, ...]:
    """Return the lines on top of the page."""
    return _viewer.get().bars


def theme() -> str | None:
    """Return the theme of the page; None when nobody is signed in: what the browser has kept holds."""
    return _viewer.get().theme


def theme_token() -> str:
    """Return the token with which the button in the frame changes the theme; empty when nobody is signed in."""
    return _viewer.get().theme_token


def chosen_zone() -> tzinfo | None:
    """Return the time zone that was chosen, if one was."""
    return _viewer.get().zone


def zone_of(instance: Instance) -> tzinfo:
    """Return the time zone that times of the page are in."""
    return _viewer.get().zone or instance.zone
