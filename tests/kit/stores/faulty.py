"""A store that goes wrong on purpose, at the one effect that a test names.

Terms
-----
*Effect*: one change that a user of the store makes: a write to an object in the making, a commit, a put, a delete.
Effects are numbered from 0 in the order in which they begin. Reading is none, and neither is giving an object up.
*Fault*: what goes wrong, and at which effect.

To find every crash point of a deed: do it once without a fault, count `effects`, then do it once for each of them with
`Fault(n)`; what the inner store holds afterwards is what a crash at that point leaves. Never used outside of tests.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from holdfast.stores.port import Buffer, ObjectReader, ObjectWriter, Store


class Crash(BaseException):
    """The process died here. No `except Exception` holds it up, as none would a `kill -9`."""


class EffectKind(enum.StrEnum):
    """What an effect does."""

    WRITE = "write"
    COMMIT = "commit"
    PUT = "put"
    DELETE = "delete"


class When(enum.Enum):
    """How much of the effect has happened when it fails."""

    BEFORE = enum.auto()
    """Nothing."""
    TORN = enum.auto()
    """The first half of a write's bytes; nothing of the other effects, which are atomic."""
    AFTER = enum.auto()
    """All of it, but the one who asked for it never learns."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One change of the store; a write has no name yet, and only a write and a put have bytes."""

    number: int
    kind: EffectKind
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Effect number `at` raises `error()`; with `lasting`, nothing is done and all raise it from there on."""

    at: int
    error: Callable[[], BaseException] = Crash
    when: When = When.BEFORE
    lasting: bool = True


class FaultyStore:
    """`store`, but for one fault; `before` is called with each effect, from the thread that asks for it."""

    def __init__(
        self, store: Store, fault: Fault | None = None, before: Callable[[Effect], None] = lambda effect: None
    ) -> None:
        self._store = store
        self._fault = fault
        self._before = before
        self._lock = threading.Lock()
        self._effects: list[Effect] = []

    @property
    def effects(self) -> list[Effect]:
        """Every effect that was asked for so far, those that failed among them."""
        with self._lock:
            return list(self._effects)

    def put(self, name: str, data: Buffer) -> None:
        self.effect(EffectKind.PUT, name, memoryview(data).nbytes, lambda: self._store.put(name, data))

    def writer(self) -> ObjectWriter:
        return _FaultyWriter(self, self._store.writer())

    def get(self, name: str) -> bytes:
        return self._store.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._store.get_range(name, offset, length)

    def open(self, name: str) -> ObjectReader:
        return self._store.open(name)

    def size(self, name: str) -> int:
        return self._store.size(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        return self._store.list(prefix)

    def names(self, prefix: str) -> Iterator[str]:
        return self._store.names(prefix)

    def delete(self, name: str) -> None:
        self.effect(EffectKind.DELETE, name, 0, lambda: self._store.delete(name))

    def effect(
        self,
        kind: EffectKind,
        name: str,
        size: int,
        operation: Callable[[], None],
        half: Callable[[], None] = lambda: None,
    ) -> None:
        """The one place where something changes: do `operation`, or what the fault leaves of it (`half`, when torn)."""
        with self._lock:
            effect = Effect(len(self._effects), kind, name, size)
            self._effects.append(effect)
        self._before(effect)
        fault = self._fault
        if fault is None or effect.number < fault.at or (effect.number > fault.at and not fault.lasting):
            operation()
            return
        if effect.number == fault.at:
            if fault.when is When.AFTER:
                operation()
            elif fault.when is When.TORN:
                half()
        raise fault.error()


class _FaultyWriter:
    def __init__(self, store: FaultyStore, writer: ObjectWriter) -> None:
        self._store = store
        self._writer = writer

    def write(self, data: Buffer) -> None:
        view = memoryview(data).cast("B")
        self._store.effect(
            EffectKind.WRITE,
            "",
            view.nbytes,
            lambda: self._writer.write(view),
            lambda: self._writer.write(view[: view.nbytes // 2]),
        )

    def commit(self, name: str) -> None:
        self._store.effect(EffectKind.COMMIT, name, 0, lambda: self._writer.commit(name))

    def abort(self) -> None:
        self._writer.abort()
