"""Redis as a source of an application: dumped while it is written to, restored, and what may go wrong."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit.servers import running
from kit.servers.running import PASSWORD, Server
from kit.sized import sized
from kit.stage import RECORD, VARIABLE, VERSION, Stage, ends, staged, stop_when
from kit.world import World

from holdfast.catalog.records import SYSTEM, JobState, State
from holdfast.service.errors import ServiceError
from holdfast.service.registry.databases import check_database, spec_of
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.sources.databases.address import address_of
from holdfast.sources.databases.redis_connection import RedisConnection, info
from holdfast.vault.control import Control


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    with running.redis() as server:
        yield server


@pytest.fixture(scope="session")
def other_server() -> Iterator[Server]:
    with running.redis() as server:
        yield server


@pytest.fixture
def stage(world: World, redis_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    stage = staged(world, redis_server, monkeypatch, tmp_path)
    with connected(redis_server) as server:
        server.ask("FLUSHALL")
        server.ask("FUNCTION", "FLUSH")
        server.ask_all([("SET", f"key {n}", "v" * (n % 500)) for n in range(3000)])
        server.ask("MSET", "one", 0, "two", 0)
    return stage


@contextmanager
def connected(server: Server) -> Iterator[RedisConnection]:
    with RedisConnection(address_of("redis", server.dsn), PASSWORD, seconds=20) as connection:
        yield connection


def counters(server: Server) -> tuple[int, int]:
    with connected(server) as connection:
        found = connection.ask("MGET", "one", "two")
        assert isinstance(found, list)
        one, two = found
        assert isinstance(one, bytes)
        assert isinstance(two, bytes)
        return int(one), int(two)


@contextmanager
def writer(server: Server) -> Iterator[None]:
    ended = threading.Event()

    def write() -> None:
        with connected(server) as connection:
            while not ended.is_set():
                connection.ask_all([("MULTI",), ("INCR", "one"), ("INCR", "two"), ("EXEC",)])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def other(stage: Stage, server: Server) -> Stage:
    return Stage(stage.world, server, stage.monkeypatch, stage.tmp_path)


def test_no_transaction_is_torn_and_every_dump_restores(stage: Stage, other_server: Server) -> None:
    stage.add(name="cache")
    seen = []
    with writer(stage.server):
        for _ in range(sized(4, short=2)):
            backup = stage.take()
            job = stage.restore(backup, "cache", other(stage, other_server).spec("", "cache"))
            assert job.state is JobState.SUCCESSFUL, job.error_message
            one, two = counters(other_server)
            assert one == two
            seen.append(one)
    assert seen == sorted(set(seen))
    archive = stage.downloaded(backup)
    assert archive.read("_databases/cache.rdb").startswith(b"REDIS")
    archive.close()


def test_all_that_a_server_holds_comes_back_and_nothing_else_stays(stage: Stage, other_server: Server) -> None:
    with connected(stage.server) as server:
        server.ask("HSET", b"hash \xff\x00", "field", b"\x00\xff")
        server.ask("ZADD", "scores", "1.5", "ana", 2, "ben")
        server.ask("XADD", "stream", "1-1", "field", "value")
        server.ask("RPUSH", "list", *range(1000))
        server.ask("SET", "for a while", "x", "EX", 5000)
        server.ask("SELECT", 3)
        server.ask("SADD", "set", "a", "b")
        server.ask("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('hi', function() return 'hello' end)")
    stage.add(name="cache")
    backup = stage.take()
    with connected(other_server) as server:
        server.ask("SET", "left over", "x")
    job = stage.restore(backup, "cache", other(stage, other_server).spec("", "cache"))
    assert job.state is JobState.SUCCESSFUL, job.error_message
    with connected(other_server) as there, connected(stage.server) as here:
        assert there.ask("EXISTS", "left over") == 0
        for number in (0, 3):
            here.ask("SELECT", number)
            there.ask("SELECT", number)
            assert here.ask("DBSIZE") == there.ask("DBSIZE")
        here.ask("SELECT", 0)
        there.ask("SELECT", 0)
        for key in (b"hash \xff\x00", "scores", "stream", "list", "key 499"):
            assert here.ask("DUMP", key) == there.ask("DUMP", key)
        left = there.ask("TTL", "for a while")
        assert isinstance(left, int)
        assert 4900 < left <= 5000
        assert there.ask("FCALL", "hi", 0) == b"hello"


def test_a_restore_that_does_not_fit_changes_nothing(stage: Stage, other_server: Server) -> None:
    stage.add(name="cache")
    backup = stage.take()
    with connected(other_server) as server:
        server.ask("FLUSHALL")
        server.ask("SET", "mine", "x")
        used = int(info(server.ask("INFO", "memory"))["used_memory"])
        server.ask("CONFIG", "SET", "maxmemory", used + 200_000)
    try:
        job = stage.restore(backup, "cache", other(stage, other_server).spec("", "cache"))
        assert (job.state, job.error_code) == (JobState.FAILED, "DATABASE_RESTORE_FAILED")
        assert "OOM" in (job.error_detail or "")
        with connected(other_server) as server:
            assert server.ask("KEYS", "*") == [b"mine"]
    finally:
        with connected(other_server) as server:
            server.ask("CONFIG", "SET", "maxmemory", 0)


def test_restored_where_it_came_from(stage: Stage) -> None:
    stage.add(name="cache")
    backup = stage.take()
    with connected(stage.server) as server:
        server.ask("FLUSHALL")
    job = stage.restore(backup, "cache")
    assert job.state is JobState.SUCCESSFUL, job.error_message
    assert '"safety_backup_id":"' in (job.result or "")
    with connected(stage.server) as server:
        assert server.ask("DBSIZE") == 3002


def test_the_password_is_nowhere(stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = tmp_path / "said"
    said.mkdir()
    stage.fake("redis-cli", RECORD.format(said))
    stage.add(name="cache")
    stage.take()
    assert "--rdb" in (said / "arguments").read_text()
    (said / "environ").unlink()  # where it may stand
    stage.monkeypatch.setenv(VARIABLE, PASSWORD + "x")
    assert "WRONGPASS" in (stage.fail("DATABASE_UNREACHABLE").error_detail or "")
    assert PASSWORD not in caplog.text
    stage.no_trace(said)


CUT = 'for last; do true; done; "$REAL" "$@"; '


@pytest.mark.parametrize(
    "script",
    [
        'head -c 2000 "$last" > "$last.cut"; mv "$last.cut" "$last"; exit 0',
        'truncate -s -1 "$last"; exit 0',
        'printf "x" | dd of="$last" bs=1 seek=5000 conv=notrunc 2>/dev/null; exit 0',
        'rm "$last"; exit 0',
        'echo no disk >&2; exit 3',
        'kill -9 $$',
    ],
)  # fmt: skip
def test_a_dump_that_is_not_whole_is_found(stage: Stage, script: str) -> None:
    stage.add(name="cache")
    stage.fake("redis-cli", VERSION + CUT + script)
    stage.fail("DUMP_FAILED")


def test_a_cancelled_backup_ends_the_tool(stage: Stage, tmp_path: Path) -> None:
    stage.add(name="cache")
    pid = tmp_path / "pid"
    stage.fake("redis-cli", f"{VERSION}echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600")
    asked, _ = request_backup(stage.world.instance, stage.world.app.id, SYSTEM)
    backup = run_backup(stage.world.instance, asked.id, control=Control(stop_when(pid)))
    assert (backup.state, backup.error_code) == (State.FAILED, "CANCELLED")
    assert ends(int(pid.read_text()))


def test_what_cannot_be_dumped_is_said_at_once(stage: Stage) -> None:
    with connected(stage.server) as server:
        server.ask("ACL", "SETUSER", "weak", "on", f">{PASSWORD}", "~*", "+@read", "+info", "-sync", "-psync")
    dsn = stage.spec("", "cache").dsn.replace("redis://", "redis://weak@")
    with pytest.raises(ServiceError, match="NOPERM") as refused:
        check_database(spec_of("redis", dsn, password_env=VARIABLE))
    assert refused.value.code == "DUMP_FAILED"
    stage.fake("redis-cli", "echo redis-cli 5.0.3")
    with pytest.raises(ServiceError, match="at least 6") as old:
        stage.add(name="cache")
    assert old.value.code == "DATABASE_TOOL_TOO_OLD"
    stage.monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ServiceError, match="redis-tools") as missing:
        stage.add(name="cache")
    assert missing.value.code == "DATABASE_TOOL_MISSING"


def test_by_its_unix_socket(stage: Stage) -> None:
    stage.server = Server("redis", f"unix://{stage.server.folder}/s", stage.server.bin, stage.server.folder)
    stage.add(name="cache")
    stage.take()


def test_where_the_dumps_stand_among_other_names(stage: Stage, tmp_path: Path) -> None:
    for name in ("_databases-x", "_databases.txt", "_databasesX", "_data", "Z", "~"):
        (stage.world.root / name).write_text(name)
    stage.add(name="b.x")
    stage.add(name="b")
    stage.add(name="B")
    for _ in range(2):
        archive = stage.downloaded(stage.take())
        names = archive.namelist()
        assert names == sorted(names, key=lambda name: name.strip("/").split("/"))
        assert [name for name in names if "_databases/" in name] == [
            "_databases/", "_databases/B.rdb", "_databases/b.rdb", "_databases/b.x.rdb",
        ]  # fmt: skip
        assert archive.read("_databasesX") == b"_databasesX"
        archive.close()


def test_an_application_with_nothing_but_a_database(stage: Stage, tmp_path: Path) -> None:
    for path in stage.world.root.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    stage.add(name="cache")
    stage.take()
    backup = stage.take()
    assert stage.downloaded(backup).namelist() == ["_databases/", "_databases/cache.rdb"]
    assert stage.restore_files(backup, tmp_path / "there").state is JobState.SUCCESSFUL
    assert list((tmp_path / "there").iterdir()) == []


def test_the_applications_own_folder_stays_in_a_restore(stage: Stage) -> None:
    stage.add(name="cache")
    backup = stage.take()
    own = stage.world.root / "_databases" / "mine"
    own.parent.mkdir()
    own.write_text("mine")
    (stage.world.root / "a.txt").write_text("changed")
    wanted = Wanted(safety_backup=False)
    job = run_restore(stage.world.instance, request_restore(stage.world.instance, backup, stage.app, wanted, SYSTEM).id)
    assert job.state is JobState.SUCCESSFUL, job.error_message
    assert (stage.world.root / "a.txt").read_text() == "hello\n"
    assert own.read_text() == "mine"
    assert [path.name for path in own.parent.iterdir()] == ["mine"]
