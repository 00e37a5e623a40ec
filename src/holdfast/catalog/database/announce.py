"""Telling the workers of other machines that something was queued: PostgreSQL's NOTIFY, with the transaction.

A catalog in a file has one machine, whose worker is told by `service/jobs/wake.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, text

from holdfast.catalog.database.engine import Catalog
from holdfast.vault.control import ControlOf

CHANNEL = "holdfast_queue"
LISTEN_SECONDS = 1.0
"""A listener returns at most this long after a cancel."""


def announce(connection: Connection, node: str) -> None:
    """Tell the worker of a node, when this transaction is committed, that something waits for it."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_notify(:channel, :node)"), {"channel": CHANNEL, "node": node})


def listen(catalog: Catalog, node: str, on_announced: Callable[[], None], control: ControlOf[object]) -> None:
    """Call `on_announced` whenever something is announced to a node, until a cancel. Raises the driver's errors.

    Does nothing on a catalog in a file.
    """
    if catalog.is_sqlite:
        return
    pooled = catalog.engine.raw_connection()
    driver: Any = pooled.driver_connection
    pooled.detach()  # not given back to the pool: whoever got it would go on listening
    with closing(driver):
        driver.autocommit = True
        driver.execute(f"LISTEN {CHANNEL}")
        on_announced()  # in case something was announced before
        while not control.is_cancelled():
            for notification in driver.notifies(timeout=LISTEN_SECONDS):
                if notification.payload == node:
                    on_announced()
                if control.is_cancelled():
                    return
