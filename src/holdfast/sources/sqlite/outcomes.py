"""The answers of a copier, and what came of a database."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from holdfast.vault.errors import SourceFailed


class Answer(msgspec.Struct):
    """One line of a copier's output."""

    event: str
    number: int = 0
    size: int = 0
    kind: str = ""
    why: str = ""
    problem: str | None = None
    note: str | None = None
    page_size: int = 0
    pages: int = 0
    is_wal: bool = False
    is_shared: bool = False
    is_still: bool = False
    files: list[tuple[int, int]] = []


class CopierFailed(SourceFailed):
    """SQLite cannot be used on this machine, or its process ended."""

    code = "SQLITE_UNUSABLE"


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy was made. `size`: in bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Held:
    """A read transaction is open on a database.

    `pages`: of the database, as SQLite says in it. `files`: device and inode of each file that SQLite has open for it.
    `is_shared`: True if SQLite shares the index of the log with others.
    """

    path: bytes
    owner: tuple[int, int]
    number: int
    page_size: int
    pages: int
    is_wal: bool
    is_shared: bool
    files: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Refused:
    """No copy. `kind`: busy, unreadable, damaged, gone or no_room; `why`: the rest of a sentence."""

    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of checking a database: `problem` None when it is sound; `note`: a further note for its owner."""

    path: bytes
    problem: str | None
    note: str | None
