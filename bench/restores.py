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


class Restorer(Protocol):
    """What gives a backup back."""

    @property
    def name(self) -> str: ...

    def restore(self, target: Path) -> Measured:
        """Restores the newest backup into the empty folder `target`. Raises MeasuredCommandFailed."""


def compare_restores(
    dataset: str, source: Path, tools: Sequence[Restorer], run: Path, turns: int, book: Book, say: Callable[[str], None]
) -> None:
    """Measures all tools. Raises CalledProcessError when a tree that came back is another."""
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
                run_quietly(["diff", "-r", "--no-dereference", str(source), str(target)])
    shutil.rmtree(target, ignore_errors=True)
