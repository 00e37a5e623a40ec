"""The days: counted as it goes they are as a model has them, and filled by the upgrade as they were counted."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from kit import rows
from kit.older_catalog import call_it
from sqlalchemy import select, text

from holdfast.catalog.backups import trash
from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.gone import delete_row, mark_deleting
from holdfast.catalog.backups.changes.run import fail_backup, finish_backup, start_backup
from holdfast.catalog.backups.damage import DAMAGED, Found, record_findings
from holdfast.catalog.database.access_tables import days
from holdfast.catalog.database.engine import Catalog, open_catalog
from holdfast.catalog.database.tables import apps
from holdfast.catalog.events.days import forget_days, read_days
from holdfast.catalog.jobs.rows import finish_job, insert_job, start_job
from holdfast.catalog.jobs.schedules import raise_overdue
from holdfast.catalog.jobs.work import ask_cancel_backup
from holdfast.catalog.records import IMPORTED, SYSTEM, App, Backup, Day, Job, JobState, Warned
from holdfast.units import HOUR_NS, MINUTE_NS, SECOND_NS

Rows = dict[tuple[str, str], Day]

CHANGES = {
    "Europe/Berlin": "2026-10-23",  # an hour that comes twice
    "America/Sao_Paulo": "2018-11-02",  # a day without a midnight
    "Pacific/Apia": "2011-12-28",  # a zone that left out a day, and has another offset from then on
}
"""Zones, each with a day shortly before its clocks change."""

DIE_WHILE_FILLING = """
import os, signal, sys
from datetime import datetime
from zoneinfo import ZoneInfo
from sqlalchemy import Engine, event
from holdfast.catalog.database.engine import open_catalog

@event.listens_for(Engine, "before_cursor_execute")
def die(connection, cursor, statement, *more):
    if statement == "DROP TABLE day_facts":
        (filled,) = cursor.execute("SELECT count(*) FROM days").fetchone()
        assert filled
        os.kill(os.getpid(), signal.SIGKILL)

open_catalog(sys.argv[1], zone=ZoneInfo(sys.argv[2]))
"""


class History:
    """Things that happen to the applications of a catalog, and the days that they should give."""

    def __init__(self, catalog: Catalog, begins: str, seed: int) -> None:
        self.catalog = catalog
        self.random = random.Random(seed)
        rows.account(catalog)
        self.apps = [rows.app(catalog, name) for name in ("bot", "shop")]
        self.now = int(datetime.fromisoformat(begins).replace(tzinfo=UTC).timestamp()) * SECOND_NS
        self.days: Rows = {}
        self.kept: dict[str, Backup] = {}
        self.trashed: dict[str, Backup] = {}
        self.proved: dict[str, str] = {}
        self.contents: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        """Sizes of the good backups of a day, in the order of their ends."""
        self.number = 0

    def go_on(self, steps: int) -> None:
        """Let some things happen; each kind at least once, when there are enough steps."""
        kinds: list[Callable[[App], None]] = [self.good, self.good, self.good, partial(self.good, origin=IMPORTED)]
        kinds += [
            self.fail,
            self.cancel,
            self.miss,
            self.damage,
            self.prove,
            self.delete,
            self.trash,
            self.trash,
            self.undelete,
            self.empty,
        ]
        for step in range(steps):
            self.now += self.random.randrange(MINUTE_NS, 7 * HOUR_NS, MINUTE_NS)
            app = self.random.choice(self.apps)
            (kinds[step // 3 % len(kinds)] if step % 3 == 0 else self.random.choice(kinds))(app)

    def count(self, app: App, **counts: int) -> None:
        day = str(datetime.fromtimestamp(self.now // SECOND_NS, self.catalog.zone).date())
        stored = sum(one.stored_bytes for one in self.kept.values() if one.app_id == app.id)
        before = self.days.get((app.id, day), Day(day))
        added = {name: getattr(before, name) + value for name, value in counts.items()}
        contents = list(self.contents[app.id, day].values())
        last = {"content_bytes": contents[-1]} if contents else {}
        self.days[app.id, day] = msgspec.structs.replace(before, **added, **last, stored_bytes=stored)

    def good(self, app: App, origin: str = "schedule") -> None:
        made = self._queued(app, origin)
        stored, content = self.random.randrange(10**6), self.random.randrange(10**9)
        assert start_backup(self.catalog, made.id, "main", self.now)
        sizes: dict[str, Any] = {"stored_bytes": stored, "content_bytes": content}
        assert finish_backup(self.catalog, made.id, 0, (), finished_at=self.now, **sizes)
        self.kept[made.id] = msgspec.structs.replace(made, stored_bytes=stored)
        if origin != IMPORTED:
            day = str(datetime.fromtimestamp(self.now // SECOND_NS, self.catalog.zone).date())
            self.contents[app.id, day][made.id] = content
        self.count(app, good=int(origin != IMPORTED), added_bytes=stored)

    def fail(self, app: App) -> None:
        made = self._queued(app)
        assert start_backup(self.catalog, made.id, "main", self.now)
        assert fail_backup(self.catalog, made.id, "STORE_FULL", "It is full.", self.now)
        self.count(app, failed=1)
        if self.random.random() < 0.5:
            self.now += MINUTE_NS
            self._delete(made)

    def cancel(self, app: App) -> None:
        made = self._queued(app)
        if self.random.random() < 0.5:
            assert ask_cancel_backup(self.catalog, made.id, "It was cancelled.", self.now, SYSTEM)
        else:
            assert fail_backup(self.catalog, made.id, "CANCELLED", "It was cancelled.", self.now)
        self.count(app, cancelled=1)

    def miss(self, app: App) -> None:
        with self.catalog.write() as connection:
            due = {"overdue_at": self.now - 1, "overdue_since": None}
            connection.execute(apps.update().where(apps.c.id == app.id).values(due))
        assert raise_overdue(self.catalog, app.id, self.now, lambda app, good, last: {}) is not None
        self.count(app, missed=1)

    def damage(self, app: App) -> None:
        hit = [one for one in self.kept.values() if one.app_id == app.id]
        warning = Warned("a", DAMAGED, f"It was lost at {self.now}.")
        found = [Found(one.id, (msgspec.structs.replace(warning, path=str(self.now)),)) for one in hit]
        record_findings(self.catalog, found, self.now)
        if hit:
            self.count(app, damaged=len(hit))

    def prove(self, app: App) -> None:
        for one in [one for one in self.kept.values() if one.app_id == app.id][-2:]:
            day = str(datetime.fromtimestamp(self.now // SECOND_NS, self.catalog.zone).date())
            is_whole = self.random.random() < 0.8
            self._job(one, is_whole=is_whole)
            if is_whole and self.proved.get(one.id) != day:
                self.proved[one.id] = day
                self.count(app, proved=1)
            self.now += 2 * MINUTE_NS

    def delete(self, app: App) -> None:
        if one := self._one_of(self.kept, app):
            self._delete(one)

    def trash(self, app: App) -> None:
        if one := self._one_of(self.kept, app):
            assert trash.put_into_trash(self.catalog, one.id, self.now, SYSTEM, None)
            self.trashed[one.id] = self.kept.pop(one.id)
            self.count(app)

    def undelete(self, app: App) -> None:
        if one := self._one_of(self.trashed, app):
            assert trash.take_out(self.catalog, one.id, self.now, SYSTEM)
            self.kept[one.id] = self.trashed.pop(one.id)
            self.count(app)

    def empty(self, app: App) -> None:
        if one := self._one_of(self.trashed, app):
            self._delete(one)

    def filled(self) -> Rows:
        """The days as the upgrade can know them: nobody knows the content's size of what was removed for good."""
        filled = dict(self.days)
        for key, contents in self.contents.items():
            known = [size for backup_id, size in contents.items() if backup_id in self.kept | self.trashed]
            filled[key] = msgspec.structs.replace(filled[key], content_bytes=known[-1] if known else 0)
        return filled

    def _queued(self, app: App, origin: str = "schedule") -> Backup:
        self.number += 1
        made = msgspec.structs.replace(rows.backup(app, self.number), origin=origin)
        insert_backup(self.catalog, made, SYSTEM)
        return made

    def _one_of(self, found: dict[str, Backup], app: App) -> Backup | None:
        of_app = [one for one in found.values() if one.app_id == app.id]
        return self.random.choice(of_app) if of_app else None

    def _delete(self, one: Backup) -> None:
        assert mark_deleting(self.catalog, one.id, self.now, SYSTEM)
        delete_row(self.catalog, one.id, self.now)
        was_kept = self.trashed.pop(one.id, None) is None
        self.kept.pop(one.id, None)
        if was_kept:
            self.count(next(app for app in self.apps if app.id == one.app_id))

    def _job(self, one: Backup, *, is_whole: bool) -> None:
        self.number += 1
        ids = (f"p{self.number:031x}", one.account_id, one.app_id, one.id)
        job = Job(*ids, "prove", JobState.QUEUED, "{}", None, None, None, None, False, "main", self.now, None)
        insert_job(self.catalog, job, SYSTEM)
        assert start_job(self.catalog, job.id, self.now)
        if is_whole:
            record_findings(self.catalog, [Found(one.id, (), restore_proved_at=self.now)], self.now)
        result = f'{{"is_whole":{"true" if is_whole else "false"},"files":1}}'
        assert finish_job(self.catalog, job.id, JobState.SUCCESSFUL, self.now + SECOND_NS, result=result)


def counted(catalog: Catalog) -> Rows:
    columns = [days.c[name] for name in Day.__struct_fields__]
    with catalog.read() as connection:
        return {(app_id, v[0]): Day(*v) for app_id, *v in connection.execute(select(days.c.app_id, *columns))}


def make_older(catalog: Catalog) -> None:
    """Take the days away, and the number of the version that filled them."""
    with catalog.write() as connection:
        connection.execute(text("DELETE FROM days"))
        call_it("0016", connection)
    catalog.close()


@pytest.fixture
def history(url: str, request: pytest.FixtureRequest) -> Iterator[History]:
    """What happened in the days around the change of a zone's clocks."""
    name: str = request.param
    catalog = open_catalog(url, create=True, zone=ZoneInfo(name))
    told = History(catalog, CHANGES[name], seed=sum(name.encode()))
    told.go_on(60)
    yield told
    catalog.close()


@pytest.mark.parametrize("history", ["America/Sao_Paulo", "Pacific/Apia"], indirect=True)
def test_days_are_counted_as_they_are_filled(history: History, url: str) -> None:
    assert counted(history.catalog) == history.days
    make_older(history.catalog)
    again = open_catalog(url, zone=history.catalog.zone)
    assert counted(again) == history.filled()
    again.close()


@pytest.mark.parametrize("history", ["Europe/Berlin"], indirect=True)
def test_an_upgrade_that_was_killed_while_it_filled_them_gives_the_same(history: History, url: str) -> None:
    make_older(history.catalog)
    zone = str(history.catalog.zone)
    died = subprocess.run([sys.executable, "-c", DIE_WHILE_FILLING, url, zone], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    again = open_catalog(url, zone=history.catalog.zone)
    assert counted(again) == history.filled()
    again.close()


def test_rows_stay_when_the_time_zone_is_changed(catalog: Catalog, url: str) -> None:
    told = History(catalog, "2026-06-01T20:30:00", seed=1)
    told.good(told.apps[0])
    zone: tzinfo = ZoneInfo("Asia/Tokyo")
    told.catalog = open_catalog(url, zone=zone)
    told.good(told.apps[0])
    told.catalog.close()
    assert [(day.day, day.good) for day in counted(catalog).values()] == [("2026-06-01", 1), ("2026-06-02", 1)]
    assert counted(catalog) == told.days


def test_a_range_is_read_with_the_row_before_it_and_old_rows_go(catalog: Catalog) -> None:
    told = History(catalog, "2026-06-01T12:00:00", seed=2)
    bot, shop = told.apps
    for _ in range(6):
        told.good(bot)
        told.now += int(timedelta(days=1).total_seconds()) * SECOND_NS
    found = read_days(catalog, [bot.id, shop.id], "2026-06-03", "2026-06-04")
    assert [day.day for day in found[bot.id]] == ["2026-06-02", "2026-06-03", "2026-06-04"]
    assert found[shop.id] == []
    assert forget_days(catalog, "2026-06-05") == 4
    assert [day for _, day in counted(catalog)] == ["2026-06-05", "2026-06-06"]
