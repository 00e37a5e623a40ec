"""A store with a capacity, as a disk has one: a write beyond it fails, and a deletion makes room."""

from __future__ import annotations

from holdfast.stores.local import LocalStore
from holdfast.stores.port import Buffer, ObjectWriter, StoreFull


class CapacityStore(LocalStore):
    """A local store that holds at most `capacity` bytes, those of unfinished objects included; None: no limit."""

    capacity: int | None = None

    def used(self) -> int:
        """Return the bytes of all objects."""
        return sum(size for _, size in self.list(""))

    def check(self, more: int) -> None:
        """Raise StoreFull if `more` bytes do not fit."""
        if self.capacity is not None and self.used() + more > self.capacity:
            raise StoreFull("The disk that holds the store is full; free some space there and try again.")

    def put(self, name: str, data: Buffer) -> None:
        self.check(memoryview(data).nbytes)
        super().put(name, data)

    def writer(self) -> ObjectWriter:
        return _Writer(super().writer(), self)


class _Writer:
    def __init__(self, writer: ObjectWriter, store: CapacityStore) -> None:
        self._writer = writer
        self._store = store
        self._size = 0

    def write(self, data: Buffer) -> None:
        self._size += memoryview(data).nbytes
        self._store.check(self._size)
        self._writer.write(data)

    def commit(self, name: str) -> None:
        self._store.check(self._size)
        self._writer.commit(name)

    def abort(self) -> None:
        self._writer.abort()
