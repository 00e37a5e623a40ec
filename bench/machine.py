"""Facts of the machine and the run, which a reader needs to judge the figures."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.peers import NotAvailable, Peers
from bench.workplace import CHECKOUT

FSYNCS = 50
SEQUENTIAL_BYTES = 256 << 20


def facts(folder: Path, peers: Peers, form: str) -> list[tuple[str, str]]:
    """Pairs of what and value. Writes and deletes a file in `folder` to time the disk."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("commit", _commit()),
        ("form", form),
        ("machine", f"{cores} cores, {_processor()}, {memory / 1e9:.0f} GB of memory"),
        ("load before the run", f"{os.getloadavg()[0]:.1f} (1 minute average)"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("disk", _disk(folder)),
        ("Python", platform.python_version()),
    ]
    for name in Peers.__dataclass_fields__:
        peer = getattr(peers, name)
        shown = f"not available: {peer.reason}" if isinstance(peer, NotAvailable) else f"{peer.version}; {peer.origin}"
        found.append((name, shown))
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    try:
        shown = subprocess.run(
            ["git", "describe", "--always", "--dirty=, with changes", "--abbrev=10", "--exclude=*"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "not in a git checkout"
    return shown.stdout.strip()


def _disk(folder: Path) -> str:
    path = folder / "disk-test"
    try:
        with path.open("wb", buffering=0) as file:
            spans = []
            for _ in range(FSYNCS):
                started = time.perf_counter()
                file.write(os.urandom(4096))
                os.fsync(file.fileno())
                spans.append(time.perf_counter() - started)
            block = os.urandom(4 << 20)
            started = time.perf_counter()
            for _ in range(SEQUENTIAL_BYTES // len(block)):
                file.write(block)
            os.fsync(file.fileno())
            rate = SEQUENTIAL_BYTES / (time.perf_counter() - started)
    finally:
        path.unlink(missing_ok=True)
    return f"fsync of 4 KiB {statistics.median(spans) * 1000:.2f} ms, writing with one fsync {rate / 1e6:,.0f} MB/s"
