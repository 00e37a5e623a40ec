"""A part of a store as a store of its own: every name gets a prefix. Keeps one account's vault apart."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.stores.port import Buffer, ObjectReader, ObjectWriter, Store


class PrefixedStore:
    """`store` below `prefix`, which ends with a slash."""

    def __init__(self, store: Store, prefix: str) -> None:
        if not prefix.endswith("/"):
            raise ValueError("a prefix ends with a slash")
        self._store = store
        self._prefix = prefix

    def put(self, name: str, data: Buffer) -> None:
        self._store.put(self._prefix + name, data)

    def writer(self) -> ObjectWriter:
        return _PrefixedWriter(self._store.writer(), self._prefix)

    def get(self, name: str) -> bytes:
        return self._store.get(self._prefix + name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._store.get_range(self._prefix + name, offset, length)

    def open(self, name: str) -> ObjectReader:
        return self._store.open(self._prefix + name)

    def size(self, name: str) -> int:
        return self._store.size(self._prefix + name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        for name, size in self._store.list(self._prefix + prefix):
            yield name[len(self._prefix) :], size

    def names(self, prefix: str) -> Iterator[str]:
        return (name[len(self._prefix) :] for name in self._store.names(self._prefix + prefix))

    def delete(self, name: str) -> None:
        self._store.delete(self._prefix + name)


class _PrefixedWriter:
    def __init__(self, writer: ObjectWriter, prefix: str) -> None:
        self._writer = writer
        self._prefix = prefix

    def write(self, data: Buffer) -> None:
        self._writer.write(data)

    def commit(self, name: str) -> None:
        self._writer.commit(self._prefix + name)

    def abort(self) -> None:
        self._writer.abort()
