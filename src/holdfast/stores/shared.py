"""A store whose open objects are shared: an object has one descriptor, however many read it at once.

An object stays open only while somebody has it, so the room of one that was deleted is free as soon as its last reader
is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from holdfast.stores.port import Buffer, ObjectReader, ObjectWriter, Store


class SharedStore:
    """`store`, with open objects shared between all that read through this. May be pickled if `store` may."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._open: dict[str, _Opened] = {}

    def __reduce__(self) -> tuple[type[SharedStore], tuple[Store]]:
        return SharedStore, (self._store,)

    def put(self, name: str, data: Buffer) -> None:
        self._store.put(name, data)

    def writer(self) -> ObjectWriter:
        return self._store.writer()

    def get(self, name: str) -> bytes:
        return self._store.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._store.get_range(name, offset, length)

    def open(self, name: str) -> ObjectReader:
        with self._lock:
            opened = self._open.get(name)
            if opened is not None:
                opened.readers += 1
        if opened is None:
            opened = self._opened_first(name)
        return _SharedReader(self, opened)

    def size(self, name: str) -> int:
        return self._store.size(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        return self._store.list(prefix)

    def names(self, prefix: str) -> Iterator[str]:
        return self._store.names(prefix)

    def delete(self, name: str) -> None:
        with self._lock:
            self._open.pop(name, None)  # who has it reads on; who opens it now finds what is there now
        self._store.delete(name)

    def _opened_first(self, name: str) -> _Opened:
        # Outside the lock: a slow disk must not hold up those that read other objects.
        fresh = _Opened(name, self._store.open(name))
        with self._lock:
            opened = self._open.setdefault(name, fresh)
            if opened is not fresh:
                opened.readers += 1
        if opened is not fresh:
            fresh.reader.close()
        return opened

    def give_back(self, opened: _Opened) -> None:
        """Close an object when its last reader is done with it."""
        with self._lock:
            opened.readers -= 1
            is_last = not opened.readers
            if is_last and self._open.get(opened.name) is opened:
                del self._open[opened.name]
        if is_last:
            opened.reader.close()


class _Opened:
    """An open object, and the number of those that have it."""

    __slots__ = ("name", "reader", "readers")

    def __init__(self, name: str, reader: ObjectReader) -> None:
        self.name = name
        self.reader = reader
        self.readers = 1


class _SharedReader:
    def __init__(self, store: SharedStore, opened: _Opened) -> None:
        self._store = store
        self._opened = opened
        self._is_closed = False

    @property
    def size(self) -> int:
        return self._opened.reader.size

    def read_into(self, offset: int, buffer: memoryview) -> int:
        return self._opened.reader.read_into(offset, buffer)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._store.give_back(self._opened)
