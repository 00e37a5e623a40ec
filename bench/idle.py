"""`python -m bench idle`: what a server takes when nobody asks anything of it, and how soon a queued backup begins.

CPU time is that of all processes of `holdfast serve`, from /proc, so other work on the machine hardly matters to it.
Seconds to the start do suffer from other work: measure them in a quiet moment. They are from the row's entry to the
event `backup.started`, both as the catalog has them.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.daily import make_small_tree
from bench.holdfast import Home, Server
from bench.measure import process_trees

SETTLE_SECONDS = 20.0
"""After this nothing of the start goes on."""

IDLE_SECONDS = 60.0
STARTS = 50
IDLE_SHARE_MAX = 0.016
"""Of one core."""

START_MEDIAN_MAX = 0.060
START_WORST_MAX = 0.200


def measure_idle(run: Path, say: Callable[[str], None]) -> bool:
    """Measure a fresh home with one small application, and say the figures; returns whether all are as they must be."""
    with _served(run) as server:
        time.sleep(SETTLE_SECONDS)
        before, began = _cpu_seconds(server), time.monotonic()
        time.sleep(IDLE_SECONDS)
        share = (_cpu_seconds(server) - before) / (time.monotonic() - began)
        starts = sorted(_starts(server))
    median, worst = statistics.median(starts), starts[-1]
    say(f"  idle: {share:.2%} of one core over {IDLE_SECONDS:.0f} s (at most {IDLE_SHARE_MAX:.1%})")
    say(
        f"  start of a queued backup, {STARTS} times: median {median * 1000:.0f} ms, worst {worst * 1000:.0f} ms "
        f"(at most {START_MEDIAN_MAX * 1000:.0f} and {START_WORST_MAX * 1000:.0f})"
    )
    return share <= IDLE_SHARE_MAX and median <= START_MEDIAN_MAX and worst <= START_WORST_MAX


@contextmanager
def _served(run: Path) -> Iterator[Server]:
    folder = run / "idle"
    make_small_tree(folder)
    server = Server(Home(run / "home-idle", folder))
    try:
        yield server
    finally:
        server.stop()
        server.home.delete()


def _cpu_seconds(server: Server) -> float:
    """User and system time of the server's processes."""
    ticks = 0
    for pid in process_trees(server.processes):
        # Behind the name, which may hold spaces, utime and stime are the 12th and 13th field (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _starts(server: Server) -> list[float]:
    """The seconds from asking for a backup to its start, of each."""
    backups = []
    for _ in range(STARTS):
        backups.append(server.backup()["id"])
        time.sleep(0.3)  # so that each finds an idle worker
    with closing(sqlite3.connect(server.home.path / "catalog.sqlite")) as catalog:
        query = (
            "SELECT (e.at - b.created_at) / 1e9 FROM backups b JOIN events e ON e.backup_id = b.id "
            "WHERE e.kind = 'backup.started' AND b.id = ?"
        )
        return [catalog.execute(query, (backup_id,)).fetchone()[0] for backup_id in backups]
