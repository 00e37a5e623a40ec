"""Restoring the newest backup of one dataset into an empty folder, in turns, each result compared with the source."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from bench.book import Book
from bench.measure import Measured
from bench.shell import run_quietly
from bench.takes import LONG_SECONDS

HEADER = b"SQLite format 3\0"
HEADER_BYTES = 100


class Restorer(Protocol):
    """A tool that restores a backup."""

    @property
    def name(self) -> str: ...

    def restore(self, target: Path) -> Measured:
        """Restore the newest backup into the empty folder `target`. Raises MeasuredCommandFailed."""


def compare_restores(
    dataset: str, source: Path, tools: Sequence[Restorer], run: Path, turns: int, book: Book, say: Callable[[str], None]
) -> None:
    """Measure all tools. Raises CalledProcessError when a restored tree differs."""
    target = run / "restored"
    again = list(tools)
    for turn in range(turns):
        for tool in list(again):
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            done = tool.restore(target)
            book.note("restore", dataset, tool.name, "seconds", done.seconds)
            book.note("restore", dataset, tool.name, "peak", done.peak_bytes)
            say(f"  {dataset} restore    {tool.name:18} {done.seconds:6.2f} s   {done.peak_bytes / 1e6:4.0f} MB")
            if done.seconds > LONG_SECONDS:
                again.remove(tool)
            if not turn:
                _require_same(source, target)
    shutil.rmtree(target, ignore_errors=True)


def _require_same(source: Path, target: Path) -> None:
    """Raise CalledProcessError if the trees differ.

    Of SQLite databases the header is left out: SQLite's own copy of one has another change counter there.
    """
    databases = [path for path in source.rglob("*") if path.is_file() and not path.is_symlink() and _is_database(path)]
    left_out = [word for path in databases for word in ("-x", path.name)]
    run_quietly(["diff", "-r", "--no-dereference", *left_out, str(source), str(target)])
    for path in databases:
        run_quietly(["cmp", "-i", str(HEADER_BYTES), str(path), str(target / path.relative_to(source))])


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER
