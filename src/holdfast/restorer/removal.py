"""Removes a folder whose contents are a tenant's: of any depth, without recursion, and by descriptors alone.

What was in a folder is moved up beside it, so that nothing is ever deeper than one folder, and no more than a few
descriptors are open, however deep the tree was. No link is followed: whoever can change the tree gains nothing by it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from itertools import count
from pathlib import Path

from holdfast.sources.reader import open_root

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES_MAX = 100
"""A folder that somebody keeps filling while it is removed is tried again this often."""


def remove_tree(folder: Path) -> None:
    """Remove a folder with all in it; a link in its place is removed alone. Raises OSError."""
    try:
        above = open_root(folder.parent)
    except FileNotFoundError:
        return
    try:
        name = os.fsencode(folder.name)
        if not _is_folder(above, name):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=above)
            return
        for _ in range(_TRIES_MAX):
            _empty(above, name)
            try:
                os.rmdir(name, dir_fd=above)
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return
        raise OSError(errno.ENOTEMPTY, "something is put into it while it is removed")
    finally:
        os.close(above)


def _empty(above: int, name: bytes) -> None:
    """Remove all that is in a folder. What its folders hold is moved up into it first, one folder after the other."""
    top = _opened(above, name)
    try:
        numbers = count()
        while folders := _without_files(top):
            for inner in folders:
                _lift(top, inner, numbers)
                with suppress(FileNotFoundError):
                    os.rmdir(inner, dir_fd=top)
    finally:
        os.close(top)


def _lift(top: int, name: bytes, numbers: count[int]) -> None:
    """Remove the files of a folder in `top`, and move its folders up into `top`."""
    try:
        fd = _opened(top, name)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        for inner in _without_files(fd):
            _make_ours(fd, inner)
            while True:
                try:
                    os.rename(inner, b"lifted-%d" % next(numbers), src_dir_fd=fd, dst_dir_fd=top)
                except FileNotFoundError:
                    pass
                except OSError as error:
                    # A name that an earlier removal has left: take the next.
                    if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                        continue
                    raise
                break
    finally:
        os.close(fd)


def _without_files(fd: int) -> list[bytes]:
    """Remove all of an open folder but its folders, and return the names of those."""
    folders = []
    for entry in os.listdir(fd):
        name = os.fsencode(entry)
        if _is_folder(fd, name):
            folders.append(name)
        else:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)
    return folders


def _is_folder(above: int, name: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _opened(above: int, name: bytes) -> int:
    """Return a descriptor of a folder, after taking the right to change it. Raises OSError."""
    _make_ours(above, name)
    return os.open(name, _FOLDER, dir_fd=above)


def _make_ours(above: int, name: bytes) -> None:
    """Take the right to change a folder, which an application may have taken away; root needs none."""
    if os.geteuid() == 0:
        return
    with suppress(FileNotFoundError, NotADirectoryError):
        fd = os.open(name, _FOLDER | os.O_PATH, dir_fd=above)
        try:
            if stat.S_IMODE(os.fstat(fd).st_mode) & 0o700 != 0o700:
                os.chmod(f"/proc/self/fd/{fd}", 0o700)
        finally:
            os.close(fd)
