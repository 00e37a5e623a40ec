"""The folders that the host may register: below one of the operator's roots, and nobody else's.

Folders are told apart by device and inode, after every link was followed: neither a link out of a root, nor a bind
mount, nor another spelling leads around that. An application never gets the home, the store, a folder that holds one of
them, or one that is, holds or lies in the folder of another application.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from holdfast.catalog.host.apps import folders_changed, folders_of
from holdfast.service.errors import Invalid
from holdfast.service.instance.file_locks import folder_held
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import run_trouble
from holdfast.service.restore.target import Identity, upwards

PATH_BYTES_MAX = 4000
READ_AT_ONCE = 2000
INODE_BITS = 64


@dataclass(frozen=True, slots=True)
class Found:
    """A folder that may be an application's. `above`: the identities of it and of all folders that hold it."""

    path: str
    above: tuple[Identity, ...]


class Folders:
    """The roots, the instance's own folders and those of the applications of this node, from when they are needed."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def found(self, path: str) -> Found:
        """Return the folder at a path, all links followed. Raises Invalid (PATH)."""
        if not self._instance.config.app_roots:
            raise Invalid("path", "No folder is open to the admin API; the operator sets app_roots in holdfast.toml.")
        folder = _folder_at(path) if _is_plain(path) else None
        if folder is None:
            raise Invalid("path", "The path must be that of a folder that exists, beginning with a slash.")
        if self._roots.isdisjoint(folder.above[1:]):
            raise Invalid("path", "The folder must lie below one of the operator's app_roots, and it does not.")
        if any(folder.above[0] in own or own[0] in folder.above for own in self._own):
            raise Invalid("path", "The folder belongs to Holdfast itself or holds its home; choose another one.")
        return folder

    def claim(self, folder: Found, app_id: str) -> None:
        """Make a folder the application's. Raises Invalid (PATH), with nothing changed, when another one has it."""
        places = self._places
        before = places.above_of(app_id)
        places.leave(app_id)
        if places.is_taken(folder.above):
            places.enter(app_id, before)
            raise Invalid("path", "The folder is, holds or lies in the folder of another application.")
        places.enter(app_id, folder.above)

    def read(self) -> None:
        """Read the folders of all applications now, and not in the middle of a transaction."""
        self._places.above_of("")

    def leave(self, app_id: str) -> None:
        """Let an application's folder go, as it has ended."""
        self._places.leave(app_id)

    def read_changed(self, since: int) -> None:
        """Read the folders of the applications that were changed since a time (nanoseconds)."""
        known = dict[str, tuple[Identity, ...]]()
        for app_id, path, has_ended in folders_changed(self._instance.catalog, self._instance.config.node, since):
            self._places.leave(app_id)
            if not has_ended:
                self._places.enter(app_id, _above(path, known))

    @cached_property
    def _roots(self) -> set[Identity]:
        return {root.above[0] for root in map(_folder_at, self._instance.config.app_roots) if root is not None}

    @cached_property
    def _own(self) -> list[tuple[Identity, ...]]:
        own = map(_folder_at, (str(self._instance.home), str(self._instance.home / "store")))
        return [folder.above for folder in own if folder is not None]

    @cached_property
    def _places(self) -> _Places:
        places, known, after = _Places(), dict[str, tuple[Identity, ...]](), ""
        while some := folders_of(self._instance.catalog, self._instance.config.node, after, READ_AT_ONCE):
            for app_id, path in some:
                places.enter(app_id, _above(path, known))
            after = some[-1][0]
        return places


@contextmanager
def folders_held(instance: Instance, folders: Folders | None = None) -> Iterator[Folders]:
    """The folders, while nobody else of this home registers one; `folders`: as seen before. Raises Unavailable."""
    with ExitStack() as stack:
        try:
            stack.enter_context(folder_held(instance.run))
        except OSError as error:
            raise run_trouble(instance, error) from error
        yield folders or Folders(instance)


class _Places:
    """Who has which folder. There may be hundreds of thousands of them, so each is a number and shares the rest."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[int, tuple[Identity, ...]]] = {}
        """By application: its folder, and all that hold it, which are the same few for most."""
        self._holders: dict[tuple[Identity, ...], tuple[Identity, ...]] = {}
        self._having: dict[int, int] = {}
        """The number of applications whose folder it is; the operator may have made several of one."""
        self._holding: Counter[Identity] = Counter()
        """The number of applications whose folders lie in it."""

    def above_of(self, app_id: str) -> tuple[Identity, ...]:
        """Return the identities of an application's folder and of all that hold it; empty: it is not there."""
        folder, holders = self._folders.get(app_id, (None, ()))
        return () if folder is None else (_identity_of(folder), *holders)

    def is_taken(self, above: tuple[Identity, ...]) -> bool:
        """Return True if a folder is, holds or lies in that of an application."""
        return self._holding[above[0]] > 0 or any(_number(one) in self._having for one in above)

    def enter(self, app_id: str, above: tuple[Identity, ...]) -> None:
        if above:
            folder, holders = _number(above[0]), self._holders.setdefault(above[1:], above[1:])
            self._folders[app_id] = folder, holders
            self._having[folder] = self._having.get(folder, 0) + 1
            self._holding.update(holders)

    def leave(self, app_id: str) -> None:
        folder, holders = self._folders.pop(app_id, (None, ()))
        if folder is not None:
            self._having[folder] -= 1
            if not self._having[folder]:
                del self._having[folder]
            self._holding.subtract(holders)


def _number(folder: Identity) -> int:
    """Return an identity as one number, which takes a third of the memory."""
    device, inode = folder
    return device << INODE_BITS | inode


def _identity_of(number: int) -> Identity:
    return number >> INODE_BITS, number & (1 << INODE_BITS) - 1


def _is_plain(path: str) -> bool:
    try:
        return path.startswith("/") and "\0" not in path and len(path.encode()) <= PATH_BYTES_MAX
    except UnicodeEncodeError:
        return False


def _folder_at(path: str) -> Found | None:
    """Return a folder by its descriptor; None when it is not one, or has no path in UTF-8."""
    try:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        real = os.readlink(f"/proc/self/fd/{fd}")
        real.encode()
        return Found(real, tuple(upwards(fd)))
    except (OSError, UnicodeEncodeError):
        return None
    finally:
        os.close(fd)


def _above(path: str, known: dict[str, tuple[Identity, ...]]) -> tuple[Identity, ...]:
    """Return the identities of a real path and of all that hold it; empty when it is gone.

    `known`: what holds others, as seen before; the paths asked for do not enter it, as few of them hold another one.
    """
    holder = os.path.dirname(path)
    unseen = []
    while holder not in known and holder != "/":
        unseen.append(holder)
        holder = os.path.dirname(holder)
    above = known.get(holder)
    if above is None:
        above = known[holder] = (_identity(holder),)
    for folder in reversed(unseen):
        above = known[folder] = _one_more(folder, above)
    return above if path == "/" else _one_more(path, above)


def _one_more(path: str, above: tuple[Identity, ...]) -> tuple[Identity, ...]:
    try:
        return (_identity(path), *above) if above else ()
    except OSError:
        return ()


def _identity(path: str) -> Identity:
    status = os.stat(path, follow_symlinks=False)
    return status.st_dev, status.st_ino
