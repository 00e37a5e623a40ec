"""Taking backups of one dataset, in turns: each tool in its turn sees the same folder in the same state.

The states follow each other on one working copy: as made (*first*), *unchanged*, then each kind of change. Restoring
has its place here as one more work after them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.book import Book
from bench.measure import Measured, warm
from bench.shell import run_quietly
from bench.tools import Tool

LONG_SECONDS = 5.0
"""At most this long is a measure repeated, as often as the plan says; a longer one is taken once."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Change:
    """A state of the folder: `apply(turn)` changes it in place, for all tools, before each turn."""

    work: str
    apply: Callable[[int], None]
    turns: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The measures of one dataset."""

    dataset: str
    folder: Path
    changes: Sequence[Change]
    turns: int
    """Of the first and the unchanged backup, where they are short."""


def working_copy(original: Path, folder: Path) -> Path:
    """Return a copy of a dataset that may be changed, in place of an earlier one, in the page cache."""
    shutil.rmtree(folder, ignore_errors=True)
    run_quietly(["cp", "-a", str(original), str(folder)])
    warm(folder)
    return folder


def compare_takes(plan: Plan, tools: Sequence[Tool], only_first: Sequence[Tool], book: Book, say: Say) -> None:
    """Measure all tools; they keep their repositories, for downloads of the newest state.

    `only_first`: tools that take only the first backup, for what it stores.
    """
    _repeated("first", plan, tools, book, say, anew=True)
    for tool in only_first:
        tool.begin(plan.folder)
        _turn("first", plan, tool, book, say)
        tool.end()
    _repeated("unchanged", plan, tools, book, say, anew=False)
    for change in plan.changes:
        for turn in range(change.turns):
            change.apply(turn)
            warm(plan.folder)
            for tool in tools:
                _turn(change.work, plan, tool, book, say)


def _repeated(work: str, plan: Plan, tools: Sequence[Tool], book: Book, say: Say, *, anew: bool) -> None:
    seconds: dict[str, float] = {}
    for _ in range(plan.turns):
        for tool in tools:
            if seconds.get(tool.name, 0.0) > LONG_SECONDS:
                continue
            if anew:
                tool.begin(plan.folder)
            seconds[tool.name] = _turn(work, plan, tool, book, say).seconds


def _turn(work: str, plan: Plan, tool: Tool, book: Book, say: Say) -> Measured:
    os.sync()  # so that no tool pays for the unwritten data of another
    before = tool.stored()
    measured = tool.take()
    after = tool.stored()
    book.note(work, plan.dataset, tool.name, "seconds", measured.seconds)
    book.note(work, plan.dataset, tool.name, "peak", measured.peak_bytes)
    book.note(work, plan.dataset, tool.name, "added", after - before)
    book.note(work, plan.dataset, tool.name, "stored", after)
    peak, added = measured.peak_bytes / 1e6, (after - before) / 1e6
    say(f"  {plan.dataset} {work:9}  {tool.name:21} {measured.seconds:7.2f} s  {peak:5.0f} MB  +{added:,.1f} MB")
    return measured
