"""A whole store in memory: for tests, and for vaults that live as long as one process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from holdfast.stores.names import checked, checked_prefix
from holdfast.stores.port import Buffer, ObjectMissing, ObjectReader, ObjectWriter, StoreError


class MemoryStore:
    """Objects in a dictionary."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, bytes] = {}

    def put(self, name: str, data: Buffer) -> None:
        with self._lock:
            self._objects[checked(name)] = bytes(data)

    def writer(self) -> ObjectWriter:
        return _MemoryWriter(self)

    def get(self, name: str) -> bytes:
        with self._lock:
            try:
                return self._objects[checked(name)]
            except KeyError:
                raise ObjectMissing(name) from None

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self.get(name)[offset : offset + length]

    def open(self, name: str) -> ObjectReader:
        return _MemoryReader(self.get(name))

    def size(self, name: str) -> int:
        return len(self.get(name))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        checked_prefix(prefix)
        with self._lock:
            found = sorted((name, len(data)) for name, data in self._objects.items() if name.startswith(prefix))
        return iter(found)

    def names(self, prefix: str) -> Iterator[str]:
        return (name for name, _ in self.list(prefix))

    def delete(self, name: str) -> None:
        with self._lock:
            self._objects.pop(checked(name), None)


class _MemoryWriter:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._data: bytearray | None = bytearray()

    def write(self, data: Buffer) -> None:
        self._open_data().extend(data)

    def commit(self, name: str) -> None:
        self._store.put(name, self._open_data())
        self._data = None

    def abort(self) -> None:
        self._data = None

    def _open_data(self) -> bytearray:
        if self._data is None:
            raise StoreError("This object was already committed or aborted; write it again with a new writer.")
        return self._data


class _MemoryReader:
    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        part = self._data[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        pass
