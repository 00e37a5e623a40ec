"""The log of a backup: one line for each thing done, with its time; stored when the backup ends.

The output of an operator's command is *private*: it may contain secrets, so `holdfast backup log` shows it and the
customer's API does not. So is all that is known of a failure; the customer's sentence is a line for everybody. A log
that is too long loses its middle.
"""

from __future__ import annotations

from collections import deque

import msgspec

from holdfast.catalog.backups.found import log_of
from holdfast.catalog.records import Backup
from holdfast.schemas.times import iso
from holdfast.service.instance.clock import Clock
from holdfast.service.instance.home import Instance

LOG_BYTES_MAX = 256 * 1024
HEAD_BYTES_MAX = 64 * 1024
LINE_CHARS_MAX = 4096
LINE_BYTES = 48
"""The bytes that a line needs in addition to its text: its time, and the punctuation of JSON."""


class LogLine(msgspec.Struct, frozen=True, array_like=True):
    """One line. `at`: nanoseconds; `is_private`: not for the customer."""

    at: int
    text: str
    is_private: bool = False

    @property
    def size(self) -> int:
        """The approximate size of the line in bytes."""
        return len(self.text.encode()) + LINE_BYTES


_lines = msgspec.json.Decoder(list[LogLine])


class BackupLog:
    """The log of one running backup."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._head: list[LogLine] = []
        self._tail: deque[LogLine] = deque()
        self._head_bytes = self._tail_bytes = self._left_out = 0

    def write(self, text: str) -> None:
        """Add one line for everybody."""
        self._add(text, False)

    def output(self, text: str) -> None:
        """Add a command's output, or what is known of a failure, for the operator; each line becomes one of the log."""
        for line in text.splitlines():
            self._add(f"  | {line}", True)

    def lines(self) -> list[LogLine]:
        """Return all lines that are kept."""
        if not self._left_out:
            return [*self._head, *self._tail]
        gap = LogLine(self._tail[0].at, f"... {self._left_out} lines are left out here ...")
        return [*self._head, gap, *self._tail]

    def encoded(self) -> str:
        """Return the log as the catalog stores it."""
        return msgspec.json.encode(self.lines()).decode()

    def _add(self, text: str, is_private: bool) -> None:
        clean = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text[:LINE_CHARS_MAX])
        line = LogLine(self._clock.now_ns(), clean, is_private)
        if not self._tail and self._head_bytes + line.size <= HEAD_BYTES_MAX:
            self._head.append(line)
            self._head_bytes += line.size
            return
        self._tail.append(line)
        self._tail_bytes += line.size
        while self._tail_bytes > LOG_BYTES_MAX - HEAD_BYTES_MAX:
            self._tail_bytes -= self._tail.popleft().size
            self._left_out += 1


def log_lines(instance: Instance, backup: Backup, *, with_private: bool) -> list[str]:
    """Return a backup's log, one text a line with its time; empty while it runs, and after a rebuild."""
    text = log_of(instance.catalog, backup.id)
    if text is None:
        return []
    return [
        f"{iso(line.at, instance.zone)} {line.text}"
        for line in _lines.decode(text)
        if with_private or not line.is_private
    ]
