"""The places of downloads: how many run at once, and of whom.

Terms: a *place* is one running download, or file or folder that is read from a backup. It belongs to an account, an
address, and a link where it has one. A *keyed* caller showed the account's API key. A place is *slow* when its client
took less than `SLOW_BYTES_PER_SECOND` for a minute.

A place that is slow stays until somebody else needs it, and is ended then. It must never let callers without
a key take the places that are kept for those with one, or end what is not slow.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from holdfast.web.http.errors import ApiError, keep_calm, unavailable

SLOW_BYTES_PER_SECOND = 1024
SLOW_SECONDS = 60.0
MARK_SECONDS = 5.0
RETRY_SECONDS = 30

OF_ACCOUNT_MAX = 32
OF_LINK_MAX = 16
"""As many as a download manager opens."""

KEPT_FOR_KEYS = 4
"""One place in so many, of an account's and of all, is kept for keyed callers."""


@dataclass(frozen=True, slots=True)
class Downloader:
    """For whom a place is. `address`: None counts for no address; `link`: None for a caller that names the backup."""

    account_id: str
    address: str | None
    link: str | None
    is_keyed: bool


class Place:
    """One running download. Used on the event loop only."""

    def __init__(self, caller: Downloader, now: Callable[[], float]) -> None:
        self.caller = caller
        self.is_ended = False
        """Set when somebody else got its room."""
        self._now = now
        self._bytes = 0
        self._marks = deque([(now(), 0)])
        """Moments, each with the bytes until then; the first one is as old as what is looked at, the last is the newest
        that something was taken."""
        self._limit: asyncio.Timeout | None = None

    def took(self, size: int) -> None:
        """The client took this many bytes."""
        now = self._now()
        self._bytes += size
        if len(self._marks) > 1 and now - self._marks[-2][0] < MARK_SECONDS:
            self._marks.pop()
        self._marks.append((now, self._bytes))
        self._forget(now)

    @contextmanager
    def limited(self, limit: asyncio.Timeout) -> Iterator[None]:
        """While this runs, `end` lets the time limit around it expire."""
        self._limit = limit
        try:
            yield
        finally:
            self._limit = None

    def end(self) -> None:
        """End it, wherever it waits."""
        self.is_ended = True
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    def rate(self) -> float | None:
        """Bytes per second over the last minute; None while it is younger."""
        now = self._now()
        self._forget(now)
        since, before = self._marks[0]
        seconds = now - since
        return (self._bytes - before) / seconds if seconds >= SLOW_SECONDS else None

    def _forget(self, now: float) -> None:
        while len(self._marks) > 1 and now - self._marks[1][0] >= SLOW_SECONDS:
            self._marks.popleft()


class Places:
    """All places of a process. Used on the event loop only."""

    def __init__(self, in_all: int, of_address: int, now: Callable[[], float]) -> None:
        self.in_all = in_all
        self._of_address = of_address
        self._now = now
        self._running: set[Place] = set()

    def __len__(self) -> int:
        return len(self._running)

    @contextmanager
    def taken(self, caller: Downloader) -> Iterator[Place]:
        """A place for as long as it is used. Raises ApiError (KEEP_CALM, UNAVAILABLE) when there is none."""
        while (refusal := self._refusal(caller)) is not None:
            error, shares = refusal
            slowest = self._slowest(shares)
            if slowest is None:
                raise error
            slowest.end()
            self._running.discard(slowest)
        place = Place(caller, self._now)
        self._running.add(place)
        try:
            yield place
        finally:
            self._running.discard(place)

    def _refusal(self, caller: Downloader) -> tuple[ApiError, Callable[[Downloader], bool]] | None:
        """Return the reason that a caller gets no place, and who holds those that are missing; None when there is
        one.
        """
        running = Counter[str]()
        for place in self._running:
            other = place.caller
            running["all"] += 1
            running["unkeyed"] += not other.is_keyed
            running["account"] += other.account_id == caller.account_id
            running["account, unkeyed"] += other.account_id == caller.account_id and not other.is_keyed
            running["link"] += other.link is not None and other.link == caller.link
            running["address"] += not other.is_keyed and other.address == caller.address
        if running["account"] >= OF_ACCOUNT_MAX:
            what = f"{OF_ACCOUNT_MAX} downloads of this account run already"
            return keep_calm(RETRY_SECONDS, what), lambda other: other.account_id == caller.account_id
        if running["all"] >= self.in_all:
            return _full(), lambda other: True
        if caller.is_keyed:
            return None
        if caller.link is not None and running["link"] >= OF_LINK_MAX:
            what = f"{OF_LINK_MAX} downloads with this link run already"
            return keep_calm(RETRY_SECONDS, what), lambda other: other.link == caller.link
        if caller.address is not None and running["address"] >= self._of_address:
            what = f"{self._of_address} downloads from this address run already"
            return keep_calm(RETRY_SECONDS, what), lambda other: not other.is_keyed and other.address == caller.address
        most = _without_kept(OF_ACCOUNT_MAX)
        if running["account, unkeyed"] >= most:
            what = f"{most} downloads without an API key of this account run already"
            return keep_calm(RETRY_SECONDS, what), lambda o: not o.is_keyed and o.account_id == caller.account_id
        if running["unkeyed"] >= _without_kept(self.in_all):
            return _full(), lambda other: not other.is_keyed
        return None

    def _slowest(self, shares: Callable[[Downloader], bool]) -> Place | None:
        rates = [(place.rate(), place) for place in self._running if shares(place.caller)]
        slow = [(rate, place) for rate, place in rates if rate is not None and rate < SLOW_BYTES_PER_SECOND]
        return min(slow, key=lambda pair: pair[0])[1] if slow else None


def _without_kept(most: int) -> int:
    return most - most // KEPT_FOR_KEYS


def _full() -> ApiError:
    return unavailable("As many downloads run as this server has places for; try again in a moment.", RETRY_SECONDS)
