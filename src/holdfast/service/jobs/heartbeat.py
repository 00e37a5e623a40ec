"""The heart of the jobs' process: it beats each time that the worker's loop goes round, and whoever asks sees it.

A beat is a row of the catalog, which says to the doctor, `/readyz` and `/metrics` how long ago the process last worked,
and a byte to the server that started it, which ends and starts it again when none comes (`worker/supervisor.py`). The
byte needs no catalog: one that can't be reached or written must not have running backups broken off.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.jobs.heartbeat import heartbeats, store_heartbeat
from holdfast.service.instance.home import Instance
from holdfast.units import SECOND_NS

BEAT_SECONDS = 5.0
"""The catalog gets a beat this often."""

LATE_SECONDS = 30.0
"""A process whose last beat is this much older than it should be hangs."""

_log = logging.getLogger(__name__)


class Heart:
    """Used by one thread: the loop whose work is shown by it."""

    def __init__(
        self, instance: Instance, send_beat: Callable[[], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._instance = instance
        self._send_beat = send_beat
        self._monotonic = monotonic
        self._stored_at: float | None = None
        self._is_stored = True

    def beat(self) -> None:
        """Record a turn of the loop; in the catalog no more often than its readers need."""
        self._send_beat()
        now = self._monotonic()
        if self._stored_at is not None and now - self._stored_at < BEAT_SECONDS:
            return
        self._stored_at = now
        try:
            store_heartbeat(self._instance.catalog, self._instance.config.node, self._instance.clock.now_ns())
            self._is_stored = True
        except CatalogError as error:
            if self._is_stored:  # the first of a row of failures
                _log.warning("the catalog gets no heartbeat of the jobs' process: %s", error)
            self._is_stored = False
        self._send_beat()  # the catalog may have taken long


def heartbeat_age(instance: Instance, node: str | None = None) -> float | None:
    """Return the seconds since the last beat of a node, if not told of this one; None: it never had any.

    Raises CatalogError.
    """
    at = heartbeats(instance.catalog).get(node or instance.config.node)
    return None if at is None else max(0, instance.clock.now_ns() - at) / SECOND_NS


def is_late(age: float | None) -> bool:
    """True if a heart of this age should have beaten long ago."""
    return age is not None and age > BEAT_SECONDS + LATE_SECONDS
