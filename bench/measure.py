"""Running a command and measuring it: seconds, and peak memory of all processes that take part.

Memory is the sum of the *proportional* set sizes (PSS) of a process tree, so that pages which forked workers share
count once. Reading PSS makes the kernel walk page tables, about 1 ms for 200 MB; so that watching doesn't slow down the
command, the watch takes at most a tenth of one core: a sample every 20 ms, or less often for many big processes. A peak
shorter than that can be missed.

Only what the caller names is sampled: the command's own tree and, for a server, the trees of the given process ids.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

SAMPLE_SECONDS = 0.02
WATCH_SHARE_MAX = 0.1
"""Of one core."""


class MeasuredCommandFailed(Exception):
    """A measured command ended with an error: its time would mean nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One turn: `seconds` of wall time, `peak_bytes` the highest sum of PSS seen, and what it wrote to stdout."""

    seconds: float
    peak_bytes: int
    output: bytes = b""


def measure_command(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    with_processes: Sequence[int] = (),
    accepted: Sequence[int] = (0,),
) -> Measured:
    """Run a command to its end. Its output goes to files, so that a full pipe never holds it up.

    `with_processes`: ids of servers whose trees count too. Raises MeasuredCommandFailed when the exit code is not one
    of `accepted`.
    """
    with open(os.devnull, "rb") as nothing, TemporaryFile() as output, TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=env, stdin=nothing, stdout=output, stderr=errors)
        watch = MemoryWatch([process.pid, *with_processes])
        with watch:
            code = process.wait()
        seconds = time.perf_counter() - started
        output.seek(0)
        said = output.read()
        if code not in accepted:
            errors.seek(0)
            tail = (errors.read() + b"\n" + said)[-2000:].decode(errors="replace")
            raise MeasuredCommandFailed(f"`{' '.join(command)}` ended with {code}:\n{tail}")
        return Measured(seconds, watch.peak_bytes, said)


def measure_call(call: Callable[[], bytes], *, with_processes: Sequence[int]) -> Measured:
    """Measure a call of this process that makes servers work; memory is that of the servers' trees."""
    watch = MemoryWatch(with_processes)
    started = time.perf_counter()
    with watch:
        said = call()
    return Measured(time.perf_counter() - started, watch.peak_bytes, said)


class MemoryWatch:
    """Samples process trees in a thread while it is entered; `peak_bytes` is the highest sum."""

    def __init__(self, roots: Sequence[int]) -> None:
        self.peak_bytes = 0
        self._roots = list(roots)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory-watch", daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            started = time.perf_counter()
            self.peak_bytes = max(self.peak_bytes, memory_of(self._roots))
            cost = time.perf_counter() - started
            if self._ended.wait(max(SAMPLE_SECONDS, cost / WATCH_SHARE_MAX - cost)):
                return


def process_trees(roots: Sequence[int]) -> set[int]:
    """Return the ids of the given processes and all their descendants that live now."""
    found: set[int] = set()
    ahead = list(roots)
    while ahead:
        process = ahead.pop()
        if process in found:
            continue
        found.add(process)
        for task in _list(f"/proc/{process}/task"):
            with suppress(OSError):
                ahead += map(int, Path(f"/proc/{process}/task/{task}/children").read_text().split())
    return found


def memory_of(roots: Sequence[int]) -> int:
    """Return the sum of the proportional set sizes of process trees, in bytes."""
    return sum(map(proportional_bytes, process_trees(roots)))


def proportional_bytes(process: int) -> int:
    """PSS of one process; its RSS where the kernel does not tell PSS; 0 when it has ended."""
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def stored_bytes(folder: Path) -> int:
    """Bytes of all files below a folder (what they hold, not what blocks they take): what a repository stores."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def warm(folder: Path) -> None:
    """Read a tree once, so that every tool meets it in the page cache."""
    read = f"find '{folder}' -type f -print0 | xargs -0 cat"
    subprocess.run(["bash", "-c", f"set -o pipefail; {read}"], stdout=subprocess.DEVNULL, check=True)


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
