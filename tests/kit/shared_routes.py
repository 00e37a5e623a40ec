"""The application of an instance, on routes that all instances of a test process share.

Litestar reads the signature of each route again for each instance, 0.35 s of CPU. Here it does so for the first one;
what the routes of the others are is put in their places while a request of theirs runs.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextvars import ContextVar
from functools import wraps
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from holdfast.service.instance.home import Instance
from holdfast.web.app import Front, routed, routes
from holdfast.web.context import Context

_functions: ContextVar[Sequence[Any]] = ContextVar("_functions")
"""Those of the routes of the instance that is asked, in their order."""
_made: dict[str, Any] = {}


def create_front(instance: Instance) -> Front:
    """Make what `create_app` makes."""
    context = Context(instance)
    handlers = routes(context)
    names = [(sorted(one.paths), sorted(one.http_methods), one.fn.__qualname__) for one in handlers]
    if not _made:
        _made.update(names=names, api=_placeholders(routed(handlers), [one.fn for one in handlers]))
    assert _made["names"] == names, "the routes depend on the instance: they cannot be shared"
    shared: Litestar = _made["api"]
    functions = [one.fn for one in handlers]

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        before = _functions.set(functions)
        try:
            await shared.asgi_handler(scope, receive, send)
        finally:
            _functions.reset(before)

    api = copy.copy(shared)
    api.asgi_handler = asked
    return Front(context, api)


def _placeholders(api: Litestar, functions: Sequence[Any]) -> Litestar:
    """Have each route call the function in its place among those of the instance that is asked."""
    places = {id(function): place for place, function in enumerate(functions)}
    for route in api.routes:
        for handler in getattr(route, "route_handlers", ()):
            place = places.get(id(handler.fn))
            if place is not None:  # Litestar's own answers to OPTIONS stay
                _take_place(handler, place)
    return api


def _take_place(handler: HTTPRouteHandler, place: int) -> None:
    @wraps(handler.fn)
    async def function(*arguments: Any, **named: Any) -> Any:
        return await _functions.get()[place](*arguments, **named)

    assert not handler.has_sync_callable
    function.__module__ = handler.fn.__module__  # by which tests find the pages
    handler._fn = function
