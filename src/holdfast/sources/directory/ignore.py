"""Ignore patterns: the paths that an application's backups leave out, with git's meaning of such patterns.

Terms: *pattern*: one line, as in a `.gitignore` (`*.log`, `/cache/`, `!keep.log`); the last one that fits decides, and
what lies in a folder that is left out cannot be taken back in. *Rules*: patterns in their order, compiled
(`native/ignore.c`). They come from the application's settings and then from `.backupignore` in its folder, whose owner
is hostile: so their number, length and matching time are limited, and a pattern beyond a limit is reported
and not used.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from holdfast.native import library as native
from holdfast.vault.path_warnings import PathWarning

if TYPE_CHECKING:
    from holdfast.vault.source import Scan

IGNORE_FILE = b".backupignore"
SETTINGS = "settings"
FILE_BYTES_MAX = 64 * 1024
PATTERNS_MAX = 1000
PATTERN_BYTES_MAX = 1024
"""As in `native/ignore.c`."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class PatternsTooSlow(Exception):
    """Matching the patterns takes more time than any reasonable ones need."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern. `source`: `settings` or `.backupignore`; `line`: its number there, from 1."""

    text: bytes
    source: str
    line: int


class Rules:
    """Patterns, compiled. Not to be shared between threads."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        """`patterns`: none longer than PATTERN_BYTES_MAX, none with a zero byte in it."""
        self.patterns = tuple(patterns)
        self._handle = ctypes.c_void_p()
        texts = b"".join(pattern.text + b"\0" for pattern in patterns)
        code = native.ignore_new(texts, len(texts), len(patterns), ctypes.byref(self._handle))
        if code:
            native.ignore_free(self._handle)
            raise OSError(-code, os.strerror(-code))

    def __del__(self) -> None:
        if self._handle:
            native.ignore_free(self._handle)
            self._handle = ctypes.c_void_p()

    @property
    def handle(self) -> ctypes.c_void_p | None:
        """Return the handle for the walk; None without patterns."""
        return self._handle if self.patterns else None

    def can_match(self, number: int) -> bool:
        """Return True if a pattern can match anything at all (one with an open bracket cannot)."""
        return bool(native.ignore_can_match(self._handle, number))

    def match(self, scan: Scan) -> NDArray[np.int32]:
        """Return for each entry of a walk the number of the pattern that leaves it out; -1: it stays.

        What lies in a folder that is left out has -2 minus the folder's number. Raises PatternsTooSlow.
        """
        out = np.full(len(scan.kind), -1, np.int32)
        if self.patterns and len(out):
            kinds = np.ascontiguousarray(scan.kind, "u1")
            code = native.ignore_scan(
                self._handle, ctypes.byref(scan.paths.columns), kinds.ctypes.data, out.ctypes.data
            )
            if code == -errno.EOVERFLOW:
                raise PatternsTooSlow
            if code:
                raise MemoryError
        return out


def patterns_of(lines: Sequence[str]) -> list[Pattern]:
    """Return the patterns of an application's settings, whose lines were checked when they were set."""
    return [
        Pattern(text, SETTINGS, number)
        for number, line in enumerate(lines, 1)
        if (text := _trimmed(line.encode("utf-8", "surrogateescape"))) and not text.startswith(b"#")
    ]


def patterns_in(content: bytes) -> tuple[list[Pattern], list[PathWarning]]:
    """Return the patterns of a `.backupignore`, and warnings about those that are not used."""
    notices = []
    cut = len(content) > FILE_BYTES_MAX
    if cut:
        content = content[:FILE_BYTES_MAX].rpartition(b"\n")[0]
        size = f"{FILE_BYTES_MAX // 1024} KiB"
        notices.append(_notice("IGNORE_FILE_TOO_LARGE", f"is larger than {size}; the lines after that were not used."))
    found: list[Pattern] = []
    too_long = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = line.removesuffix(b"\r").partition(b"\0")[0]
        if text.startswith(b"#") or not (text := _trimmed(text)):
            continue
        if len(text) > PATTERN_BYTES_MAX:
            too_long.append(number)
            continue
        if len(found) == PATTERNS_MAX:
            message = f"has more than {PATTERNS_MAX} patterns; those from line {number} on were not used."
            notices.append(_notice("IGNORE_FILE_TOO_LARGE", message))
            break
        found.append(Pattern(text, IGNORE_FILE.decode(), number))
    if too_long:
        named = ", ".join(map(str, too_long[:10])) + (" ..." if len(too_long) > 10 else "")
        message = f"has lines longer than {PATTERN_BYTES_MAX} bytes, which were not used: {named}."
        notices.append(_notice("IGNORE_FILE_TOO_LARGE", message))
    return found, notices


def read_ignore_file(root: int) -> tuple[list[Pattern], list[PathWarning]]:
    """Return the patterns of `.backupignore` in the open folder `root`; none without such a file."""
    try:
        fd = os.open(IGNORE_FILE, _FLAGS, dir_fd=root)
    except FileNotFoundError:
        return [], []
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return [], [_notice("IGNORE_FILE_UNREADABLE", "is not a regular file; its patterns were not used.")]
        return [], [_notice("IGNORE_FILE_UNREADABLE", f"could not be read ({error.strerror}); it was not used.")]
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return [], [_notice("IGNORE_FILE_UNREADABLE", "is not a regular file; its patterns were not used.")]
        content = b""
        while len(content) <= FILE_BYTES_MAX and (more := os.read(fd, FILE_BYTES_MAX + 1 - len(content))):
            content += more
    except OSError as error:
        return [], [_notice("IGNORE_FILE_UNREADABLE", f"could not be read ({error.strerror}); it was not used.")]
    finally:
        os.close(fd)
    return patterns_in(content)


def match_used(ours: Sequence[Pattern], theirs: Sequence[Pattern], scan: Scan) -> NDArray[np.bool_]:
    """Return the entries of a whole walk that a backup with these patterns (settings, `.backupignore`) would leave
    out.
    """
    for patterns in ([*ours, *theirs], ours):
        try:
            left_out: NDArray[np.bool_] = Rules(patterns).match(scan) != -1
            return left_out
        except PatternsTooSlow:
            continue
    return np.zeros(len(scan.kind), bool)


def too_slow(pattern: Pattern) -> PathWarning:
    """Return the notice for patterns that are not used because they take too long."""
    what = "of .backupignore" if pattern.source != SETTINGS else "in the application's settings"
    path = IGNORE_FILE if pattern.source != SETTINGS else b""
    message = f"The ignore patterns {what} take too long to match and were not used; write simpler ones."
    return PathWarning(path, "IGNORE_TOO_SLOW", message)


def _trimmed(line: bytes) -> bytes:
    """Return a line without trailing spaces, except one after a backslash."""
    at, end = 0, 0
    while at < len(line):
        if line[at] == ord("\\"):
            at += 1
            end = min(at + 1, len(line))
        elif line[at] != ord(" "):
            end = at + 1
        at += 1
    return line[:end]


def _notice(code: str, what: str) -> PathWarning:
    return PathWarning(IGNORE_FILE, code, f"The file .backupignore {what}")
