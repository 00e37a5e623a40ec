"""SQLite's header: https://www.sqlite.org/fileformat2.html, section 1.3."""

from __future__ import annotations

HEADER = b"SQLite format 3\x00"


def is_header(head: bytes | memoryview) -> bool:
    """Return True if a file that starts with `head` has SQLite's header."""
    return head[: len(HEADER)] == HEADER
