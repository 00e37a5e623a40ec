"""SQLite's header: https://www.sqlite.org/fileformat2.html, section 1.3."""

from __future__ import annotations

HEADER = b"SQLite format 3\x00"


def is_header(head: bytes | memoryview) -> bool:
    """Whether a file that starts with `head` says that it is an SQLite database."""
    return head[: len(HEADER)] == HEADER
