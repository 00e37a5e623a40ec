"""The counters: how often each event happened since the instance was made. They only grow, whatever is deleted.

Folded from the events, whose rows go after a while: the fact `tally` holds the counts and the number of the last
event in them, so an event counts once, whoever folds and however often a process dies. A *run* is a backup or a job
from its start to its end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import events, facts
from holdfast.catalog.records import CANCELLED, EventKind
from holdfast.units import DAY_NS, SECOND_NS

FACT = "tally"
BUCKET_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600)
"""Upper bounds of the durations' classes; a further class has all longer ones."""

_EVENTS_AT_ONCE = 5000
_SETTLED_NS = 60 * SECOND_NS
"""No transaction that enters an event lives longer; see `_settled`."""
_RUN_NS_MAX = 14 * DAY_NS
"""A start without an end is forgotten after that: its account was erased."""


class Durations(msgspec.Struct):
    """The durations of runs. `counts`: one per class of BUCKET_SECONDS, and one for all above."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BUCKET_SECONDS) + 1))
    seconds: float = 0.0

    def note(self, seconds: float) -> None:
        """Add one duration."""
        self.counts[bisect_left(BUCKET_SECONDS, seconds)] += 1
        self.seconds += seconds


class Counters(msgspec.Struct):
    """All counts. `ended`: by kind of run and how it ended, `failures`: by kind of run and code."""

    seq: int = 0
    events: dict[str, int] = {}
    ended: dict[str, dict[str, int]] = {}
    last_end: dict[str, dict[str, int]] = {}
    failures: dict[str, dict[str, int]] = {}
    durations: dict[str, Durations] = {}
    files: int = 0
    zip_bytes: int = 0
    stored_bytes: int = 0
    begun: dict[str, int] = {}
    """Runs that have not ended: when they started."""


_counters = msgspec.json.Decoder(Counters)
_COLUMNS = (events.c.seq, events.c.kind, events.c.at, events.c.backup_id, events.c.job_id, events.c.data)


def read_counters(catalog: Catalog, now_ns: int) -> Counters:
    """Return the counts as they are now; changes nothing."""
    with catalog.read() as connection:
        text = connection.execute(select(facts.c.value).where(facts.c.name == FACT)).scalar()
        counters = _counters.decode(text) if text else Counters()
        while _fold_more(connection, catalog, counters, now_ns):
            pass
        return counters


def store_counters(catalog: Catalog, now_ns: int) -> None:
    """Store the counts, so that their events can be deleted, and the next reading has few to fold."""
    more = True
    while more:
        with suppress(IntegrityError), catalog.write(durable=False) as connection:  # another node wrote the first one
            text = connection.execute(select(facts.c.value).where(facts.c.name == FACT).with_for_update()).scalar()
            counters = _counters.decode(text) if text else Counters()
            before = counters.seq
            more = _fold_more(connection, catalog, counters, now_ns)
            if counters.seq == before:
                return
            value = msgspec.json.encode(counters).decode()
            if text is None:
                connection.execute(facts.insert().values(name=FACT, value=value))
            else:
                connection.execute(facts.update().where(facts.c.name == FACT).values(value=value))


def _fold_more(connection: Connection, catalog: Catalog, counters: Counters, now_ns: int) -> bool:
    """Count the next events; return True if there may be more."""
    query = select(*_COLUMNS).where(events.c.seq > counters.seq).order_by(events.c.seq).limit(_EVENTS_AT_ONCE)
    rows = connection.execute(query).all()
    settled = list(rows if catalog.commits_in_order else _settled(rows, now_ns))
    for row in settled:
        _fold(counters, row)
    long_ago = now_ns - _RUN_NS_MAX
    counters.begun = {run: at for run, at in counters.begun.items() if at > long_ago}
    return len(settled) == _EVENTS_AT_ONCE


def _settled(rows: Iterable[Any], now_ns: int) -> Iterable[Any]:
    """Yield the events before the first recent one: while accounts commit in parallel, a lower number may still
    come."""
    for row in rows:
        if row.at > now_ns - _SETTLED_NS:
            return
        yield row


def _fold(counters: Counters, row: Row[Any]) -> None:
    """Count one event. Kinds that are not known here (a newer node writes them) only count as events."""
    counters.seq = row.seq
    counters.events[row.kind] = counters.events.get(row.kind, 0) + 1
    run = row.job_id or row.backup_id
    kind, _, what = row.kind.partition(".")
    if run is None:
        return
    if what == "started":
        counters.begun[run] = row.at
    elif row.kind == EventKind.BACKUP_FINISHED:
        data = msgspec.json.decode(row.data)
        counters.files += data.get("files", 0)
        counters.zip_bytes += data.get("size", 0)
        counters.stored_bytes += data.get("stored_size", 0)
        _end(counters, run, kind, "successful", "", row.at)
    elif row.kind == EventKind.BACKUP_FAILED:
        code = msgspec.json.decode(row.data).get("code", "")
        _end(counters, run, kind, "cancelled" if code == CANCELLED else "failed", code, row.at)
    elif what == "finished":
        data = msgspec.json.decode(row.data)
        _end(counters, run, kind, data.get("state", "successful"), data.get("code", ""), row.at)


def _end(counters: Counters, run: str, kind: str, state: str, code: str, at: int) -> None:
    ended = counters.ended.setdefault(kind, {})
    ended[state] = ended.get(state, 0) + 1
    counters.last_end.setdefault(kind, {})[state] = at
    if state == "failed":
        failures = counters.failures.setdefault(kind, {})
        failures[code] = failures.get(code, 0) + 1
    started = counters.begun.pop(run, None)
    if started is not None and state == "successful":
        counters.durations.setdefault(kind, Durations()).note(max(0, at - started) / SECOND_NS)
