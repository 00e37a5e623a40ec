"""The cost of the n-th daily backup: a small tree that changes a little each day, backed up again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.book import Book
from bench.holdfast import Home, Server
from bench.mutate import change_tree

FILES = 300
DATASET = "daily"
EARLY = slice(5, 15)
EARLY_RUNS = "runs 6-15"
LATE_RUNS = "the last ten"


def measure_daily(runs: int, run: Path, book: Book, say: Callable[[str], None]) -> None:
    """Take `runs` backups through the API; note the mean seconds and added bytes of runs 6-15 and of the last ten."""
    folder = run / "daily"
    make_small_tree(folder)
    server = Server(Home(run / "home-daily", folder))
    seconds: list[float] = []
    added: list[float] = []
    try:
        for day in range(runs):
            change_tree(folder, seed=1000 + day)
            started = time.perf_counter()
            backup = server.backup()
            seconds.append(time.perf_counter() - started)
            added.append(float(backup["stored_size"]))
    finally:
        server.stop()
    for work, part in ((EARLY_RUNS, EARLY), (LATE_RUNS, slice(runs - 10, runs))):
        book.note(work, DATASET, "holdfast", "seconds", _mean(seconds[part]))
        book.note(work, DATASET, "holdfast", "added", _mean(added[part]))
    early, late = _mean(seconds[EARLY]), _mean(seconds[-10:])
    say(f"  daily: runs 6-15 {early * 1000:.0f} ms each, runs {runs - 9}-{runs} {late * 1000:.0f} ms each")
    server.home.delete()


def make_small_tree(folder: Path) -> None:
    """Make 300 text files in 20 folders, about 2 MB."""
    random = np.random.default_rng(8)
    for number in range(FILES):
        path = folder / f"part-{number % 20:02}" / f"file-{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(random.bytes(20).hex() for _ in range(int(random.integers(20, 300)))) + "\n")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
