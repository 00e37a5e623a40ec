"""Answers of bounded size: rows are added until there is room for no more, and the next answer begins behind the last.

A *cursor* is the path of the last row, as bytes: what follows it in the order of a backup comes in the next answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

ANSWER_BYTES_MAX = 4 * 1024 * 1024
ROWS_MAX = 10_000

T = TypeVar("T", bound=msgspec.Struct)


class Answer(Generic[T]):
    """The rows of one answer, in order; at most `rows_max` of them."""

    def __init__(self, rows_max: int = ROWS_MAX) -> None:
        self._rows_max = rows_max
        self.rows: list[T] = []
        self.cursor: bytes | None = None
        """The path of the last row, once a further one found no room; None while all have."""
        self._bytes = 0
        self._last = b""

    @property
    def is_truncated(self) -> bool:
        """True once a row found no room."""
        return self.cursor is not None

    def add(self, path: bytes, row: T) -> bool:
        """Add a row of a path; False when it does not fit, or one before it did not."""
        if self.is_truncated:
            return False
        size = len(msgspec.json.encode(row)) + 1
        # The first one always goes in: an answer without any would never lead on.
        if self.rows and (self._bytes + size > ANSWER_BYTES_MAX or len(self.rows) == self._rows_max):
            self.cursor = self._last
            return False
        self._bytes += size
        self._last = path
        self.rows.append(row)
        return True

    def add_all(self, rows: Iterable[tuple[bytes, T]]) -> None:
        """Add rows for as long as there is room."""
        for path, row in rows:
            if not self.add(path, row):
                return
