"""Faults as input: the n-th call that an operation makes to the store, or to the catalog in the home, goes wrong.

Unlike `effects`, reading counts as a call too, and nothing dies: the operation is given an error, as a disk, a mount or
a network gives it, and has to end with a sentence, with nothing lost.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from holdfast.service.instance.home import Instance
from holdfast.stores.local_writer import disk_error
from holdfast.stores.port import Buffer, ObjectReader, ObjectWriter, Store
from kit.folder_faults import faults_below
from kit.stores.fault_kinds import CODES, Faults, Kind, Place

T = TypeVar("T")


_SQL = {
    Kind.FULL: "database or disk is full",
    Kind.READ_ONLY: "attempt to write a readonly database",
    Kind.GONE: "unable to open database file",
}


class FaultedStore:
    """`store`, each call of which may go wrong."""

    def __init__(self, store: Store, faults: Faults, root: Path) -> None:
        self._store = store
        self._faults = faults
        self._root = root

    def _call(self, operation: Callable[[], T], *, writes: bool = False, half: Callable[[], object] | None = None) -> T:
        code = CODES.get(self._faults.kind, errno.EIO)
        return self._faults.call(
            operation, lambda: disk_error(OSError(code, os.strerror(code)), self._root), writes=writes, half=half
        )

    def put(self, name: str, data: Buffer) -> None:
        # Half of a put is an unfinished object, which nobody sees.
        self._call(lambda: self._store.put(name, data), writes=True)

    def writer(self) -> ObjectWriter:
        return _FaultedWriter(self._call(self._store.writer, writes=True), self)

    def get(self, name: str) -> bytes:
        return self._call(lambda: self._store.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._call(lambda: self._store.get_range(name, offset, length))

    def open(self, name: str) -> ObjectReader:
        return _FaultedReader(self._call(lambda: self._store.open(name)), self)

    def size(self, name: str) -> int:
        return self._call(lambda: self._store.size(name))

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        return iter(self._call(lambda: list(self._store.list(prefix))))

    def names(self, prefix: str) -> Iterator[str]:
        return iter(self._call(lambda: list(self._store.names(prefix))))

    def delete(self, name: str) -> None:
        self._call(lambda: self._store.delete(name), writes=True)


class _FaultedWriter:
    def __init__(self, writer: ObjectWriter, store: FaultedStore) -> None:
        self._writer = writer
        self._call = store._call

    def write(self, data: Buffer) -> None:
        view = memoryview(data).cast("B")
        self._call(
            lambda: self._writer.write(view), writes=True, half=lambda: self._writer.write(view[: view.nbytes // 2])
        )

    def commit(self, name: str) -> None:
        self._call(lambda: self._writer.commit(name), writes=True, half=lambda: self._writer.commit(name))

    def abort(self) -> None:
        self._writer.abort()


class _FaultedReader:
    def __init__(self, reader: ObjectReader, store: FaultedStore) -> None:
        self._reader = reader
        self._call = store._call

    @property
    def size(self) -> int:
        return self._reader.size

    def read_into(self, offset: int, buffer: memoryview) -> int:
        return self._call(lambda: self._reader.read_into(offset, buffer))

    def close(self) -> None:
        self._reader.close()


@contextmanager
def struck(instance: Instance, faults: Faults) -> Iterator[None]:
    """Have the calls of an instance, which is not used afterwards, go wrong for as long as this is open."""
    if faults.place is Place.RUN:
        with faults_below(instance.run, faults):
            yield
        return
    _strike(instance, faults)
    yield


def _strike(instance: Instance, faults: Faults) -> None:
    if faults.place is Place.STORE:
        # Below the mark's decorator: reading the mark is a call as well.
        faulted: Any = FaultedStore(instance.identified.inner, faults, instance.home / "store")
        instance.identified.inner = faulted
        return
    engine = instance.catalog.engine

    def error() -> Exception:
        return OperationalError(None, None, sqlite3.OperationalError(_SQL.get(faults.kind, "disk I/O error")))

    def statement(_c: Any, _cursor: Any, text: str, _p: Any, _context: Any, _many: bool) -> None:
        writes = text.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE")
        if faults.kind is not Kind.TORN:
            faults.call(lambda: None, error, writes=writes)

    commit = engine.dialect.do_commit

    def counted_commit(connection: Any) -> None:
        faults.call(lambda: commit(connection), error, writes=True, half=lambda: commit(connection))

    event.listen(engine, "before_cursor_execute", statement)
    patched: Any = engine.dialect
    patched.do_commit = counted_commit
