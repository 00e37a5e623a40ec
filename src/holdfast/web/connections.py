"""All connections of the web process: a bound on their number, in all and of an address, and on all waiting.

Terms: a connection *waits* while no request of it is being answered: for its first head, for the next one, or for its
client to take what was written. What waits has a deadline; a request that is being answered has those of its handler.

It must never end a connection whose request is being answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from holdfast.web.http.addresses import Addresses


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that a connection may wait."""

    head: float = 10.0
    """From its start, or the first byte of a further head, until a head is whole."""
    keep_alive: float = 15.0
    """From an answer to the first byte of the next head."""
    flush: float = 15.0
    """In so long its client takes FLUSH_BYTES_PER_SECOND of what was written, or is gone."""


FLUSH_BYTES_PER_SECOND = 1024


class Connection(Protocol):
    """A connection, as far as it is counted and ended here."""

    peer: str
    deadline: float | None
    """When it ends unless something comes; None while a request is answered."""
    is_idle: bool
    """It waits, was answered before, and nothing of a further request has come."""

    def pending_bytes(self) -> int | None:
        """The bytes that were written and not taken yet; None once it is closed."""

    def close(self) -> None:
        """Close it; what was written still goes out."""

    def abort(self) -> None:
        """End it at once."""


class Connections:
    """Counts and ends the connections of one process. Used on the event loop only."""

    def __init__(
        self,
        most: int,
        of_address: int,
        addresses: Callable[[], Addresses],
        now: Callable[[], float],
        deadlines: Deadlines | None = None,
    ) -> None:
        self.now = now
        self.deadlines = deadlines or Deadlines()
        self._most = most
        self._of_address = of_address
        self._addresses = addresses
        self.on_first: Callable[[], None] = lambda: None
        """Called when the first connection comes: from then on `sweep` has something to do."""
        self._all: dict[Connection, str | None] = {}
        self._count: Counter[str] = Counter()
        self._flushing: dict[Connection, tuple[float, int]] = {}
        """Those that wait for their client: since when, and how much there was to take then."""

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, connection: Connection) -> bool:
        """Count a new connection; False when it has no place. One that only idles gives way to it."""
        address = self._addresses().capped_peer(connection.peer)
        if address is not None and self._count[address] >= self._of_address and not self._make_room(address):
            return False
        if len(self._all) >= self._most and not self._make_room(None):
            return False
        if not self._all:
            self.on_first()
        self._all[connection] = address
        if address is not None:
            self._count[address] += 1
        connection.deadline = self.now() + self.deadlines.head
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection that is lost; more than once is fine."""
        self._flushing.pop(connection, None)
        address = self._all.pop(connection, None)
        if address is not None:
            self._count[address] -= 1
            if not self._count[address]:
                del self._count[address]

    def sweep(self) -> None:
        """End what waited too long; called every half second or so while there are any."""
        now = self.now()
        for connection in list(self._all):
            if connection.deadline is None:
                self._flushing.pop(connection, None)
            elif connection.pending_bytes():
                self._watch_flush(connection, now)
            elif now >= connection.deadline:
                connection.close()

    def _make_room(self, address: str | None) -> bool:
        """Close the connection that idles longest, of an address or of all; False when none does."""
        idle = [c for c, of in self._all.items() if c.is_idle and c.deadline is not None and address in (None, of)]
        if not idle:
            return False
        longest = min(idle, key=lambda connection: connection.deadline or 0.0)
        longest.close()
        self.leave(longest)
        return True

    def _watch_flush(self, connection: Connection, now: float) -> None:
        pending = connection.pending_bytes() or 0
        since, before = self._flushing.setdefault(connection, (now, pending))
        if now - since < self.deadlines.flush:
            return
        if before - pending < FLUSH_BYTES_PER_SECOND * self.deadlines.flush:
            connection.abort()
            self.leave(connection)
        else:
            self._flushing[connection] = (now, pending)
