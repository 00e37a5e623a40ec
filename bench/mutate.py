"""The changes between two backups: 1 % of the files of a tree, or a little of a few big files.

Every change is made in place on the folder that the tools back up, from a seed, so that all of them see the same tree
in the same order: first, unchanged, changed. Changing again with another seed gives the next day.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NEW_SHARE = 0.1
GONE_SHARE = 0.1
OVERWRITTEN_BYTES = 8 << 20
INSERTED_BYTES = 100


@dataclass(frozen=True, slots=True)
class Changes:
    """Numbers of files edited, added and removed."""

    edited: int
    new: int
    gone: int


def change_tree(folder: Path, seed: int, share: float = 0.01) -> Changes:
    """Change `share` of the regular files below `folder`: 8 in 10 edited by a line, 1 new, 1 gone."""
    files = regular_files(folder)
    random = np.random.default_rng(seed)
    count = max(3, round(len(files) * share))
    chosen = [files[i] for i in random.choice(len(files), count, replace=False).tolist()]
    gone = max(1, round(count * GONE_SHARE))
    new = max(1, round(count * NEW_SHARE))
    for number, path in enumerate(chosen[:new]):
        content = bytes(path.read_bytes()[: 64 << 10])
        path.with_name(f"new-{seed}-{number}.txt").write_bytes(_line(seed, number) + content[: len(content) // 2])
    for path in chosen[new : new + gone]:
        path.unlink()
    for number, path in enumerate(chosen[new + gone :]):
        _insert(path, _line(seed, number), random.random())
    return Changes(count - new - gone, new, gone)


def change_big_files(folder: Path, seed: int) -> None:
    """Overwrite 8 MiB of the biggest file in place and insert 100 bytes in the middle of the next one."""
    by_size = sorted(regular_files(folder), key=lambda path: (-path.stat().st_size, path))
    random = np.random.default_rng(seed)
    biggest, second = by_size[0], by_size[1]
    length = min(OVERWRITTEN_BYTES, biggest.stat().st_size // 3)
    offset = int(random.integers(0, biggest.stat().st_size - length))
    with biggest.open("r+b") as file:
        file.seek(offset)
        file.write(random.bytes(length))
    _insert(second, random.bytes(INSERTED_BYTES), 0.5)


def regular_files(folder: Path) -> list[Path]:
    """Return all regular files below `folder`, in an order that is the same on every machine."""
    found = []
    for parent, _, names in os.walk(folder):
        found += [Path(parent, name) for name in names if not os.path.islink(os.path.join(parent, name))]
    return sorted(found)


def _line(seed: int, number: int) -> bytes:
    return f"// change {seed}: line {number} of today's edits\n".encode()


def _insert(path: Path, inserted: bytes, where: float) -> None:
    """Insert bytes after the line end next to `where` (0 to 1) of a file, as an editor does: the inode stays."""
    content = path.read_bytes()
    at = content.find(b"\n", int(len(content) * where), int(len(content) * where) + 4096) + 1
    at = at or int(len(content) * where)
    path.write_bytes(content[:at] + inserted + content[at:])
