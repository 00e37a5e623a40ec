"""`python -m bench idle`: what a server takes when nobody asks anything of it, and how soon a queued backup begins.

CPU time and wakeups (voluntary context switches) are those of all processes of `holdfast serve`, from /proc, so other
work on the machine hardly matters to them. They are taken with few applications and with many, all with a schedule and
without a backup.
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
from bench.holdfast import APP, PROGRAM, Home, Server
from bench.listing import BACKUPS_PER_APP, fill_catalog
from bench.measure import process_trees
from bench.shell import run_quietly

SETTLE_SECONDS = 60.0
"""After this nothing of the start goes on; the records of accounts that were filled in are written until then."""

IDLE_SECONDS = 60.0
STARTS = 50
APPS = (10, 5_000)
IDLE_SHARE_MAX = 0.010
"""Of one core."""

WAKEUPS_MAX = 10.0
"""A second."""

_NO_BACKUPS = "DELETE FROM backups"
"""What was filled in has no files, and would be read back, proved and reported."""

_SAME_SCHEDULE = """
UPDATE apps SET (settings, next_run_at, overdue_at) =
    (SELECT settings, next_run_at, overdue_at FROM apps WHERE id = ?)
"""

START_MEDIAN_MAX = 0.060
START_WORST_MAX = 0.200


def measure_idle(run: Path, say: Callable[[str], None]) -> bool:
    """Measure fresh homes of small applications, and say the figures; returns whether all are as they must be."""
    is_good = True
    for apps in APPS:
        with _served(run, apps) as server:
            time.sleep(SETTLE_SECONDS)
            before, began = _spent(server), time.monotonic()
            time.sleep(IDLE_SECONDS)
            after, seconds = _spent(server), time.monotonic() - began
            share, wakeups = (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds
            starts = sorted(_starts(server)) if apps == APPS[0] else []
        say(
            f"  idle with {apps:,} applications: {share:.2%} of one core over {IDLE_SECONDS:.0f} s "
            f"(at most {IDLE_SHARE_MAX:.1%}), {wakeups:.1f} wakeups a second (at most {WAKEUPS_MAX:.0f})"
        )
        is_good &= share <= IDLE_SHARE_MAX and wakeups <= WAKEUPS_MAX
        if starts:
            median, worst = statistics.median(starts), starts[-1]
            say(
                f"  start of a queued backup, {STARTS} times: median {median * 1000:.0f} ms, worst {worst * 1000:.0f} "
                f"ms (at most {START_MEDIAN_MAX * 1000:.0f} and {START_WORST_MAX * 1000:.0f})"
            )
            is_good &= median <= START_MEDIAN_MAX and worst <= START_WORST_MAX
    return is_good


@contextmanager
def _served(run: Path, apps: int) -> Iterator[Server]:
    folder = run / f"idle-{apps}"
    make_small_tree(folder)
    home = Home(run / f"home-idle-{apps}", folder)
    fill_catalog(home, apps * BACKUPS_PER_APP)
    run_quietly([str(PROGRAM), "app", "schedule", APP, "0 3 * * *"], env=home.environment)
    with closing(sqlite3.connect(home.path / "catalog.sqlite")) as catalog, catalog:
        catalog.execute(_NO_BACKUPS)
        catalog.execute(_SAME_SCHEDULE, (home.app_id,))
    server = Server(home)
    try:
        yield server
    finally:
        server.stop()
        server.home.delete()


def _spent(server: Server) -> tuple[float, int]:
    """Seconds of user and system time, and voluntary context switches, of the server's processes."""
    ticks = switches = 0
    for pid in process_trees(server.processes):
        # Behind the name, which may hold spaces, utime and stime are the 12th and 13th field (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
        for task in Path(f"/proc/{pid}/task").iterdir():
            switches += int((task / "status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return ticks / os.sysconf("SC_CLK_TCK"), switches


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
