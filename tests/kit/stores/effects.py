"""Every side effect of a deed, numbered: what it does to the store, to the catalog, and to the target of a restore.

One of them can be made to fail: the process dies before it, after it, or in the middle of a write; or the disk reports
an error. In a child process only: what is patched here stays so.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from holdfast.catalog.database.engine import Catalog, CatalogUnreachable
from holdfast.native import library as native
from holdfast.restorer import swap
from holdfast.service.instance.home import Instance
from holdfast.stores.port import StoreError, StoreFull
from kit.stores.faulty import FaultyStore

DIED = 9


class Mode(StrEnum):
    """What happens at the chosen effect."""

    BEFORE = "dies before"
    AFTER = "dies after"
    TORN = "dies in the middle of"
    EIO = "EIO at"
    ENOSPC = "ENOSPC at"


@dataclass
class Effects:
    """Counts effects; at number `at` the `mode` strikes (-1: never)."""

    at: int = -1
    mode: Mode = Mode.BEFORE
    count: int = 0

    def is_now(self) -> bool:
        """Count one effect; whether it is the chosen one."""
        number, self.count = self.count, self.count + 1
        return number == self.at

    def do(self, operation: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """One effect on the disk of a restore's target."""
        if not self.is_now():
            return operation(*args, **options)
        if self.mode is Mode.BEFORE or self.mode is Mode.TORN:
            os._exit(DIED)
        if self.mode is Mode.AFTER:
            operation(*args, **options)
            os._exit(DIED)
        code = errno.EIO if self.mode is Mode.EIO else errno.ENOSPC
        raise OSError(code, os.strerror(code))


class _CountedStore(FaultyStore):
    """A store whose effects are counted with all others."""

    def __init__(self, inner: Any, effects: Effects) -> None:
        super().__init__(inner)
        self._all = effects

    def effect(
        self,
        kind: Any,
        name: str,
        size: int,
        operation: Callable[[], None],
        half: Callable[[], None] = lambda: None,
    ) -> None:
        if not self._all.is_now():
            operation()
            return
        match self._all.mode:
            case Mode.BEFORE:
                os._exit(DIED)
            case Mode.TORN:
                half()
                os._exit(DIED)
            case Mode.AFTER:
                operation()
                os._exit(DIED)
            case Mode.EIO:
                raise StoreError("The disk that holds the store reported an error (EIO); check the disk.")
            case Mode.ENOSPC:
                raise StoreFull("The disk that holds the store is full; free some space there and try again.")


def install(instance: Instance, effects: Effects) -> None:
    """Count all effects of this process on an instance from now on."""
    instance.store = _CountedStore(instance.store, effects)
    write = Catalog.write

    @contextmanager
    def counted_write(self: Catalog, *, durable: bool = True) -> Iterator[Any]:
        # Before: the transaction is there but not committed. After: it is committed and nobody knows.
        with write(self, durable=durable) as connection:
            yield connection
            now = effects.is_now()
            if now and effects.mode in (Mode.BEFORE, Mode.TORN):
                os._exit(DIED)
            if now and effects.mode in (Mode.EIO, Mode.ENOSPC):
                raise CatalogUnreachable("The catalog cannot be used now (disk I/O error).")
        if now:
            os._exit(DIED)

    for owner, name in (
        (os, "rename"),
        (os, "unlink"),
        (native, "rename_new"),
        (native, "write_files"),
        (swap, "_set"),
        (swap, "write_durably"),
    ):
        setattr(owner, name, partial(effects.do, getattr(owner, name)))
    for_patching: Any = Catalog
    for_patching.write = counted_write
