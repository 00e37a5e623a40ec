"""MariaDB: `mariadb-dump` in one transaction; its last line marks the dump as complete.

User, password and server stand in an option file that exists only in memory (a memfd, 0600), and no other option file
is read. A dump is loaded by a client in its sandbox mode: malicious SQL in a dump cannot run a command here.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

from holdfast.isolation import search_path
from holdfast.sources.databases.address import address_of
from holdfast.sources.databases.client import Client, Patience, environment
from holdfast.sources.databases.errors import DatabaseUnreachable, DumpFailed, LoadFailed, ToolTooOld
from holdfast.sources.databases.passwords import password_of
from holdfast.sources.databases.spec import DatabaseSpec
from holdfast.sources.databases.tools import Found, Tool, mariadb_tool
from holdfast.vault.errors import StreamFailed

CONNECT_SECONDS = 10
_END = re.compile(rb"(?:^|\n)-- Dump completed(?: on [^\n]*)?\n*\Z")
_TAIL_BYTES = 256
_QUESTION = """SELECT VERSION();
SELECT COALESCE(SUM(DATA_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE();
SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'
AND ENGINE NOT IN ('InnoDB', 'ROCKSDB', 'SEQUENCE', 'BLACKHOLE', 'FEDERATED', 'SPIDER') ORDER BY TABLE_NAME LIMIT 20;
"""


def find(spec: DatabaseSpec, patience: Patience) -> Found:
    """Find the client for a database, its server's version, and its tables without transactions.

    Raises ToolMissing, DatabaseUnreachable, PasswordMissing.
    """
    tool = mariadb_tool("mariadb-dump", "mysqldump")
    asks = mariadb_tool("mariadb", "mysql")
    with _client(spec, asks, ["--batch", "--skip-column-names"], patience, text=_QUESTION) as client:
        lines = client.read_all().decode(errors="replace").splitlines()
        if client.finish() or len(lines) < 2:
            raise DatabaseUnreachable(f"The database {spec.name} ({spec.dsn}) cannot be reached: {client.words}")
    version, size, *tables = lines
    server = f"MariaDB {version.partition('-')[0]}" if "MariaDB" in version else f"MySQL {version}"
    return Found(tool, server, int(size) if size.isdigit() else 0, tuple(tables))


def _client(
    spec: DatabaseSpec, tool: Tool, arguments: list[str], patience: Patience, *, text: str = "", stdin: int = -1
) -> Client:
    """`text` or `stdin`: what it gets on its standard input."""
    address, password = address_of("mariadb", spec.dsn), password_of(spec)
    with ExitStack() as stack:
        options = _in_memory(_option_file(spec, password))
        stack.callback(os.close, options)
        if text:
            stdin = _in_memory(text)
            stack.callback(os.close, stdin)
        return Client(
            tool.path,
            [f"--defaults-file=/dev/fd/{options}", *arguments, address.database],
            environment(search_path()),
            password=password,
            patience=patience,
            pass_fds=(options,),
            stdin=stdin if stdin >= 0 else subprocess.DEVNULL,
        )


def _option_file(spec: DatabaseSpec, password: str) -> str:
    address = address_of("mariadb", spec.dsn)
    values = {
        "user": address.user,
        "password": password,
        "default-character-set": "utf8mb4",
        **{name: value for name, value in address.options.items() if name.startswith("ssl-")},
    }
    if "ssl-ca" in address.options:
        values["ssl-verify-server-cert"] = "1"
    values |= {"socket": address.socket} if address.socket else {"host": address.host, "port": str(address.port)}
    if not address.socket:
        values["protocol"] = "tcp"
    lines = [f'{name}="{_escaped(value)}"' for name, value in values.items() if value]
    # Of the client alone: else the server could ask for any file of ours.
    return "\n".join(["[client]", *lines, "[mysql]", "local-infile=0", f"connect-timeout={CONNECT_SECONDS}", ""])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _in_memory(text: str) -> int:
    """Return a descriptor, at its start, of a file in memory that nobody else can open."""
    fd = os.memfd_create("holdfast", os.MFD_CLOEXEC)
    os.fchmod(fd, 0o600)  # the client ignores a file that others may write
    os.write(fd, text.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


_DUMP = [
    "--single-transaction", "--quick", "--skip-lock-tables", "--routines", "--triggers", "--events", "--hex-blob",
    "--no-tablespaces", "--skip-dump-date",
]  # fmt: skip


def try_dump(spec: DatabaseSpec, tool: Tool, patience: Patience) -> None:
    """Dump everything but the rows, and discard it. Raises DumpFailed."""
    with _client(spec, tool, [*_DUMP, "--no-data"], patience) as client:
        client.throw_away()
        if client.finish():
            raise DumpFailed(f"The database {spec.name} cannot be dumped; {client.name} says: {client.words}")


class MariadbDump:
    """A dump as a stream. It ends only when it is whole."""

    def __init__(self, spec: DatabaseSpec, tool: Tool, patience: Patience) -> None:
        """Raises PasswordMissing."""
        self._spec = spec
        self._tail = b""
        self._client = _client(spec, tool, _DUMP, patience)

    def read_into(self, view: memoryview) -> int:
        """Read some of the dump; return 0 at the end of a whole one. Raises StreamFailed, Cancelled."""
        try:
            got = self._client.read_into(view)
            if got:
                self._tail = (self._tail + bytes(view[max(0, got - _TAIL_BYTES) : got]))[-_TAIL_BYTES:]
                return got
            code = self._client.finish()
        except DumpFailed as error:
            raise StreamFailed(f"The database {self._spec.name} could not be dumped: {error}") from None
        if code:
            raise StreamFailed(
                f"The database {self._spec.name} could not be dumped; {self._client.name} says: {self._client.words}"
            )
        if not _END.search(self._tail):
            raise StreamFailed(
                f"The dump of the database {self._spec.name} is incomplete: its last line does not say that it is "
                "completed."
            )
        return 0

    def close(self) -> None:
        """End the client."""
        self._client.close()


def check_dump(dump: Path) -> None:
    """Raise DumpFailed if a dump is incomplete."""
    with dump.open("rb") as file:
        file.seek(max(0, dump.stat().st_size - _TAIL_BYTES))
        if not _END.search(file.read()):
            raise DumpFailed("The dump is incomplete: its last line does not say that it is completed.")


def tool_for_load(spec: DatabaseSpec, patience: Patience) -> Tool:
    """Return the client that loads a dump. Raises ToolMissing, ToolTooOld (without a sandbox), DatabaseUnreachable."""
    tool = mariadb_tool("mariadb", "mysql")
    with Client(tool.path, ["--no-defaults", "--help"], environment(search_path()), patience=patience) as client:
        if b"--sandbox" not in client.read_all():
            raise ToolTooOld(
                "The mariadb client on this machine has no sandbox mode, without which a dump could run commands here; "
                "install a newer package mariadb-client (10.11.8, 11.4.2 or later)."
            )
    find(spec, patience)
    return tool


def load(spec: DatabaseSpec, tool: Tool, dump: Path, patience: Patience) -> None:
    """Put a dump into a database, table by table. Raises LoadFailed."""
    with dump.open("rb") as file, _client(
        spec, tool, ["--batch", "--sandbox"], patience, stdin=file.fileno()
    ) as client:  # fmt: skip
        client.read_all()
        if client.finish():
            raise LoadFailed(
                f"The database {spec.name} was restored only in part, up to the place where mariadb stopped; fix the "
                f"cause and restore it again. mariadb says: {client.words}"
            )
