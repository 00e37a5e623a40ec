"""Cron expressions: when an application is due, in the instance's time zone. All functions are pure.

An expression has five fields (minute, hour, day of month, month, day of week) with numbers, names, `*`, ranges, steps
and lists, or is `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`. `cronsim` parses and evaluates it, with the
meaning of Debian's cron: if day of month and day of week are both given, either of them is enough.

When the clocks change, an expression that runs in every hour keeps to elapsed time. All others keep to the wall clock,
and run exactly once: a time that the clock skips is due right after the gap, one that comes twice is due the first
time. (This is the only difference from `cronsim`, which decides by how the fields are written: with it `*/30 2 * * *`
would not run at all on the day on which 02:00 to 03:00 is skipped.)

A *run* is what the expression says; *due* is when one application runs: a little after the run (*jitter*), always by
the same time for the same application, so that not all those with `0 3 * * *` begin at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import NamedTuple

from cronsim import CronSim, CronSimError

from holdfast.service.errors import Invalid
from holdfast.units import SECOND_NS

TEXT_CHARACTERS_MAX = 100
JITTER_SHARE = 10
"""The jitter is at most the time to the next run divided by this: `* * * * *` still runs every minute."""

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = (
    ("minute", "a number from 0 to 59"),
    ("hour", "a number from 0 to 23"),
    ("day of month", "a number from 1 to 31"),
    ("month", "a number from 1 to 12 or a name like JAN"),
    ("day of week", "a number from 0 to 7 (0 and 7 are Sunday) or a name like MON"),
)
_HOURS = set(range(24))
_ANY_DAY = datetime(2024, 1, 1)


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression that was read. `text`: as it was given; `fields`: as `cronsim` counts with it."""

    text: str
    fields: str
    is_every_hour: bool
    runs_a_day: int
    """The number of runs on each day that has any."""


@lru_cache(maxsize=4096)
def parse_cron(text: str) -> Cron:
    """Read an expression. Raises Invalid (CRON) with what is wrong with it."""
    if len(text) > TEXT_CHARACTERS_MAX or not text.isprintable() or not text.isascii():
        raise Invalid("cron", f"cron must be a cron expression of at most {TEXT_CHARACTERS_MAX} ASCII characters.")
    words = _words(text)
    for number, (word, (name, rule)) in enumerate(zip(words, _FIELDS, strict=True)):
        alone = ["*"] * len(_FIELDS)
        alone[number] = word
        if number == 2:
            alone[4] = "0"  # either is enough then, so that only the field itself is looked at
        try:
            CronSim(" ".join(alone), _ANY_DAY)
        except CronSimError:
            raise Invalid(
                "cron",
                f"The {name} of a cron expression must be {rule}, *, or ranges, steps and lists of those (1-5, */2, "
                f"1,2), and is {word!r} in {text!r}.",
            ) from None
    try:
        simulated = CronSim(" ".join(words), _ANY_DAY)
        first = next(simulated, None)
    except CronSimError:
        first = None
    if first is None:
        raise Invalid("cron", f"The cron expression {text!r} matches no day; check its days and months.")
    is_every_hour = simulated.hours == _HOURS
    if is_every_hour:
        words[1] = "*"
    return Cron(text, " ".join(words), is_every_hour, len(simulated.minutes) * len(simulated.hours))


def _words(text: str) -> list[str]:
    """The five fields."""
    words = text.split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0].lower() not in _NICKNAMES:
            known = ", ".join(_NICKNAMES)
            raise Invalid("cron", f"The cron expression {words[0]!r} is not known; there are {known}.")
        return _NICKNAMES[words[0].lower()].split()
    if "?" in text:
        raise Invalid("cron", f"A cron expression here has no '?'; write * in its place in {text!r}.")
    if len(words) in (6, 7):
        raise Invalid("cron", f"A cron expression here has no seconds and no years, and {text!r} has too many fields.")
    if len(words) != len(_FIELDS):
        raise Invalid(
            "cron",
            f"A cron expression has five fields (minute, hour, day of month, month, day of week), as in '0 3 * * *', "
            f"and {text!r} has {len(words)}.",
        )
    return words


def next_runs(cron: Cron, after_ns: int, zone: tzinfo, count: int) -> list[int]:
    """The first `count` runs after a time, in nanoseconds, each later than the one before."""
    return list(islice(_runs(cron, after_ns, zone), count))


def _runs(cron: Cron, after_ns: int, zone: tzinfo) -> Iterator[int]:
    last = after_ns // SECOND_NS
    start = datetime.fromtimestamp(last, zone)
    if cron.is_every_hour:
        for run in CronSim(cron.fields, start):
            if (at := int(run.timestamp())) > last:
                yield at * SECOND_NS
                last = at
        return
    # By the clock on the wall: without a zone `cronsim` knows of no change.
    for run in CronSim(cron.fields, start.replace(tzinfo=None, fold=0)):
        if (at := _moment(run, zone)) > last:
            yield at * SECOND_NS
            last = at


def _moment(wall: datetime, zone: tzinfo) -> int:
    """Return the first moment at which a wall clock shows this, in seconds since 1970; the gap's end if it never
    does."""
    while True:
        at = int(wall.replace(tzinfo=zone, fold=0).timestamp())
        if datetime.fromtimestamp(at, zone).replace(tzinfo=None, fold=0) == wall:
            return at
        wall += timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Due:
    """One time at which an application is due, in nanoseconds. `interval`: from its run to the one after it."""

    at: int
    interval: int


def next_due(cron: Cron, after_ns: int, zone: tzinfo, app_id: str, jitter_seconds: int) -> Due:
    """The first time after `after_ns` at which an application is due."""
    return next_dues(cron, after_ns, zone, app_id, jitter_seconds, 1)[0]


def next_dues(cron: Cron, after_ns: int, zone: tzinfo, app_id: str, jitter_seconds: int, count: int) -> list[Due]:
    """Return the first `count` due times after `after_ns`, each at most `jitter_seconds` later than the schedule."""
    share = jitter_of(app_id)

    def dues() -> Iterator[Due]:
        for slot in _slots(cron, after_ns, zone, jitter_seconds):
            at = slot.due_at(share)
            if at > after_ns:
                yield Due(at, slot.following - slot.run)

    return list(islice(dues(), count))


class Slot(NamedTuple):
    """A run, the one that follows it (nanoseconds), and by how many seconds an application is later at most."""

    run: int
    following: int
    bound: int

    def due_at(self, share: float) -> int:
        """The due time of an application with this share of the jitter."""
        return self.run + int(share * (self.bound + 1)) * SECOND_NS


def slots(cron: Cron, after_ns: int, until_ns: int, zone: tzinfo, jitter_seconds: int) -> list[Slot]:
    """Return the runs that an application can be due by between two times; some may be due before or after."""
    found = _slots(cron, after_ns, zone, jitter_seconds)
    return list(takewhile(lambda slot: slot.run < until_ns, found))


def _slots(cron: Cron, after_ns: int, zone: tzinfo, jitter_seconds: int) -> Iterator[Slot]:
    # A run that was before may have its due time ahead.
    for run, following in pairwise(_runs(cron, after_ns - jitter_seconds * SECOND_NS, zone)):
        yield Slot(run, following, min(jitter_seconds, (following - run) // JITTER_SHARE // SECOND_NS))


def jitter_of(app_id: str) -> float:
    """An application's share of the jitter: from 0 to below 1, evenly spread, always the same."""
    return int.from_bytes(hashlib.sha256(app_id.encode()).digest()[:6]) / 2**48


def shortest_interval(cron: Cron, after_ns: int, zone: tzinfo) -> int:
    """The shortest time between two runs, in nanoseconds, as far as two days, or forty single runs, tell."""
    runs = next_runs(cron, after_ns, zone, max(2 * cron.runs_a_day + 1, 40))
    return min(later - run for run, later in pairwise(runs))
