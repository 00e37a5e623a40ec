"""A token bucket per client address, for attempts that failed.

A correct key is never throttled, whatever others behind the same address do: keys have 160 or 256 random bits, so the
bucket limits the noise and the load of guessing; it need not make guessing impossible.
"""

from __future__ import annotations

from collections import OrderedDict

ADDRESSES_MAX = 10_000
"""Buckets remembered; the one that was used longest ago goes first, and it is full again by then."""


class Throttle:
    """`burst` attempts at once, then `per_second`. Used on the event loop only; no lock."""

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def forget(self, address: str) -> None:
        """Forget the attempts of an address: one of them was right."""
        self._buckets.pop(address, None)

    def give_back(self, address: str) -> None:
        """Take one attempt back: it was right."""
        if address in self._buckets:
            tokens, since = self._buckets[address]
            self._buckets[address] = (min(self._burst, tokens + 1.0), since)

    def attempt_failed(self, address: str, now: float) -> float:
        """Count a failed attempt at `now` (seconds of a clock that never goes back).

        Returns 0.0 while attempts are left, else the seconds until there is one again.
        """
        tokens, since = self._buckets.pop(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        allowed = tokens >= 1.0
        self._buckets[address] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / self._per_second
