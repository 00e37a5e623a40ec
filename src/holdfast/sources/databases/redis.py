"""Redis and Valkey: `redis-cli --rdb` into a file (to a pipe it appends a mark of its own), checked to its last byte.

An RDB file cannot be sent to a running server. So a restore starts a server of its own on the dump, on a Unix socket
that only we can open, and copies every key (DUMP, RESTORE) within one transaction of the target: it has the dump's
keys in the end, or is as it was.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from holdfast.isolation import search_path
from holdfast.sources.databases.address import Address, address_of
from holdfast.sources.databases.client import Client, Patience, environment
from holdfast.sources.databases.errors import (
    DatabaseRefused,
    DatabaseUnreachable,
    DumpFailed,
    DumpNoRoom,
    LoadFailed,
)
from holdfast.sources.databases.passwords import password_of
from holdfast.sources.databases.rdb import problem_of
from holdfast.sources.databases.redis_connection import RedisConnection, RedisError, Refusal, Reply, Word, info
from holdfast.sources.databases.spec import DatabaseSpec
from holdfast.sources.databases.tools import Found, Tool, redis_tool
from holdfast.vault.errors import Cancelled

CONNECT_SECONDS = 10.0
KEYS_AT_ONCE = 200
EXEC_SECONDS = 3600.0
_LOADING_WAIT_SECONDS = 0.05


def find(spec: DatabaseSpec) -> Found:
    """Find the client for a server, and the server's version.

    Raises ToolMissing, ToolTooOld, DatabaseUnreachable, DatabaseRefused (cluster), PasswordMissing.
    """
    tool = redis_tool()
    with _connected(spec) as server:
        about = _about(spec, server)
    name = "Valkey" if "valkey_version" in about else "Redis"
    return Found(tool, f"{name} {about.get('valkey_version') or about.get('redis_version', '')}")


def _about(spec: DatabaseSpec, server: RedisConnection) -> dict[str, str]:
    about = info(server.ask("INFO"))
    if about.get("cluster_enabled") == "1":
        raise DatabaseRefused(f"The server of {spec.name} is a node of a cluster, which can't be dumped as a whole.")
    return about


@contextmanager
def _connected(spec: DatabaseSpec) -> Iterator[RedisConnection]:
    """Open a connection; its errors become DatabaseUnreachable."""
    password = password_of(spec)
    try:
        with RedisConnection(address_of("redis", spec.dsn), password, seconds=CONNECT_SECONDS) as server:
            yield server
    except RedisError as error:
        raise DatabaseUnreachable(f"The database {spec.name} ({spec.dsn}) cannot be used: {error}") from None


def try_dump(spec: DatabaseSpec) -> None:
    """Ask for a dump as a replica does, and hang up. Raises DumpFailed, DatabaseUnreachable."""
    with _connected(spec) as server:
        try:
            server.ask("PSYNC", "?", "-1")
        except Refusal as error:
            raise DumpFailed(f"The database {spec.name} cannot be dumped; the server says: {error}") from None


def dump(spec: DatabaseSpec, tool: Tool, path: Path, patience: Patience) -> int:
    """Dump a server into the new file `path`; return its size. Raises DumpFailed, DumpNoRoom, Cancelled."""
    address, password = address_of("redis", spec.dsn), password_of(spec)
    environ = environment(search_path(), REDISCLI_AUTH=password)

    def written() -> int:
        try:
            return path.stat().st_size
        except OSError:
            return -1

    arguments = [*_where(address), "--rdb", str(path)]
    with Client(tool.path, arguments, environ, password=password, patience=patience, activity=written) as client:
        client.read_all()
        code = client.finish()
        if code and _is_full(path):
            raise DumpNoRoom(
                f"The server's disk is too full to dump the database {spec.name}; the operator must free space."
            )
        if code or not path.exists():
            raise DumpFailed(f"The database {spec.name} could not be dumped; {client.name} says: {client.words}")
        problem = problem_of(path)
        if problem is not None:
            raise DumpFailed(
                f"The dump of the database {spec.name} is incomplete: {problem}. {client.name} says: {client.words}"
            )
    return path.stat().st_size


def _is_full(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < 1024 * 1024


def _where(address: Address) -> list[str]:
    user = ["--user", address.user] if address.user else []
    if address.socket:
        return [*user, "-s", address.socket]
    tls = ["--tls", *(["--cacert", address.options["cacert"]] if "cacert" in address.options else [])]
    return [*user, "-h", address.host, "-p", str(address.port), *(tls if address.is_tls else [])]


def check_dump(path: Path) -> None:
    """Raise DumpFailed if a dump is incomplete."""
    problem = problem_of(path)
    if problem is not None:
        raise DumpFailed(f"The dump is incomplete: {problem}.")


def tool_for_load(spec: DatabaseSpec) -> Tool:
    """Return the server that reads a dump. Raises ToolMissing, DatabaseUnreachable, DatabaseRefused."""
    tool = redis_tool("server", "redis-server")
    with _connected(spec) as server:
        about = _about(spec, server)
        if about.get("role") not in (None, "master"):
            raise DatabaseRefused(
                f"The server of {spec.name} is a replica, which takes no writes; restore into the server it follows."
            )
    return tool


def load(spec: DatabaseSpec, tool: Tool, dump_file: Path, patience: Patience) -> None:
    """Replace the contents of a running server by those of a dump. Raises LoadFailed, DumpFailed, Cancelled."""
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-") as folder,  # short: a socket's path has at most 107 bytes
        _scratch_server(tool, dump_file, Path(folder), patience) as source,
    ):
        try:
            with RedisConnection(address_of("redis", spec.dsn), password_of(spec), seconds=CONNECT_SECONDS) as target:
                _hand_over(source, target, patience)
        except RedisError as error:
            raise LoadFailed(f"The database {spec.name} could not be restored and is as it was: {error}.") from None


@contextmanager
def _scratch_server(tool: Tool, dump_file: Path, folder: Path, patience: Patience) -> Iterator[RedisConnection]:
    """A server that has loaded a dump, on a socket in `folder`."""
    socket = folder / "s"
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(dump_file.parent),
        "dbfilename": dump_file.name,
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "logfile": "",
        "loglevel": "warning",
    }
    arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
    environ = environment(search_path())
    activity = iter(range(1 << 62)).__next__  # it is silent while it works; the wait is ours
    with Client(tool.path, arguments, environ, patience=patience, activity=activity, merged=True) as client:
        address = replace(address_of("redis", "unix:///s"), socket=str(socket))
        while True:
            if client.ended():
                raise DumpFailed(f"{client.name} cannot load the dump, so nothing was changed; it says: {client.words}")
            patience.control.check("The restore was cancelled; nothing was changed.")
            try:
                server = RedisConnection(address, "", seconds=EXEC_SECONDS)
            except RedisError:
                time.sleep(_LOADING_WAIT_SECONDS)
                continue
            with server:
                try:
                    server.ask("PING")
                except RedisError:  # still loading
                    time.sleep(_LOADING_WAIT_SECONDS)
                    continue
                yield server
                return


def _hand_over(source: RedisConnection, target: RedisConnection, patience: Patience) -> None:
    """Copy all keys in one transaction. Raises RedisError, Cancelled: nothing was changed; LoadFailed: a part was."""
    databases = [int(name[2:]) for name in info(source.ask("INFO", "keyspace")) if name.startswith("db")]
    functions = _functions(source)
    _rehearse(source, target, databases)
    target.ask("MULTI")
    _queue(target, [("FLUSHALL",)])
    if functions:
        _queue(target, [("FUNCTION", "RESTORE", functions, "FLUSH")])
    for number in databases:
        source.ask("SELECT", number)
        _queue(target, [("SELECT", number)])
        for keys in _keys(source):
            if patience.control.is_cancelled():
                target.ask("DISCARD")
                raise Cancelled("The restore was cancelled; nothing was changed.")
            _queue(target, _restores(source, keys))
    target.set_timeout(EXEC_SECONDS)
    done = target.ask("EXEC")
    failed = [str(one) for one in done if isinstance(one, Refusal)] if isinstance(done, list) else ["nothing was done"]
    if failed:
        raise LoadFailed(
            f"The server took the dump only in part: {len(failed)} commands failed, the first one so: {failed[0]}"
        )


def _functions(source: RedisConnection) -> bytes:
    """Return the server's functions, packed; empty where there are none (before Redis 7 there can't be)."""
    try:
        if not source.ask("FUNCTION", "LIST"):
            return b""
        packed = source.ask("FUNCTION", "DUMP")
    except Refusal:
        return b""
    return packed if isinstance(packed, bytes) else b""


def _rehearse(source: RedisConnection, target: RedisConnection, databases: list[int]) -> None:
    """Restore one value under a temporary name and delete it: an older server would refuse all of them."""
    for number in databases[:1]:
        source.ask("SELECT", number)
        key = source.ask("RANDOMKEY")
        if isinstance(key, bytes):
            value = source.ask("DUMP", key)
            if isinstance(value, bytes):
                name = f"holdfast-rehearsal-{secrets.token_hex(8)}"
                target.ask("RESTORE", name, 60_000, value)
                target.ask("DEL", name)


def _keys(source: RedisConnection) -> Iterator[list[bytes]]:
    cursor: Reply = b"0"
    while True:
        answer = source.ask("SCAN", cursor if isinstance(cursor, bytes) else b"0", "COUNT", KEYS_AT_ONCE)
        assert isinstance(answer, list)
        cursor, keys = answer
        assert isinstance(keys, list)
        found = [key for key in keys if isinstance(key, bytes)]
        if found:
            yield found
        if cursor == b"0":
            return


def _restores(source: RedisConnection, keys: list[bytes]) -> list[tuple[Word, ...]]:
    asked = [words for key in keys for words in (("DUMP", key), ("PTTL", key))]
    answers = source.ask_all(asked)
    commands: list[tuple[Word, ...]] = []
    for key, value, left in zip(keys, answers[::2], answers[1::2], strict=True):
        if isinstance(value, Refusal) or isinstance(left, Refusal):
            why = value if isinstance(value, Refusal) else left
            raise RedisError(f"a value of the dump cannot be read: {why!s}")
        if isinstance(value, bytes) and isinstance(left, int) and left != -2:  # else it expired just now
            commands.append(("RESTORE", key, max(left, 0), value, "REPLACE"))
    return commands


def _queue(target: RedisConnection, commands: list[tuple[Word, ...]]) -> None:
    """Commands within the open transaction. Raises RedisError; then the server drops the transaction."""
    for answer in target.ask_all(commands):
        if isinstance(answer, Refusal):
            raise RedisError(str(answer))
        if answer != b"QUEUED":
            raise RedisError("the server did not queue a command of the transaction")
