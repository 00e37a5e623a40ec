"""Warnings about single paths of a source. A worker imports them without NumPy, which would double its start."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from holdfast.units import MIB


class PathWarning(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something a person should know about one path of a source."""

    path: bytes
    code: str
    message: str


class PathWarnings(list[PathWarning]):
    """The first warnings about one tree; of more only the count is kept, as the tree's owner can cause any number.

    `more`: how many were left out.
    """

    COUNT_MAX = 10_000
    BYTES_MAX = 8 * MIB

    def __init__(self, warnings: Iterable[PathWarning] = (), more: int = 0) -> None:
        super().__init__()
        self.more = more
        self._bytes = 0
        self.extend(warnings)

    def append(self, warning: PathWarning) -> None:
        """Keep a warning, or count it."""
        if len(self) >= self.COUNT_MAX or self._bytes >= self.BYTES_MAX:
            self.more += 1
            return
        self._bytes += len(warning.path) + len(warning.message)
        super().append(warning)

    def extend(self, warnings: Iterable[PathWarning]) -> None:
        """Keep warnings, or count them, and those that were left out before."""
        for warning in warnings:
            self.append(warning)
        self.more += getattr(warnings, "more", 0)
