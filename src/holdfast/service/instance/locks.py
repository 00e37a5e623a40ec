"""Locks (flock): a process that runs an operation holds one for as long as it lives.

So work that the catalog shows as running is known to be dead when its lock is free. This needs no clock, and a dead
process blocks nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast.service.errors import Unavailable
from holdfast.service.instance.file_locks import is_held_in
from holdfast.service.instance.home import Instance


@contextmanager
def held(instance: Instance, name: str) -> Iterator[bool]:
    """Hold the lock `run/<name>.lock`; gives whether we have it (False: somebody else does). Raises Unavailable."""
    path = instance.run / f"{name}.lock"
    try:
        fd = _locked(path)
    except OSError as error:
        raise run_trouble(instance, error) from error
    if fd is None:
        yield False
        return
    try:
        yield True
    finally:
        _let_go(path, fd)


@contextmanager
def held_in_turn(instance: Instance, name: str) -> Iterator[None]:
    """Hold the lock `run/<name>.lock`, after whoever has it now. Raises OSError."""
    path = instance.run / f"{name}.lock"
    fd = _locked(path, waits=True)
    assert fd is not None, "who waits gets it"
    try:
        yield
    finally:
        _let_go(path, fd)


def _let_go(path: Path, fd: int) -> None:
    with suppress(OSError):  # a lock file that stays harms nobody: what counts is who holds it
        os.unlink(path)
    os.close(fd)


def _locked(path: Path, *, waits: bool = False) -> int | None:
    """A descriptor that holds the lock until it is closed; None when another one does and it `waits` for none."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file between our two calls: then the next one would make another
            # file, and both would hold "the" lock.
            if _is_same(path, fd):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _is_same(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def is_held(instance: Instance, name: str) -> bool:
    """True if a living process holds the lock `run/<name>.lock`. Raises Unavailable."""
    try:
        return is_held_in(instance.run, name)
    except OSError as error:
        raise run_trouble(instance, error) from error


def run_trouble(instance: Instance, error: OSError) -> Unavailable:
    """The refusal of work that cannot have its files in `run/`: without its lock nobody would know that it lives."""
    return Unavailable(
        "The server cannot write down at the moment what it does, so it did not begin; try again.",
        f"The folder {instance.run} of locks and journals cannot be used ({error.strerror or error}); check its disk, "
        "and try again.",
    )
