"""Checking the databases of a restored tree by SQLite, in a process without any rights.

The tree must be a scratch copy: each database gets another name, and the process's owner and mode.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from holdfast.sources.reader import DirectoryReader
from holdfast.sources.sqlite.copying import Copying, copy_name
from holdfast.sources.sqlite.outcomes import Checked
from holdfast.sources.sqlite.recognise import find_databases
from holdfast.sources.sqlite.shared_time import SharedTime
from holdfast.vault.control import Control
from holdfast.vault.source import Scan

NOBODY = 65534
"""By convention the user and group that own nothing."""


def check_databases(
    scan: Scan, reader: DirectoryReader, scratch: Path, known: Sequence[bytes], control: Control
) -> list[Checked]:
    """Check each database of a walked tree, except for files `known` not to be one. `scratch`: on its disk.

    Raises Cancelled, CopierFailed, OSError.
    """
    databases = find_databases(scan, reader, known)
    if not databases:
        return []
    owner = (NOBODY, NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    root = reader.open_folder(b"")
    try:
        time = SharedTime(0)
        with Copying(root, scratch, time=time, control=control) as copying:
            folder = os.open(copying.folder(owner), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                for database in databases:
                    _hand_over(reader, database.path, folder, owner)
                    size = int(scan.size[database.number])
                    time.grow(size)
                    copying.check(database.path, size, owner)
                return copying.verdicts()
            finally:
                os.close(folder)
    finally:
        os.close(root)


def _hand_over(reader: DirectoryReader, path: bytes, folder: int, owner: tuple[int, int]) -> None:
    """Give a database a further name in `folder`, readable for its checker and nobody else."""
    above, _, last = path.rpartition(b"/")
    source = reader.open_folder(above)
    try:
        os.link(last, copy_name(path), src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(source)
    if os.geteuid() == 0:
        os.chown(copy_name(path), *owner, dir_fd=folder, follow_symlinks=False)
    os.chmod(copy_name(path), 0o400, dir_fd=folder)
