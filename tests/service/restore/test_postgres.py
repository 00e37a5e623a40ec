"""PostgreSQL as a source of an application: dumped while it is written to, restored, and what may go wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from kit.servers import running
from kit.servers.running import PASSWORD, Server
from kit.sized import sized
from kit.stage import RECORD, VARIABLE, VERSION, Stage, ends, staged, stop_when
from kit.world import World

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.records import SYSTEM, Backup, JobState, State
from holdfast.service.errors import ServiceError
from holdfast.service.registry.databases import add_database, check_database, dumps_in, spec_of
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.vault.control import Control


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    with running.postgres() as server:
        with connected(server, "postgres") as admin:
            admin.execute("CREATE DATABASE app")
            admin.execute("CREATE DATABASE other")
        yield server


@pytest.fixture
def stage(world: World, postgres_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    stage = staged(world, postgres_server, monkeypatch, tmp_path)
    for name in ("app", "other"):
        with connected(postgres_server, name) as database:
            database.execute("SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with connected(postgres_server) as database:
        database.execute("CREATE TABLE one (n bigint)")
        database.execute("CREATE TABLE padding (id int PRIMARY KEY, text text)")
        database.execute("CREATE TABLE two (n bigint)")
        database.execute("INSERT INTO one VALUES (0); INSERT INTO two VALUES (0)")
        database.execute("INSERT INTO padding SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 3000) i")
    return stage


@contextmanager
def connected(server: Server, database: str = "app") -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn.replace("{name}", database), password=PASSWORD, autocommit=True) as connection:
        yield connection


def counters(server: Server, database: str = "app") -> tuple[int, int]:
    with connected(server, database) as connection:
        (one,), (two,) = connection.execute("SELECT n FROM one UNION ALL SELECT n FROM two").fetchall()
        return one, two


@contextmanager
def writer(server: Server) -> Iterator[list[int]]:
    """Adds one to two counters in each transaction, until the end."""
    ended, count = threading.Event(), [0]

    def write() -> None:
        with connected(server) as connection:
            while not ended.is_set():
                with connection.transaction():
                    connection.execute("UPDATE one SET n = n + 1")
                    connection.execute(
                        "UPDATE padding SET text = md5(random()::text) WHERE id = %s", [1 + count[0] % 3000]
                    )
                    connection.execute("UPDATE two SET n = n + 1")
                count[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield count
    finally:
        ended.set()
        thread.join()


def test_no_transaction_is_torn_and_every_dump_restores(stage: Stage) -> None:
    stage.add()
    other = stage.spec("other")
    seen = []
    with writer(stage.server) as written:
        for _ in range(sized(4, short=2)):
            backup = stage.take()
            job = stage.restore(backup, to=other)
            assert job.state is JobState.SUCCESSFUL, job.error_message
            one, two = counters(stage.server, "other")
            assert one == two
            seen.append(one)
    assert seen == sorted(set(seen))
    assert written[0] >= seen[-1]
    assert [dump.name for dump in dumps_in(stage.world.instance, backup)] == ["app"]


def test_the_dump_is_in_the_download_and_stays_out_of_the_folder(stage: Stage, tmp_path: Path) -> None:
    stage.add()
    backup = stage.take()
    archive = stage.downloaded(backup)
    assert archive.read("_databases/app.pgdump").startswith(b"PGDMP")
    assert "a.txt" in archive.namelist()
    job = stage.restore_files(backup, tmp_path / "there")
    assert job.state is JobState.SUCCESSFUL, job.error_message
    assert (tmp_path / "there" / "a.txt").exists()
    assert not (tmp_path / "there" / "_databases").exists()
    assert "DATABASES_NOT_RESTORED" in (job.result or "")
    stage.restore_files(backup, tmp_path / "dumps", "_databases")
    dump = tmp_path / "dumps" / "_databases" / "app.pgdump"
    assert dump.read_bytes().startswith(b"PGDMP")
    assert dump.stat().st_mode & 0o777 == 0o600
    archive.close()


def test_unchanged_data_costs_next_to_nothing(stage: Stage) -> None:
    with connected(stage.server) as database:
        database.execute(
            "CREATE TABLE large AS SELECT i, string_agg(md5((i * 30 + j)::text), '') AS text "
            "FROM generate_series(1, 7000) i, generate_series(1, 30) j GROUP BY i ORDER BY i"
        )
        database.execute("SELECT lo_from_bytea(0, decode(repeat('00ff', 9000), 'hex'))")
        database.execute("CREATE TABLE empty (n int)")
    stage.add()
    first, second = stage.take(), stage.take()
    assert first.content_bytes > 6_000_000
    assert second.stored_bytes < first.stored_bytes / 2, "at most the chunk with the time in the head is new"


def test_restored_where_it_came_from_with_a_safety_backup_and_owners(stage: Stage) -> None:
    with connected(stage.server) as database:
        database.execute("DROP ROLE IF EXISTS shop")
        database.execute("CREATE ROLE shop")
        database.execute("ALTER TABLE padding OWNER TO shop")
    stage.add()
    backup = stage.take()
    with connected(stage.server) as database:
        database.execute("UPDATE one SET n = 77; DELETE FROM padding; DROP TABLE two")
    job = stage.restore(backup)
    assert job.state is JobState.SUCCESSFUL, job.error_message
    assert '"safety_backup_id":"' in (job.result or "")
    assert counters(stage.server) == (0, 0)
    with connected(stage.server) as database:
        owner = database.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'padding'").fetchone()
        assert owner == ("shop",)
        assert database.execute("SELECT count(*) FROM padding").fetchone() == (3000,)
        database.execute("DROP OWNED BY shop; DROP ROLE shop")


def test_a_restore_that_fails_midway_changes_nothing(stage: Stage) -> None:
    stage.add()
    backup = stage.take()
    with connected(stage.server) as database:
        database.execute("UPDATE one SET n = 77; UPDATE two SET n = 77")
        database.execute("CREATE VIEW in_the_way AS SELECT * FROM two")
    job = stage.restore(backup)
    assert (job.state, job.error_code) == (JobState.FAILED, "DATABASE_RESTORE_FAILED")
    assert "in_the_way" in (job.error_detail or "")
    assert counters(stage.server) == (77, 77)


def test_the_password_is_nowhere(stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage.monkeypatch.setenv("HOLDFAST_MASTER_KEY", "ab" * 32)
    said = tmp_path / "said"
    said.mkdir()
    stage.fake("pg_dump", RECORD.format(said))
    stage.add()
    stage.take()
    arguments, environ = (said / "arguments").read_text(), (said / "environ").read_text()
    assert "--format=custom" in arguments
    assert PASSWORD not in arguments
    assert VARIABLE not in environ
    assert "HOLDFAST" not in environ
    (said / "environ").unlink()
    stage.monkeypatch.setenv(VARIABLE, PASSWORD + "x")
    backup = stage.fail("DATABASE_UNREACHABLE")
    assert "password authentication failed" in (backup.error_detail or "")
    assert PASSWORD not in caplog.text
    stage.no_trace(said)


def test_a_tool_that_is_killed_midway(stage: Stage) -> None:
    stage.add()
    good = stage.take()
    stage.fake("pg_dump", VERSION + '"$REAL" "$@" | head -c 500000; kill -9 $$')
    stage.fail("DUMP_FAILED")
    stage.fake("pg_dump", VERSION + '"$REAL" "$@" | head -c 500; echo no disk >&2; exit 3')
    assert "no disk" in (stage.fail("DUMP_FAILED").error_detail or "")
    job = stage.restore(good, to=stage.spec("other"))
    assert job.state is JobState.SUCCESSFUL, job.error_message


@pytest.mark.parametrize("size", [0, 3, 3000, 900_000])
def test_a_cut_dump_is_found_though_the_tool_says_all_is_well(stage: Stage, size: int) -> None:
    stage.add()
    stage.fake("pg_dump", VERSION + f'"$REAL" "$@" | head -c {size}; exit 0')
    assert "incomplete" in (stage.fail("DUMP_FAILED").error_detail or "")


def cancelled(stage: Stage, script: str) -> Backup:
    """A backup that is cancelled when the tool has written its process id."""
    pid = stage.tmp_path / "pid"
    stage.fake("pg_dump", VERSION + f"echo $$ > {pid}.new; mv {pid}.new {pid}; {script}")
    asked, _ = request_backup(stage.world.instance, stage.world.app.id, SYSTEM)
    backup = run_backup(stage.world.instance, asked.id, control=Control(stop_when(pid)))
    assert ends(int(pid.read_text()))
    return backup


@pytest.mark.parametrize("files_bytes", [0, 14_000_000])
def test_a_cancelled_backup_ends_the_tool(stage: Stage, files_bytes: int) -> None:
    stage.add()
    (stage.world.root / "large").write_bytes(bytes(files_bytes))  # with a large one there are worker processes
    backup = cancelled(stage, "sleep 600")
    assert (backup.state, backup.error_code) == (State.FAILED, "CANCELLED")


def test_with_worker_processes_too(stage: Stage, tmp_path: Path) -> None:
    stage.add()
    (stage.world.root / "large").write_bytes(bytes(14_000_000))
    assert stage.downloaded(stage.take()).read("_databases/app.pgdump").startswith(b"PGDMP")
    stage.fake("pg_dump", VERSION + '"$REAL" "$@" | head -c 30000')
    assert "incomplete" in (stage.fail("DUMP_FAILED").error_detail or "")


def test_a_tool_that_says_nothing_is_ended(stage: Stage) -> None:
    stage.add()
    stage.config(database_silence_seconds=1)
    stage.fake("pg_dump", VERSION + "sleep 600")
    assert "gave nothing for 1 seconds" in (stage.fail("DUMP_FAILED").error_detail or "")


def test_a_tool_that_is_missing_or_too_old_names_the_package(stage: Stage) -> None:
    stage.add()
    stage.fake("pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24'")
    message = stage.fail("DATABASE_TOOL_TOO_OLD").error_detail or ""
    with connected(stage.server) as connection:
        major = connection.info.server_version // 10_000
    assert f"postgresql-client-{major}" in message
    stage.monkeypatch.setenv("PATH", "/nonexistent")
    assert "postgresql-client" in (stage.fail("DATABASE_TOOL_MISSING").error_detail or "")


def test_the_newest_of_several_versions_is_taken(stage: Stage) -> None:
    folder = stage.fake("pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24'")
    stage.monkeypatch.setattr("holdfast.sources.databases.tools.POSTGRES_FOLDERS", (str(stage.server.bin),))
    stage.add()
    assert (folder / "pg_dump").exists()
    stage.take()


def test_what_cannot_be_dumped_is_said_at_once(stage: Stage) -> None:
    with connected(stage.server) as database:
        database.execute("DROP ROLE IF EXISTS weak")
        database.execute(f"CREATE ROLE weak LOGIN PASSWORD '{PASSWORD}'")
    dsn = stage.spec("app").dsn.replace("holdfast@", "weak@")
    with pytest.raises(ServiceError, match="permission denied") as refused:
        add_database(stage.world.instance, stage.app, spec_of("postgres", dsn, password_env=VARIABLE), SYSTEM)
    assert refused.value.code == "DUMP_FAILED"
    with pytest.raises(ServiceError, match="does not exist"):
        check_database(stage.spec("nosuch"))
    assert stage.app.settings.databases == ()


def test_the_applications_own_folder_of_that_name(stage: Stage) -> None:
    own = stage.world.root / "_databases"
    own.mkdir()
    (own / "app.pgdump").write_text("mine")
    (own / "notes").write_text("mine")
    with pytest.raises(ServiceError, match="rename"):
        stage.add()
    change_settings(
        stage.world.instance.catalog,
        stage.app.id,
        lambda settings: type(settings)(databases=(stage.spec("app"),)),
        0,
        SYSTEM,
        "x.set",
    )
    backup = stage.take()
    assert [(w.path, w.code) for w in backup.warnings] == [("_databases", "DATABASES_FOLDER_LEFT_OUT")]
    archive = stage.downloaded(backup)
    assert [name for name in archive.namelist() if "_databases/" in name and name != "_databases/"] == [
        "_databases/app.pgdump"
    ]
    archive.close()


def test_the_source_is_there_again_after_a_rebuild(stage: Stage) -> None:
    from holdfast.service.registry.account_record import read_record

    spec = stage.add()
    (app,) = read_record(stage.world.instance, stage.world.account.id).apps
    assert app.settings.databases == (spec,)
