"""PostgreSQL: `pg_dump` in its custom format, uncompressed (we compress, and chunks that did not change are found).

A dump is checked by the tool that will have to read it: `pg_restore` reads along, through the whole
archive, while it is streamed. It fails where the archive ends early or a table's data is missing.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from holdfast.isolation import ROOT, UMASK, search_path
from holdfast.sources.databases.client import NOWHERE, SHOWN_CHARACTERS_MAX, Client, Patience, environment
from holdfast.sources.databases.errors import DatabaseUnreachable, DumpFailed, LoadFailed
from holdfast.sources.databases.passwords import password_of, scrubbed
from holdfast.sources.databases.spec import DatabaseSpec
from holdfast.sources.databases.tools import Found, Tool, postgres_tool, postgres_tools
from holdfast.vault.errors import StreamFailed

CONNECT_SECONDS = 10
LOCK_WAIT = "60s"
"""At most this long does a dump wait for a lock on a table."""


def find(spec: DatabaseSpec) -> Found:
    """Find the client for a database, and its server's version.

    Raises ToolMissing, ToolTooOld, DatabaseUnreachable, PasswordMissing.
    """
    postgres_tools()  # a missing tool is reported before the server is contacted
    number, size = _asked(spec)
    return Found(postgres_tool(number // 10_000), f"PostgreSQL {number // 10_000}.{number % 10_000}", size)


def _asked(spec: DatabaseSpec) -> tuple[int, int]:
    """Return the server's version as libpq gives it, 150018 for 15.18, and the approximate bytes of the database.

    Raises DatabaseUnreachable, PasswordMissing.
    """
    import psycopg  # 0.1 s that a backup without databases does not need

    password = password_of(spec)
    try:
        with psycopg.connect(
            spec.dsn,
            password=password or None,
            passfile=NOWHERE,
            connect_timeout=CONNECT_SECONDS,
            application_name="holdfast",
        ) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
            return connection.info.server_version, int(row[0]) if row else 0
    except (psycopg.Error, OSError) as error:
        why = " ".join(scrubbed(str(error), password).split())
        raise DatabaseUnreachable(f"The database {spec.name} ({spec.dsn}) cannot be reached: {why}") from None


def _client(spec: DatabaseSpec, program: str, arguments: list[str], patience: Patience) -> Client:
    password = password_of(spec)
    environ = environment(
        search_path(),
        PGPASSWORD=password,
        PGPASSFILE=NOWHERE,
        PGAPPNAME="holdfast",
        PGCONNECT_TIMEOUT=str(CONNECT_SECONDS),
    )
    return Client(program, arguments, environ, password=password, patience=patience)


def _dump_arguments(spec: DatabaseSpec) -> list[str]:
    return [
        "--format=custom", "--compress=0", "--no-password", f"--lock-wait-timeout={LOCK_WAIT}", f"--dbname={spec.dsn}",
    ]  # fmt: skip


def try_dump(spec: DatabaseSpec, tool: Tool, patience: Patience) -> None:
    """Dump everything but the rows, and discard it. Raises DumpFailed."""
    with _client(spec, tool.path, [*_dump_arguments(spec), "--schema-only"], patience) as client:
        client.throw_away()
        if client.finish():
            raise DumpFailed(f"The database {spec.name} cannot be dumped; {client.name} says: {client.words}")


class PostgresDump:
    """A dump as a stream. It ends only when it is whole."""

    def __init__(self, spec: DatabaseSpec, tool: Tool, patience: Patience) -> None:
        """Raises PasswordMissing."""
        self._spec = spec
        self._client = _client(spec, tool.path, _dump_arguments(spec), patience)
        try:
            self._check = ArchiveCheck(tool.sibling("pg_restore"))
        except BaseException:
            self._client.close()
            raise

    def read_into(self, view: memoryview) -> int:
        """Read some of the dump; return 0 at the end of a whole one. Raises StreamFailed, Cancelled."""
        try:
            got = self._client.read_into(view)
            if got:
                if self._check.write(view[:got]):
                    return got
                self._end_check()
            code = self._client.finish()
        except DumpFailed as error:
            raise StreamFailed(f"The database {self._spec.name} could not be dumped: {error}") from None
        if code:
            raise StreamFailed(
                f"The database {self._spec.name} could not be dumped; {self._client.name} says: {self._client.words}"
            )
        self._end_check()
        return 0

    def _end_check(self) -> None:
        problem = self._check.finish()
        if problem is not None:
            raise StreamFailed(f"The dump of the database {self._spec.name} is incomplete; pg_restore says: {problem}")

    def close(self) -> None:
        """End both programs."""
        self._client.close()
        self._check.close()


class ArchiveCheck:
    """`pg_restore` reading an archive to its end, writing nothing."""

    def __init__(self, pg_restore: str, archive: int = subprocess.PIPE) -> None:
        """`archive`: a descriptor of it, or it is written piece by piece."""
        self._errors = os.memfd_create("holdfast", os.MFD_CLOEXEC)  # a pipe that nobody reads could fill up
        self._process = subprocess.Popen(
            [pg_restore, "--file=/dev/null"],
            stdin=archive,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=environment(search_path()),
            cwd=ROOT,
            umask=UMASK,
            start_new_session=True,
            bufsize=0,
        )
        self._is_broken = False

    def write(self, data: memoryview) -> bool:
        """Write more of the archive. Return False when pg_restore stopped reading; `finish` says why."""
        stream = self._process.stdin
        assert stream is not None
        try:
            while data:
                data = data[stream.write(data) or 0 :]
        except OSError:
            self._is_broken = True
        return not self._is_broken

    def finish(self) -> str | None:
        """Return the fault of the archive; None when all of it could be read."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.wait() or self._is_broken:
            errors = os.pread(self._errors, SHOWN_CHARACTERS_MAX, 0).decode(errors="replace")
            return " ".join(errors.split()) or "it has data after its end"
        return None

    def close(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        os.close(self._errors)


def tool_for_load(spec: DatabaseSpec, dump: Path) -> Tool:
    """Return the pg_restore that reads a dump and fits the server: of the server's version, else of the next newer one.

    A newer one may set what an older server does not know; an older one may not know the archive. Raises ToolMissing,
    DatabaseUnreachable, DumpFailed (none can read the dump to its end).
    """
    major = _asked(spec)[0] // 10_000
    tools = sorted(postgres_tools(), key=lambda tool: (tool.version[0] < major, abs(tool.version[0] - major)))
    problem = None
    for tool in tools:
        with dump.open("rb") as file:
            check = ArchiveCheck(tool.sibling("pg_restore"), file.fileno())
            try:
                found = check.finish()
            finally:
                check.close()
        if found is None:
            return tool
        problem = problem or found
    raise DumpFailed(f"pg_restore cannot read the dump to its end, so nothing was changed; it says: {problem}")


def load(spec: DatabaseSpec, tool: Tool, dump: Path, patience: Patience, *, is_same: bool) -> None:
    """Put a dump into a database in one transaction. Raises LoadFailed: then the database is as it was.

    `is_same`: it is the database that was dumped, so that owners and privileges come back too.
    """
    arguments = ["--single-transaction", "--exit-on-error", "--clean", "--if-exists", "--no-password"]
    if not is_same:
        arguments += ["--no-owner", "--no-privileges"]
    arguments += [f"--dbname={spec.dsn}", str(dump)]
    with _client(spec, tool.sibling("pg_restore"), arguments, patience) as client:
        client.read_all()
        if client.finish():
            raise LoadFailed(
                f"The database {spec.name} could not be restored and is as it was; pg_restore says: {client.words}"
            )
