"""The queries that a block asks the catalog."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from holdfast.service.instance.home import Instance

_ASIDE = ("store-watch", "download-audit", "watch-events")
"""Threads of a server that go on by themselves."""


@contextmanager
def counted(instance: Instance) -> Iterator[list[str]]:
    """The queries of a block, but for what `PreparedQueries` looks up."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        is_query = statement.lstrip().upper().startswith(("SELECT", "WITH"))
        if is_query and not threading.current_thread().name.startswith(_ASIDE):
            found.append(statement)

    event.listen(instance.catalog.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(instance.catalog.engine, "before_cursor_execute", note)
