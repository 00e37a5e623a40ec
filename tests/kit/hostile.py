"""Trees as a hostile tenant makes them, and a program's peak of memory while it meets them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2

Make = Callable[[str, int], None]
"""Makes something of a name in an open folder."""


def empty_file(name: str, folder: int) -> None:
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder))


def sqlite_header(name: str, folder: int) -> None:
    """A file that looks like a database, and is too short for one."""
    fd = os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder)
    os.write(fd, b"SQLite format 3\0")
    os.close(fd)


def fifo(name: str, folder: int) -> None:
    os.mkfifo(name, dir_fd=folder)


def folder_in(name: str, folder: int) -> None:
    os.mkdir(name, dir_fd=folder)


def hard_link(name: str, folder: int) -> None:
    """A file, and then further links of it."""
    try:
        os.link("first", name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        empty_file("first", folder)


def deep_tree(root: Path, depth: int, count: int, make: Make = empty_file, name_bytes: int = 255) -> None:
    """Make `depth` folders with long names, one in the other, and `count` things in the last one."""
    root.mkdir(exist_ok=True)
    fd = os.open(root, os.O_RDONLY)
    for number in range(depth):
        name = f"{number:04}".ljust(name_bytes, "d")
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    for number in range(count):
        make(f"f{number:05}", fd)
    os.close(fd)


def remove_deep(root: Path) -> None:
    """Remove a tree that is deeper than a path, or Python's stack, can be."""
    subprocess.run(["rm", "-rf", "--", str(root)], check=True)


@dataclass(frozen=True)
class Measured:
    """What a program printed and used."""

    code: int
    output: str
    peak_bytes: int
    cpu_seconds: float
    seconds: float


_USED = "\nused: "
_START = f"""
import os, resource, sys
child = os.fork()
if not child:
    os.execv(sys.argv[1], sys.argv[1:])
status = os.waitpid(child, 0)[1]
used = resource.getrusage(resource.RUSAGE_CHILDREN)
os.write(1, ({_USED!r} + f"{{used.ru_maxrss}} {{used.ru_utime + used.ru_stime}}").encode())
sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


def measured(arguments: list[object], folder: Path, **environment: str) -> Measured:
    """Run `holdfast` as a process; its peak is the largest of it and of those that it waited for.

    A small process starts it: what a process had before `exec`, here all of pytest's, counts as its peak.
    """
    out = folder / "output"
    with out.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", _START, sys.executable, "-m", "holdfast.cli.main", *map(str, arguments)],
            env={**os.environ, "HOLDFAST_HOME": str(folder / "home"), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        process.wait()
    text, _, used = out.read_text(errors="replace").rpartition(_USED)
    peak_kilobytes, cpu = used.split()
    return Measured(process.returncode, text, int(peak_kilobytes) * 1024, float(cpu), time.monotonic() - began)
