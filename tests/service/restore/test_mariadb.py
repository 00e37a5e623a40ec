"""MariaDB as a source of an application: dumped while it is written to, restored, and what may go wrong."""

from __future__ import annotations

import subprocess
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
from holdfast.service.registry.databases import add_database, check_database, spec_of
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.vault.control import Control

LOGIN = ["--user=holdfast", f"--password={PASSWORD}", "--batch", "--skip-column-names"]


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    with running.mariadb() as server:
        yield server


@pytest.fixture
def stage(world: World, mariadb_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    stage = staged(world, mariadb_server, monkeypatch, tmp_path)
    sql(
        mariadb_server,
        "DROP DATABASE IF EXISTS app; CREATE DATABASE app; DROP DATABASE IF EXISTS other; CREATE DATABASE other;"
        "USE app;"
        "CREATE TABLE one (n bigint) ENGINE=InnoDB; CREATE TABLE two (n bigint) ENGINE=InnoDB;"
        "CREATE TABLE padding (id int PRIMARY KEY, text text) ENGINE=InnoDB CHARSET=utf8mb4;"
        "INSERT INTO one VALUES (0); INSERT INTO two VALUES (0);"
        "INSERT INTO padding SELECT seq, CONCAT('Größe 🎲 ', REPEAT(MD5(seq), 15)) FROM seq_1_to_3000;",
        database="",
    )
    return stage


def sql(server: Server, text: str, database: str = "app") -> str:
    """Run statements as the application does; returns what they gave."""
    done = subprocess.run(
        [server.bin / "mariadb", f"--socket={server.folder}/s", "--default-character-set=utf8mb4", *LOGIN, database],
        input=text, capture_output=True, text=True,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return done.stdout


def counters(server: Server, database: str = "app") -> tuple[int, int]:
    one, two = sql(server, "SELECT n FROM one UNION ALL SELECT n FROM two", database).split()
    return int(one), int(two)


@contextmanager
def writer(server: Server) -> Iterator[None]:
    """Adds one to two counters in each transaction, until the end."""
    process = subprocess.Popen(
        [server.bin / "mariadb", f"--socket={server.folder}/s", "--unbuffered", *LOGIN, "app"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    ended = threading.Event()

    def write() -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        number = 0
        while not ended.is_set():
            number += 1
            process.stdin.write(
                "BEGIN; UPDATE one SET n = n + 1; "
                f"UPDATE padding SET text = MD5(RAND()) WHERE id = {1 + number % 3000}; "
                "UPDATE two SET n = n + 1; COMMIT; SELECT 1;\n"
            )
            process.stdin.flush()
            process.stdout.readline()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        process.communicate()


def test_no_transaction_is_torn_and_every_dump_restores(stage: Stage) -> None:
    stage.add()
    other = stage.spec("other")
    seen = []
    with writer(stage.server):
        for _ in range(sized(4, short=2)):
            backup = stage.take()
            assert backup.warnings == ()
            job = stage.restore(backup, to=other)
            assert job.state is JobState.SUCCESSFUL, job.error_message
            one, two = counters(stage.server, "other")
            assert one == two
            seen.append(one)
    assert seen == sorted(set(seen))
    assert stage.downloaded(backup).read("_databases/app.sql").endswith(b"-- Dump completed\n")


def test_all_that_a_database_is_made_of_comes_back(stage: Stage) -> None:
    sql(
        stage.server,
        "CREATE TABLE bytes (b blob) ENGINE=InnoDB; INSERT INTO bytes VALUES (x'00ff0a275c');"
        "CREATE VIEW seen AS SELECT COUNT(*) AS c FROM padding;"
        "CREATE TRIGGER counting AFTER INSERT ON padding FOR EACH ROW UPDATE two SET n = n + 1;"
        "CREATE PROCEDURE ask() SELECT 'answer';",
    )
    stage.add()
    first, backup = stage.take(), stage.take()
    assert backup.stored_bytes < first.stored_bytes / 3
    sql(stage.server, "DELETE FROM padding; DROP PROCEDURE ask; UPDATE one SET n = 5; DELETE FROM bytes;")
    job = stage.restore(backup)
    assert job.state is JobState.SUCCESSFUL, job.error_message
    assert '"safety_backup_id":"' in (job.result or "")
    assert sql(stage.server, "SELECT HEX(b) FROM bytes; CALL ask(); SELECT * FROM seen; SELECT n FROM one") == (
        "00FF0A275C\nanswer\n3000\n0\n"
    )
    sql(stage.server, "INSERT INTO padding VALUES (9999, '')")
    assert counters(stage.server) == (0, 1)
    assert sql(stage.server, "SELECT LEFT(text, 7) FROM padding WHERE id = 1") == "Größe 🎲\n"


def test_tables_without_transactions_are_named(stage: Stage) -> None:
    sql(stage.server, "CREATE TABLE old (n int) ENGINE=MyISAM")
    checked = add_database(stage.world.instance, stage.app, stage.spec("app"), SYSTEM)
    assert checked is not None
    assert "old" in checked.notes[0]
    (warning,) = stage.take().warnings
    assert (warning.path, warning.code) == ("_databases/app.sql", "TABLES_WITHOUT_TRANSACTIONS")
    assert "old" in warning.message


def test_the_password_is_nowhere(stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = tmp_path / "said"
    said.mkdir()
    stage.fake("mariadb-dump", RECORD.format(said))
    stage.add()
    stage.take()
    assert "--single-transaction" in (said / "arguments").read_text()
    stage.monkeypatch.setenv(VARIABLE, PASSWORD + "x")
    backup = stage.fail("DATABASE_UNREACHABLE")
    assert "Access denied" in (backup.error_detail or "")
    assert PASSWORD not in caplog.text
    stage.no_trace(said)


@pytest.mark.parametrize("script", ["kill -9 $$", "exit 0", "echo no disk >&2; exit 3"])
@pytest.mark.parametrize("size", [0, 300_000])
def test_a_cut_dump_is_found(stage: Stage, size: int, script: str) -> None:
    stage.add()
    stage.fake("mariadb-dump", VERSION + f'"$REAL" "$@" | head -c {size}; {script}')
    stage.fail("DUMP_FAILED")


def test_a_cancelled_backup_ends_the_tool(stage: Stage, tmp_path: Path) -> None:
    stage.add()
    pid = tmp_path / "pid"
    stage.fake("mariadb-dump", f"{VERSION}echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 600")
    asked, _ = request_backup(stage.world.instance, stage.world.app.id, SYSTEM)
    backup = run_backup(stage.world.instance, asked.id, control=Control(stop_when(pid)))
    assert (backup.state, backup.error_code) == (State.FAILED, "CANCELLED")
    assert ends(int(pid.read_text()))


def test_what_cannot_be_dumped_is_said_at_once(stage: Stage) -> None:
    with pytest.raises(ServiceError, match="Unknown database") as refused:
        stage.add("nosuch")
    assert refused.value.code == "DATABASE_UNREACHABLE"
    sql(stage.server, f"CREATE OR REPLACE USER weak IDENTIFIED BY '{PASSWORD.replace(chr(92), chr(92) * 2)}'")
    dsn = stage.spec("app").dsn.replace("holdfast@", "weak@")
    with pytest.raises(ServiceError, match="weak"):
        check_database(spec_of("mariadb", dsn, password_env=VARIABLE))
    stage.monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ServiceError, match="mariadb-client") as missing:
        stage.add()
    assert missing.value.code == "DATABASE_TOOL_MISSING"
    assert stage.app.settings.databases == ()


def test_a_dump_runs_no_command_here(stage: Stage, tmp_path: Path) -> None:
    stage.add()
    evil = tmp_path / "evil"
    stage.fake("mariadb-dump", f"{VERSION}printf '\\\\! touch {evil}\\n-- Dump completed\\n'")
    backup = stage.take()
    assert stage.downloaded(backup).read("_databases/app.sql").startswith(b"\\! touch")
    job = stage.restore(backup, to=stage.spec("other"))
    assert (job.state, job.error_code) == (JobState.FAILED, "DATABASE_RESTORE_FAILED")
    assert "sandbox" in (job.error_detail or "")
    assert not evil.exists()
