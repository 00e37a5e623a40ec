"""What the n-th daily backup costs: a small tree that changes a little each day, backed up again and again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.book import Book
from bench.holdfast import Home, Server
from bench.measure import measure_call
from bench.mutate import change_tree

FILES = 300
DATASET = "daily"
EARLY = slice(5, 15)
"""Runs 6 to 15; the last ten are what they are compared with."""


def measure_daily(runs: int, run: Path, book: Book, say: Callable[[str], None]) -> None:
    """Takes `runs` backups through the API; notes the seconds and added bytes of runs 6-15 and of the last ten."""
    folder = run / "daily"
    make_small_tree(folder)
    server = Server(Home(run / "home-daily", folder))
    seconds: list[float] = []
    added: list[float] = []
    try:
        for day in range(runs):
            change_tree(folder, seed=1000 + day)
            sizes: list[int] = []

            def take(sizes: list[int] = sizes) -> bytes:
                sizes.append(int(server.backup()["stored_size"]))
                return b""

            seconds.append(measure_call(take, with_processes=()).seconds)
            added.append(float(sizes[0]))
    finally:
        server.stop()
    for work, part in (("runs 6-15", EARLY), ("the last ten", slice(runs - 10, runs))):
        for each in range(*part.indices(runs)):
            book.note(work, DATASET, "holdfast", "seconds", seconds[each])
            book.note(work, DATASET, "holdfast", "added", added[each])
    early, late = _mean(seconds[EARLY]), _mean(seconds[-10:])
    say(f"  daily: runs 6-15 {early * 1000:.0f} ms each, runs {runs - 9}-{runs} {late * 1000:.0f} ms each")
    server.home.delete()


def make_small_tree(folder: Path) -> None:
    """300 text files in 20 folders, about 2 MB."""
    random = np.random.default_rng(8)
    for number in range(FILES):
        path = folder / f"part-{number % 20:02}" / f"file-{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(random.bytes(20).hex() for _ in range(int(random.integers(20, 300)))) + "\n")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
