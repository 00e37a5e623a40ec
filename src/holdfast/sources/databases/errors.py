"""Errors of dumping and restoring databases, each with a code for programs and a sentence for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.vault.errors import SourceFailed


class DatabaseFailed(SourceFailed):
    """Base of all errors with a database; the message is one sentence. `database`: its name, where that is known."""

    database = ""
    code = "DATABASE_FAILED"


class DsnRefused(DatabaseFailed):
    """The DSN is invalid, or has a password in it."""

    code = "INVALID_DSN"


class PasswordMissing(DatabaseFailed):
    """The password is missing from its place, or others could read it."""

    code = "DATABASE_PASSWORD_MISSING"


class ToolMissing(DatabaseFailed):
    """The database's own tool is not on this machine."""

    code = "DATABASE_TOOL_MISSING"


class ToolTooOld(DatabaseFailed):
    """The tool on this machine cannot talk to that server."""

    code = "DATABASE_TOOL_TOO_OLD"


class DatabaseUnreachable(DatabaseFailed):
    """The server does not answer, or refuses the login."""

    code = "DATABASE_UNREACHABLE"


class DatabaseRefused(DatabaseFailed):
    """The server is of a kind that cannot be dumped or restored whole."""

    code = "DATABASE_REFUSED"


class DumpFailed(DatabaseFailed):
    """The dump failed, or is incomplete."""

    code = "DUMP_FAILED"


class DumpNoRoom(DatabaseFailed):
    """The scratch disk has no room for a dump."""

    code = "SCRATCH_FULL"


class LoadFailed(DatabaseFailed):
    """A dump could not be loaded into a database."""

    code = "DATABASE_RESTORE_FAILED"


@contextmanager
def database_named(name: str) -> Iterator[None]:
    """Have an error with a database say which one it is."""
    try:
        yield
    except DatabaseFailed as error:
        error.database = name
        raise
