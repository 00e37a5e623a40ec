"""Small files beside the objects (a journal, a mark, a key) that exist whole or not at all, even after a crash."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

UNFINISHED = ".unfinished"
"""Suffix of the file that an interrupted write leaves behind; the next write of the file removes it."""


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file, or replace it; when this returns it survives a power cut. Raises OSError.

    By default only its owner can read it.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    if unfinished.exists():
        os.unlink(unfinished)
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(unfinished, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make a folder durable, with all parents that are missing."""
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        sync_folder(folder.parent)
