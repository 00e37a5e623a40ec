"""Progress bars on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progressing(Protocol):
    """The progress of an operation, in bytes."""

    @property
    def bytes(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[Progressing], None]]:
    """A bar over a backup's bytes on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda p: bar.update(task, completed=p.bytes, total=p.total_bytes)


@contextmanager
def bytes_bar(text: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar over bytes written."""
    from holdfast.vault.archiver.archive import Progress

    done = 0
    with progress_bar(text) as note:

        def add(size: int) -> None:
            nonlocal done
            done += size
            note(Progress(0, done, 0, total))

        yield add


class Stepping(Protocol):
    """The progress of an operation that goes in steps."""

    @property
    def step(self) -> str: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...


@contextmanager
def steps_bar(text: str) -> Iterator[Callable[[Stepping], None]]:
    """A bar over things that are counted."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda p: bar.update(task, description=f"{text}: {p.step}", completed=p.done, total=p.total)
