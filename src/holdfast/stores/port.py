"""The interface every store implements, and the errors it may raise.

Nothing here may assume a file system: an implementation over S3 has to fit too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

Buffer = bytes | bytearray | memoryview


class StoreError(Exception):
    """The store failed to carry out a request; the message is one sentence for a person."""


class ObjectMissing(StoreError):
    """No object has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The store has no object named {name}.")
        self.name = name


class StoreFull(StoreError):
    """The space (or quota) is used up; nothing of the unfinished object is kept."""


class StoreUnreachable(StoreError):
    """The store cannot be reached or its folder is gone; it may work again later."""


class ObjectWriter(Protocol):
    """An unfinished object. Invisible and without a name until `commit`; gone without a trace after `abort`."""

    def write(self, data: Buffer) -> None:
        """Append bytes. Raises StoreFull, StoreError. The buffer may be reused when this returns."""

    def commit(self, name: str) -> None:
        """Make the object durable under `name`, atomically; when this returns it survives a power cut.

        An object that already has that name is replaced: callers name packs by their hash, so it is the same.
        """

    def abort(self) -> None:
        """Discard the bytes written. Allowed after a failed write or commit, and more than once."""


class ObjectReader(Protocol):
    """An open object, for many reads at different places, from several threads at once."""

    @property
    def size(self) -> int:
        """Return the length in bytes."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset` on; return the number of bytes (fewer only at the object's end)."""

    def close(self) -> None:
        """Release it; more than once is fine."""


@runtime_checkable
class Store(Protocol):
    """Bytes under names. Safe to use from several threads; separate processes may use the same place."""

    def put(self, name: str, data: Buffer) -> None:
        """Store a small object durably and atomically; replaces. Raises StoreFull, StoreUnreachable, StoreError."""

    def writer(self) -> ObjectWriter:
        """Begin an object whose name is known only at its end."""

    def get(self, name: str) -> bytes:
        """Return all bytes of an object. Raises ObjectMissing."""

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, fewer only at the object's end. Raises ObjectMissing."""

    def open(self, name: str) -> ObjectReader:
        """Open for reading. Raises ObjectMissing."""

    def size(self, name: str) -> int:
        """Return length in bytes. Raises ObjectMissing."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield names (with sizes) that start with `prefix`, sorted. Unfinished objects are not included."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names alone, as `list` does, which may cost much less."""

    def delete(self, name: str) -> None:
        """Remove durably; a name that is not there is fine."""
