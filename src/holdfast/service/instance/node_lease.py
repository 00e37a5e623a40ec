"""The lease on the node's name: of several homes with one catalog, each has a name of its own.

A home takes what it finds running under its node's name, and whose lock nobody holds in its own `run/`, for the work of
a dead process. Two homes with one name would end each other's work. So a name is leased in the catalog before anything
of it is run or recovered, and renewed while the process lives.

The same home has its name again at once, whatever became of its processes. Another home gets it only when the lease is
not renewed any more: that is watched for longer than two renewals by the monotonic clock, so no clock that jumps gives
a name away. A catalog in the home itself needs no lease, as no other home has it.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from holdfast.catalog.database.engine import Catalog, CatalogError
from holdfast.catalog.database.leases import NodeHolder, hold_node
from holdfast.service.errors import Conflict
from holdfast.stores.durable import write_durably

HOME_ID_NAME = "home.id"
RENEW_SECONDS = 10.0
WATCH_SECONDS = 30.0
"""A holder that is not renewed for so long, while we watch, is dead."""
FRESH_SECONDS = 60
"""One that was renewed so lately, by the database's clock, is not even watched."""

_log = logging.getLogger(__name__)


class NodeLease:
    """The lease of one open instance. Safe to use from several threads."""

    def __init__(
        self,
        catalog: Catalog,
        home: Path,
        node: str,
        *,
        is_needed: bool,
        watch: Callable[[float], object] | None = None,
    ) -> None:
        """`watch(seconds)` waits, else until the lease is closed."""
        self._catalog = catalog
        self._home = home
        self._node = node
        self._is_needed = is_needed
        self._closed = threading.Event()
        self._watch = watch or self._closed.wait
        self._lock = threading.Lock()
        self._renewing: threading.Thread | None = None
        self.on_lost: Callable[[], None] = lambda: None
        """Called when another home has taken the name: this process was stopped, or cut off, for long."""

    def hold(self) -> None:
        """Take the name and keep it until `close`. Raises Conflict (NODE_TAKEN), CatalogError, OSError."""
        if not self._is_needed:
            return
        with self._lock:
            if self._renewing is not None and self._renewing.is_alive():
                return
            self._take(home_id(self._home))
            self._renewing = threading.Thread(target=self._renew, name="node-lease", daemon=True)
            self._renewing.start()

    def renew(self) -> bool:
        """Renew it once; False when another home has the name now."""
        return hold_node(self._catalog, self._node, home_id(self._home), self._where()) is None

    def close(self) -> None:
        """Stop renewing."""
        self._closed.set()
        if self._renewing is not None:
            self._renewing.join()

    def _take(self, own_id: str) -> None:
        dead: NodeHolder | None = None
        while (other := hold_node(self._catalog, self._node, own_id, self._where(), dead)) is not None:
            # In the future: a clock was set back, and tells nothing.
            if 0 <= other.age_seconds < FRESH_SECONDS or dead is not None:
                raise Conflict(
                    "NODE_TAKEN",
                    f"Another home ({other.holder.where}) runs as the node {self._node!r} on this catalog; set another "
                    "`node` in holdfast.toml. If that home was stopped or is gone, try again in a minute.",
                )
            self._watch(WATCH_SECONDS)
            dead = other.holder

    def _renew(self) -> None:
        while not self._closed.wait(RENEW_SECONDS):
            try:
                if self.renew():
                    continue
            except CatalogError:
                continue  # it may be back before the name is given away
            except OSError as error:
                _log.warning("the lease of the node's name is not renewed: %s", error)
                continue
            _log.error("Another home has taken the node's name %r; this one stops.", self._node)
            self.on_lost()
            return

    def _where(self) -> str:
        return f"{self._home} on {socket.gethostname()}"


def home_id(home: Path) -> str:
    """Return the id of a home, which a copy of it does not share: it depends on the folder itself."""
    path = home / HOME_ID_NAME
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        # Of two processes that make it at once, both read the one that is there first.
        made = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        write_durably(made, f"{secrets.token_hex(16)}\n".encode())
        with suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
        text = path.read_text().strip()
    return f"{text}-{os.stat(home).st_ino}"
