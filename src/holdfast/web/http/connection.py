"""Ends the connection of a request at once, which ASGI has no way to do."""

from __future__ import annotations

from collections.abc import Callable

from litestar.types import Scope

_ABORT = "holdfast_abort"


def offer_abort(scope: Scope, abort: Callable[[], None]) -> None:
    """Let handlers of the request end its connection."""
    scope["state"][_ABORT] = abort


def abort_connection(scope: Scope) -> None:
    """End the connection and discard what was not sent: closing alone would wait for a slow client.

    Without effect where the server did not offer it.
    """
    abort = scope.get("state", {}).get(_ABORT)
    if abort is not None:
        abort()
