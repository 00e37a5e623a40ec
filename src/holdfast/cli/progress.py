"""Progress bars on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.cli.terminal import escaped, unguarded

if TYPE_CHECKING:
    from holdfast.vault.control import Control, Progress
    from holdfast.vault.maintenance.prune_plan import PruneControl, PruneProgress


@contextmanager
def progress_bar(text: str) -> Iterator[Control]:
    """Yield a control that draws its progress as a bar over bytes on standard error, where that is a terminal."""
    from holdfast.vault.control import NEVER, Control

    if not sys.stderr.isatty():
        yield NEVER
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(file=unguarded(sys.stderr)), transient=True) as bar:
        task = bar.add_task(escaped(text), total=None)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.bytes, total=progress.total_bytes)

        yield Control(report=show)


@contextmanager
def bytes_bar(text: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar over bytes written."""
    from holdfast.vault.control import Progress

    done = 0
    with progress_bar(text) as control:

        def add(size: int) -> None:
            nonlocal done
            done += size
            control.progress(Progress(0, done, 0, total))

        yield add


@contextmanager
def steps_bar(text: str) -> Iterator[PruneControl]:
    """Yield a control that draws the progress of a prune as a bar over things that are counted."""
    from holdfast.vault.control import NEVER, ControlOf

    if not sys.stderr.isatty():
        yield NEVER
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=Console(file=unguarded(sys.stderr)), transient=True) as bar:
        task = bar.add_task(escaped(text), total=None)

        def show(progress: PruneProgress) -> None:
            description = f"{text}: {progress.step}"
            bar.update(task, description=description, completed=progress.done, total=progress.total)

        yield ControlOf(report=show)
