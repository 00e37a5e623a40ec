"""The doctor: of a healthy instance it finds nothing; what is broken gives the line of its check, and no other."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.backups.changes.gone import mark_deleting
from holdfast.catalog.backups.changes.run import start_backup
from holdfast.catalog.backups.damage import Found, record_findings
from holdfast.catalog.database.tables import deliveries, endpoints
from holdfast.catalog.jobs.heartbeat import store_heartbeat
from holdfast.catalog.jobs.rows import insert_job, start_job
from holdfast.catalog.records import SYSTEM, App, Job, JobState, Warned
from holdfast.schemas.commands import DoctorLine
from holdfast.service.doctor import diagnose, kept, machine
from holdfast.service.doctor.diagnose import CHECKS, FINDINGS_MAX, lines_of
from holdfast.service.doctor.finding import Check, Level, warning
from holdfast.service.instance.disks import Disk
from holdfast.service.instance.home import KEY_VARIABLE, Instance, create_instance, open_instance
from holdfast.service.instance.recovery_sheet import note_key_exported
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.sources.databases.spec import DatabaseSpec
from holdfast.stores.memory import MemoryStore
from holdfast.stores.port import Buffer, StoreFull
from holdfast.units import DAY_NS, SECOND_NS

ROOMY = Disk(1, 10**12, 5 * 10**11, 10**6, 10**7)


@dataclass
class ShiftedClock:
    """The machine's clock, and how much it is wrong."""

    wrong_by_ns: int = 0

    def now_ns(self) -> int:
        return time.time_ns() + self.wrong_by_ns


@dataclass
class Patient:
    """A healthy instance whose server runs, with one application that has a good backup."""

    instance: Instance
    clock: ShiftedClock
    app: App
    folder: Path
    locks: dict[str, int] = field(default_factory=dict)

    def sql(self, statement: str, *values: object) -> None:
        with self.instance.catalog.write() as connection:
            connection.exec_driver_sql(statement, values)

    def configure(self, **changes: object) -> None:
        self.instance.config = msgspec.structs.replace(self.instance.config, **changes)

    def take(self) -> str:
        asked, _ = request_backup(self.instance, self.app.id, SYSTEM)
        return run_backup(self.instance, asked.id).id

    def begin(self, name: str) -> None:
        """Hold a lock as a living process does."""
        self.locks[name] = os.open(self.instance.run / f"{name}.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(self.locks[name], fcntl.LOCK_EX)

    def die(self, name: str) -> None:
        os.close(self.locks.pop(name))

    def lines(self) -> list[DoctorLine]:
        """What is not well."""
        return [line for check in CHECKS for line in lines_of(check, self.instance) if line.level is not Level.OK]


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setattr(machine, "disk_of", lambda path: ROOMY)
    monkeypatch.setattr(resource, "prlimit", lambda pid, what: (4096, 4096))
    clock = ShiftedClock()
    instance = create_instance(tmp_path / "home", time_zone="Europe/Berlin", clock=clock)
    owner = add_account(instance, "ana@example.com", "Silver", SYSTEM).account
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    made = Patient(instance, clock, add_app(instance, owner.id, "bot", folder, SYSTEM), folder)
    note_key_exported(instance, SYSTEM)
    made.take()
    made.begin("serve")
    made.begin("jobs")
    yield made
    for name in list(made.locks):
        made.die(name)
    instance.close()


def test_of_a_healthy_instance_every_check_says_so(patient: Patient) -> None:
    lines = [line for check in CHECKS for line in lines_of(check, patient.instance)]
    assert [line for line in lines if line.level is not Level.OK] == []
    assert [line.check for line in lines] == [check.name for check in CHECKS]
    assert not list(patient.instance.store.list("doctor")), "the probe of the store is still there"


def home_is_open(patient: Patient) -> None:
    patient.instance.home.chmod(0o755)


def key_is_readable(patient: Patient) -> None:
    (patient.instance.home / "master.key").chmod(0o644)


def configuration_is_readable(patient: Patient) -> None:
    (patient.instance.home / "holdfast.toml").chmod(0o640)


def store_elsewhere_is_open(patient: Patient) -> None:
    elsewhere = patient.folder.with_name("elsewhere")
    (patient.instance.home / "store").rename(elsewhere)
    (patient.instance.home / "store").symlink_to(elsewhere)
    elsewhere.chmod(0o755)


def key_was_never_exported(patient: Patient) -> None:
    patient.sql("DELETE FROM facts WHERE name = 'master key exported'")


def plain_http_in_public(patient: Patient) -> None:
    patient.configure(base_url="http://backups.example.org")


def plain_http_for_downloads(patient: Patient) -> None:
    patient.configure(
        base_url="https://api.example.org", backups_url="http://backups.example.org", trusted_proxies=("127.0.0.1",)
    )


def proxy_without_trust(patient: Patient) -> None:
    patient.configure(base_url="https://api.example.org")


def catalog_without_tls(patient: Patient) -> None:
    patient.configure(catalog_url="postgresql://holdfast:secret@db.example.org/holdfast")


def backup_from_the_future(patient: Patient) -> None:
    patient.sql("UPDATE backups SET finished_at = finished_at + ?", DAY_NS)


def disks_clock_is_behind(patient: Patient) -> None:
    patient.clock.wrong_by_ns = 600 * 10**9


def server_is_down(patient: Patient) -> None:
    patient.die("serve")
    patient.die("jobs")


def server_has_died(patient: Patient) -> None:
    (patient.instance.run / "server.json").write_text("{}")
    server_is_down(patient)


def jobs_are_down(patient: Patient) -> None:
    patient.die("jobs")


def jobs_hang(patient: Patient) -> None:
    store_heartbeat(patient.instance.catalog, "main", patient.clock.now_ns() - 480 * SECOND_NS)


def backup_without_process(patient: Patient) -> None:
    asked, _ = request_backup(patient.instance, patient.app.id, SYSTEM)
    start_backup(patient.instance.catalog, asked.id, "main", patient.clock.now_ns())
    (patient.instance.run / f"take-{asked.id}.lock").touch()  # nobody holds it


def job_without_process(patient: Patient) -> None:
    backup = patient.take()
    ids = ("j" * 32, patient.app.account_id, patient.app.id, backup)
    job = Job(*ids, "verify", JobState.QUEUED, "{}", None, None, None, None, False, "main", 0, None)
    insert_job(patient.instance.catalog, job, SYSTEM)
    start_job(patient.instance.catalog, job.id, patient.clock.now_ns())


def deletion_is_unfinished(patient: Patient) -> None:
    first = patient.take()
    patient.take()
    assert mark_deleting(patient.instance.catalog, first, patient.clock.now_ns(), SYSTEM)


def backup_is_damaged(patient: Patient) -> None:
    found = Found(patient.take(), (Warned("a.txt", "DAMAGED", "It is gone."),))
    record_findings(patient.instance.catalog, [found], patient.instance.clock.now_ns())


def packs_wait(patient: Patient) -> None:
    patient.sql("UPDATE packs SET state = 'condemned', condemned_at = ?", patient.clock.now_ns() - 4 * DAY_NS)


def prune_is_late(patient: Patient) -> None:
    patient.sql("UPDATE accounts SET prune_wanted_at = ?", patient.clock.now_ns() - 4 * DAY_NS)


def endpoint(patient: Patient, disabled_at: int | None = None) -> None:
    with patient.instance.catalog.write() as connection:
        connection.execute(
            endpoints.insert().values(
                id="e", account_id=patient.app.account_id, kind="webhook", label="https://hooks.example/…", events="[]",
                url_sealed=b"", secret_sealed=b"", created_at=0, disabled_at=disabled_at,
            )
        )  # fmt: skip


def delivery(patient: Patient, state: str) -> None:
    endpoint(patient)
    with patient.instance.catalog.write() as connection:
        connection.execute(
            deliveries.insert().values(
                id="d", endpoint_id="e", account_id=patient.app.account_id, kind="backup.failed", body="", state=state,
                attempts=1, created_at=patient.clock.now_ns() - DAY_NS // 10, error="it answered 500",
            )
        )  # fmt: skip


def endpoint_is_off(patient: Patient) -> None:
    endpoint(patient, disabled_at=1)


def delivery_failed(patient: Patient) -> None:
    delivery(patient, "failed")


def delivery_waits(patient: Patient) -> None:
    delivery(patient, "pending")


def folder_is_gone(patient: Patient) -> None:
    shutil.rmtree(patient.folder)


def home_is_in_the_folder(patient: Patient) -> None:
    patient.sql("UPDATE apps SET path = ?", str(patient.folder.parent))


def store_is_in_the_folder(patient: Patient) -> None:
    inside = patient.folder / "store"
    (patient.instance.home / "store").rename(inside)
    (patient.instance.home / "store").symlink_to(inside)


def app_is_overdue(patient: Patient) -> None:
    patient.sql("UPDATE apps SET overdue_since = 1")


def app_has_shrunk(patient: Patient) -> None:
    patient.take()
    for path in patient.folder.iterdir():
        path.unlink()
    patient.take()


def app_is_overdue_and_nobody_has_reported_it(patient: Patient) -> None:
    patient.sql("UPDATE apps SET overdue_at = 1")


def newest_backup_failed(patient: Patient) -> None:
    patient.folder.rename(patient.folder.with_name("away"))
    patient.take()
    patient.folder.with_name("away").rename(patient.folder)


def no_backup_at_all(patient: Patient) -> None:
    add_app(patient.instance, patient.app.account_id, "fresh", patient.folder, SYSTEM)


def named_hooks_are_gone(patient: Patient) -> None:
    change_settings(
        patient.instance.catalog, patient.app.id, lambda now: msgspec.structs.replace(now, hooks="game"), 0, SYSTEM, "x"
    )


def named_database_is_gone(patient: Patient) -> None:
    change_settings(
        patient.instance.catalog,
        patient.app.id,
        lambda now: msgspec.structs.replace(now, named_databases=("shop",)),
        0,
        SYSTEM,
        "x",
    )


def root_is_gone(patient: Patient) -> None:
    patient.configure(app_roots=("/none/apps",))


BROKEN: list[tuple[Callable[[Patient], None], str, Level, str]] = [
    (home_is_open, "permissions", Level.PROBLEM, "chmod 700"),
    (key_is_readable, "permissions", Level.PROBLEM, "master.key"),
    (configuration_is_readable, "permissions", Level.PROBLEM, "holdfast.toml"),
    (store_elsewhere_is_open, "permissions", Level.PROBLEM, "elsewhere"),
    (key_was_never_exported, "master key", Level.WARNING, "holdfast key export"),
    (plain_http_in_public, "configuration", Level.WARNING, "base_url is http://backups.example.org"),
    (proxy_without_trust, "configuration", Level.WARNING, "trusted_proxies names none"),
    (plain_http_for_downloads, "configuration", Level.WARNING, "backups_url is http://backups.example.org"),
    (catalog_without_tls, "configuration", Level.WARNING, "sslmode=verify-full"),
    (backup_from_the_future, "clock", Level.PROBLEM, "The clock went back"),
    (disks_clock_is_behind, "clock", Level.WARNING, "behind"),
    (server_is_down, "server", Level.WARNING, "No server runs"),
    (server_has_died, "server", Level.WARNING, "has died"),
    (jobs_are_down, "server", Level.PROBLEM, "without its jobs' process"),
    (jobs_hang, "server", Level.PROBLEM, "has done nothing for 48"),
    (backup_without_process, "under way", Level.PROBLEM, "its process is gone"),
    (job_without_process, "under way", Level.PROBLEM, "The verify jjj"),
    (deletion_is_unfinished, "deletions", Level.WARNING, "being deleted"),
    (backup_is_damaged, "damage", Level.PROBLEM, "holdfast check --read-data"),
    (packs_wait, "packs", Level.WARNING, "holdfast prune"),
    (prune_is_late, "packs", Level.WARNING, "holdfast prune"),
    (endpoint_is_off, "notices", Level.WARNING, "hooks.example"),
    (delivery_failed, "notices", Level.WARNING, "it answered 500"),
    (delivery_waits, "notices", Level.WARNING, "over an hour"),
    (folder_is_gone, "folders", Level.PROBLEM, "is gone"),
    (home_is_in_the_folder, "folders", Level.WARNING, "Holdfast's home lies in the folder"),
    (store_is_in_the_folder, "folders", Level.PROBLEM, "The store"),
    (named_hooks_are_gone, "named", Level.PROBLEM, "hooks game"),
    (named_database_is_gone, "named", Level.PROBLEM, "database shop"),
    (root_is_gone, "named", Level.WARNING, "/none/apps"),
    (app_has_shrunk, "sizes", Level.WARNING, "--accept"),
    (app_is_overdue, "applications", Level.PROBLEM, "overdue"),
    (app_is_overdue_and_nobody_has_reported_it, "applications", Level.PROBLEM, "overdue"),
    (newest_backup_failed, "applications", Level.PROBLEM, "SOURCE_MISSING"),
    (no_backup_at_all, "applications", Level.WARNING, "fresh has no good backup yet"),
]


@pytest.mark.parametrize(("broken", "check", "level", "words"), BROKEN, ids=[one[0].__name__ for one in BROKEN])
def test_what_is_broken_has_its_line_and_nothing_else_has(
    patient: Patient, broken: Callable[[Patient], None], check: str, level: Level, words: str
) -> None:
    broken(patient)
    (line,) = patient.lines()
    assert (line.check, line.level) == (check, level), line
    assert words in line.message + line.command


@pytest.mark.parametrize("ended", ["apps", "accounts"])
def test_nothing_is_said_of_what_the_host_has_ended(patient: Patient, ended: str) -> None:
    newest_backup_failed(patient)
    named_hooks_are_gone(patient)
    folder_is_gone(patient)
    assert len(patient.lines()) == 3
    patient.sql(f"UPDATE {ended} SET ended_at = 1")
    assert patient.lines() == []


def test_a_key_in_the_environment_and_another_in_the_file(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, patient.instance.master_key.hex())
    assert patient.lines() == []
    (patient.instance.home / "master.key").write_text("0" * 64)
    (line,) = patient.lines()
    assert (line.check, line.level) == ("master key", Level.PROBLEM)


def test_run_by_another_user_than_the_homes(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    (line,) = patient.lines()
    assert (line.check, line.level) == ("user", Level.WARNING)
    assert "user 54321" in line.message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_the_key_belongs_to_somebody_else(patient: Patient) -> None:
    os.chown(patient.instance.home / "master.key", 54321, -1)
    (line,) = patient.lines()
    assert (line.check, line.level) == ("user", Level.PROBLEM)


def test_a_clock_that_was_never_set(patient: Patient) -> None:
    patient.sql("DELETE FROM events")
    patient.sql("UPDATE backups SET created_at = 1, finished_at = 2")
    patient.clock.wrong_by_ns = -time.time_ns()
    lines = patient.lines()
    assert {line.check for line in lines} == {"clock"}
    assert "set it" in lines[0].message


@pytest.mark.parametrize(
    ("disk", "level", "words"),
    [
        (Disk(1, 10**12, 10**8, 10, 0), Level.PROBLEM, "Only 100.0 MB of 1.0 TB free"),
        (Disk(1, 10**12, 10**10, 10, 0), Level.WARNING, "Only 10.0 GB"),
        (Disk(1, 10**12, 10**11, 10, 10**7), Level.WARNING, "Only 10 more files"),
    ],
)
def test_a_disk_that_fills_up(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, disk: Disk, level: Level, words: str
) -> None:
    monkeypatch.setattr(machine, "disk_of", lambda path: disk)
    (line,) = patient.lines()
    assert (line.check, line.level) == ("disk space", level)
    assert words in line.message


def test_a_disk_with_less_room_than_the_largest_application(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    patient.sql("UPDATE backups SET content_bytes = ?", 6 * 10**11)
    monkeypatch.setattr(machine, "disk_of", lambda path: ROOMY if "home" in path else None)
    (line,) = patient.lines()
    assert "the largest application has 600.0 GB" in line.message
    monkeypatch.setattr(machine, "disk_of", lambda path: ROOMY if "home" not in path else None)
    (line,) = patient.lines()
    assert "a restore of all of it would not fit" in line.message


def test_a_tool_that_an_application_needs_is_missing(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None if "mariadb" in program else program)
    assert patient.lines() == []
    database = DatabaseSpec(name="shop", kind="mariadb", dsn="mysql://u@h/shop")
    change_settings(
        patient.instance.catalog,
        patient.app.id,
        lambda s: msgspec.structs.replace(s, databases=(database,)),
        0,
        SYSTEM,
        "x.set",
    )
    (line,) = patient.lines()
    assert (line.check, line.level, line.command) == ("tools", Level.PROBLEM, "apt-get install mariadb-client")
    assert "bot" in line.message


def test_too_few_open_files(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "prlimit", lambda pid, what: (256, 512))
    (line,) = patient.lines()
    assert (line.check, line.level, line.command) == ("open files", Level.WARNING, "ulimit -n 1024")
    assert "only 128 connections and 16 downloads at once fit" in line.message


def test_fewer_connections_fit_than_the_settings_say(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "prlimit", lambda pid, what: (512, 1024))
    (line,) = patient.lines()
    assert (line.check, line.level) == ("open files", Level.WARNING)
    assert "384 connections and 48 downloads at once fit, and not 1000 and 100" in line.message


def test_the_limit_of_the_server_that_runs_counts(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    (patient.instance.run / "server.json").write_text('{"pid": 4711}')
    monkeypatch.setattr(resource, "prlimit", lambda pid, what: (512, 9999) if pid == 4711 else (9999, 9999))
    (line,) = patient.lines()
    assert "only 512 files open" in line.message


def test_it_says_how_many_connections_fit(patient: Patient) -> None:
    (line,) = [line for check in CHECKS for line in lines_of(check, patient.instance) if line.check == "open files"]
    assert line.message == "Processes may open enough files: 1000 connections and 100 downloads at once fit."


def test_an_sqlite_that_is_too_old(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    (line,) = patient.lines()
    assert (line.check, line.level) == ("tools", Level.PROBLEM)


def test_a_disk_that_does_not_write_durably(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    (check,) = [one for one in CHECKS if one.name == "durability"]
    (line,) = lines_of(check, patient.instance)
    assert line.level is Level.PROBLEM
    assert "Input/output error" in line.message
    assert not list(patient.instance.run.glob("doctor-*"))


def test_a_folder_that_may_not_be_read(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (line,) = patient.lines()
    assert (line.check, line.level) == ("folders", Level.PROBLEM)


class FullStore(MemoryStore):
    def put(self, name: str, data: Buffer) -> None:
        raise StoreFull("The store's disk is full; free space.")


class LyingStore(MemoryStore):
    def get(self, name: str) -> bytes:
        return b"something else"


@pytest.mark.parametrize(("store", "words"), [(FullStore, "is full"), (LyingStore, "other bytes")])
def test_a_store_that_does_not_do_its_work(patient: Patient, store: type[MemoryStore], words: str) -> None:
    patient.instance.store = store()
    (line,) = [line for line in patient.lines() if line.check != "records"]  # an empty one has no records either
    assert (line.check, line.level) == ("store", Level.PROBLEM)
    assert words in line.message


def test_a_slow_store_and_a_long_log(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "PUT_SECONDS_MAX", -1.0)
    monkeypatch.setattr(kept, "WAL_BYTES_MAX", 0)
    assert [(line.check, line.level) for line in patient.lines()] == [
        ("catalog", Level.WARNING),
        ("store", Level.WARNING),
    ]


def test_a_damaged_catalog(patient: Patient) -> None:
    home = patient.instance.home
    patient.instance.close()
    with closing(sqlite3.connect(home / "catalog.sqlite")) as raw, raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = raw.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_backups_idempotency'"
        (page,) = raw.execute(query).fetchone()
    with open(home / "catalog.sqlite", "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xee" * size)
    with closing(open_instance(home, clock=patient.clock)) as patient.instance:
        (line,) = patient.lines()
    assert (line.check, line.level, line.command) == ("catalog", Level.PROBLEM, "holdfast rebuild")


def test_an_instance_that_does_not_open_has_one_line_that_says_why(patient: Patient, tmp_path: Path) -> None:
    (none,) = diagnose.diagnose(tmp_path / "nothing")
    assert (none.check, none.level) == ("instance", Level.PROBLEM)
    assert "No Holdfast instance exists" in none.message
    (patient.instance.home / "master.key").write_text("0" * 64)
    (wrong,) = diagnose.diagnose(patient.instance.home)
    assert "The master key does not belong to this instance" in wrong.message


def test_a_whole_visit_opens_and_closes_the_instance_itself(patient: Patient) -> None:
    lines = diagnose.diagnose(patient.instance.home)
    assert [line.check for line in lines] == [check.name for check in CHECKS]
    assert json.dumps([line.level for line in lines]).count("ok") == len(CHECKS)


def test_of_very_many_findings_only_the_first_are_told(patient: Patient) -> None:
    many: Any = Check("many", "", lambda _: [warning(f"No. {number}") for number in range(FINDINGS_MAX + 5)])
    lines = lines_of(many, patient.instance)
    assert len(lines) == FINDINGS_MAX + 1
    assert lines[-1].message == "There are 5 more like these."
