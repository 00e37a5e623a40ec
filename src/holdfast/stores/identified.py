"""A store that knows itself: it is used only while it bears the mark of the instance that it belongs to.

The *mark* is one line, `holdfast store 1 <store id> <when>`, in the object `STORE`. `init` alone makes it, before
anything else is in the store. A disk that is not mounted, an emptied folder and another instance's store have no mark
or another one: nothing is read out of the absence of an object there, and nothing is written or deleted.

The folder below a mount point may bear the first mark, as `init` may have run before the disk was mounted over it. So
the mark is written once more, as `vaults/STORE`, before the first vault is: a store in use bears that one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from holdfast.stores.port import (
    Buffer,
    ObjectMissing,
    ObjectReader,
    ObjectWriter,
    Store,
    StoreError,
    StoreUnreachable,
)
from holdfast.units import SECOND_NS

T = TypeVar("T")

MARK = "STORE"
MARK_IN_USE = "vaults/STORE"
FORMAT = 1

_MARK = re.compile(rb"holdfast store ([0-9]{1,9}) ([0-9a-f]{32}) [0-9TZ:.+-]+\n")


def mark_text(store_id: str, now_ns: int) -> bytes:
    """Return a mark. `store_id`: 32 hex digits."""
    when = datetime.fromtimestamp(now_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"holdfast store {FORMAT} {store_id} {when}\n".encode()


def read_mark(store: Store, name: str = MARK) -> str | None:
    """Return the store's id; None when it has no mark. Raises StoreError (a damaged mark, one of a newer format)."""
    try:
        text = store.get(name)
    except ObjectMissing:
        return None
    found = _MARK.fullmatch(text)
    if found is None:
        raise StoreError(f"The mark {name} of the store is damaged; put a copy of the store's other mark there.")
    if int(found[1]) > FORMAT:
        raise StoreUnreachable(
            f"The store has format {int(found[1])} and this program knows {FORMAT}; use the newer Holdfast."
        )
    return found[2].decode()


class IdentifiedStore:
    """`store`, as long as it is the one with the id `store_id`. May be pickled as `store` may.

    `store_id` is None while the instance does not know its store: then all is refused but reading objects that are
    there. `is_in_use`: a vault was made in it. Lists do not have the marks.
    """

    def __init__(self, store: Store, store_id: str | None, *, is_in_use: bool) -> None:
        self.inner = store
        self.store_id = store_id
        self.is_in_use = is_in_use

    def confirm(self) -> None:
        """Read the mark. Raises StoreUnreachable when this is not the store, or nothing is there; StoreError."""
        if self.store_id is None:
            raise StoreUnreachable(
                "The store bears no mark of this instance, and opens no vault of it; mount the store's disk, or put "
                "the right store back."
            )
        for name in (MARK_IN_USE, MARK) if self.is_in_use else (MARK,):
            try:
                found = read_mark(self.inner, name)
            except StoreUnreachable:
                raise
            except StoreError:
                if name == MARK:
                    raise
                continue  # a damaged one of two: the other tells
            if found is None:
                raise StoreUnreachable(
                    "The store is not there: its folder bears no mark of this instance; mount its disk, or put the "
                    "store back. Nothing was changed."
                )
            if found != self.store_id:
                raise StoreUnreachable(
                    f"This is another store (it is {found}, the instance's is {self.store_id}); mount the right disk, "
                    "or put the right store back. Nothing was changed."
                )
            return

    def put(self, name: str, data: Buffer) -> None:
        self.confirm()
        self.inner.put(name, data)

    def writer(self) -> ObjectWriter:
        self.confirm()
        return _IdentifiedWriter(self.inner.writer(), self)

    def get(self, name: str) -> bytes:
        return self._found(lambda: self.inner.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._found(lambda: self.inner.get_range(name, offset, length))

    def open(self, name: str) -> ObjectReader:
        return self._found(lambda: self.inner.open(name))

    def size(self, name: str) -> int:
        return self._found(lambda: self.inner.size(name))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        self.confirm()
        yield from (found for found in self.inner.list(prefix) if found[0] not in (MARK, MARK_IN_USE))
        self.confirm()  # what a list lacks is missing, and the disk may have gone meanwhile

    def names(self, prefix: str) -> Iterator[str]:
        self.confirm()
        yield from (name for name in self.inner.names(prefix) if name not in (MARK, MARK_IN_USE))
        self.confirm()

    def delete(self, name: str) -> None:
        self.confirm()
        self.inner.delete(name)

    def _found(self, read: Callable[[], T]) -> T:
        """Read from an object; before it is called missing, confirm that this is the store."""
        try:
            return read()
        except ObjectMissing:
            self.confirm()
            raise


class _IdentifiedWriter:
    def __init__(self, writer: ObjectWriter, store: IdentifiedStore) -> None:
        self._writer = writer
        self._store = store

    def write(self, data: Buffer) -> None:
        self._writer.write(data)

    def commit(self, name: str) -> None:
        self._store.confirm()
        self._writer.commit(name)

    def abort(self) -> None:
        self._writer.abort()
