"""An application in each state that its page can show, made of real backups with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from holdfast.catalog.backups.changes.run import record_progress, start_backup
from holdfast.catalog.backups.damage import DAMAGED, Found, record_findings
from holdfast.catalog.jobs.rows import record_job_progress, start_job
from holdfast.catalog.records import SYSTEM, Account, App, Backup, Warned
from holdfast.service.jobs import lifecycle as jobs
from holdfast.service.jobs.failures import Failure
from holdfast.service.policy.overdue import raise_overdue
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import set_lock, set_note
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import take_now
from holdfast.service.take.schedule import Schedule, recompute, set_schedule
from holdfast.units import DAY_NS, HOUR_NS, MINUTE_NS
from holdfast.vault.control import Progress
from kit.site import Site
from kit.world import FakeClock

NOW = 1_795_784_520_000_000_000
"""Friday 27 November 2026, 14:02 in Berlin."""

DAYS = 12
NIGHTLY = Schedule(cron="0 3 * * *")
_HALF = Progress(8_912, 157_000_000, 23_481, 412_000_000)


@dataclass(frozen=True)
class Seen:
    """A page that somebody of an account sees."""

    account: Account
    path: str


class States:
    """The applications, by the names of their states."""

    def __init__(self, site: Site, clock: FakeClock, folder: Path) -> None:
        self.pages: dict[str, Seen] = {}
        self.apps: dict[str, App] = {}
        self.jobs: dict[str, str] = {}
        """The ids of restores: one that runs, one that failed."""
        self.taken: list[Backup] = []
        """The scheduled backups of the application that has a history."""
        self._site = site
        self._clock = clock
        self._folder = folder
        clock.ns = NOW - DAYS * DAY_NS
        for state, make in self._makers().items():
            app = site.app if state == "proved" else self.add(state)
            make(app)
            self.pages[state] = Seen(site.silver.account, f"/apps/{app.id}")
        self._of_plans()
        recompute(site.instance, None)

    def _makers(self) -> dict[str, Callable[[App], object]]:
        """The quick ones come last: they all end at the same time."""
        return {
            "proved": self._proved,
            "overdue": self._overdue,
            "good": self._take,
            "empty": lambda app: set_schedule(self._site.instance, app, NIGHTLY, SYSTEM),
            "first-running": self._first_running,
            "running": self._running,
            "failed": self._failed,
            "warnings": self._warnings,
            "restoring": self._restoring,
            "restore-failed": self._restore_failed,
            "damaged": self._damaged,  # last: what a later backup finds whole heals it
        }

    def add(self, name: str) -> App:
        """A new application with one file."""
        root = self._folder / name
        root.mkdir()
        (root / "config.json").write_text('{"language": "pt-BR"}\n')
        self.apps[name] = add_app(self._site.instance, self._site.silver.account.id, name, root, SYSTEM)
        return self.apps[name]

    def _take(self, app: App, name: str | None = None, origin: str = "manual") -> Backup:
        done = take_now(self._site.instance, app.id, SYSTEM, name=name, origin=origin)
        assert done.state == "successful", done.error_message
        self._clock.ns += MINUTE_NS
        return done

    def _proved(self, app: App) -> None:
        """A history: backups of each night, one by hand with a lock and a note, one that failed."""
        site, clock = self._site, self._clock
        set_schedule(site.instance, app, NIGHTLY, SYSTEM)
        data = Path(app.path)
        for day in range(DAYS):
            clock.ns = NOW - (DAYS - day) * DAY_NS + 13 * HOUR_NS - 2 * MINUTE_NS
            (data / f"day{day}.log").write_bytes(bytes(range(day, day + 50)) * 3000)
            if day == 7:
                data.rename(data.with_suffix(".away"))
                take_now(site.instance, app.id, SYSTEM, origin="scheduled")
                data.with_suffix(".away").rename(data)
            done = self._take(app, origin="scheduled")
            self.taken.append(done)
            if day in (4, DAYS - 2):
                self._found(done)
        kept = self._take(app, "before the big update")
        set_lock(site.instance, kept, SYSTEM, is_locked=True)
        set_note(site.instance, kept, "The last one with the old database.", SYSTEM)
        clock.ns = NOW - 11 * HOUR_NS
        self.taken.append(self._take(app, origin="scheduled"))
        self._found(self.taken[-1])
        clock.ns = NOW
        self.pages["backup"] = Seen(site.silver.account, f"/apps/{app.id}/backups/{kept.id}")
        for schedule in (Schedule(), NIGHTLY):  # no schedule ran meanwhile: the next run is that of tonight
            set_schedule(site.instance, app, schedule, SYSTEM)

    def _found(self, backup: Backup, *damage: Warned) -> None:
        proved_at = None if damage else self._clock.ns
        found = Found(backup.id, tuple(damage), restore_proved_at=proved_at)
        record_findings(self._site.instance.catalog, [found], self._clock.ns)

    def _overdue(self, app: App) -> None:
        self._clock.ns = NOW - 3 * DAY_NS
        set_schedule(self._site.instance, app, NIGHTLY, SYSTEM)
        self._take(app)
        self._clock.ns = NOW - MINUTE_NS
        assert app.id in {one.id for one in raise_overdue(self._site.instance)}
        self._clock.ns = NOW

    def _running(self, app: App) -> None:
        self._take(app)
        self._first_running(app)

    def _first_running(self, app: App) -> None:
        catalog = self._site.instance.catalog
        backup, _ = request_backup(self._site.instance, app.id, SYSTEM)
        start_backup(catalog, backup.id, app.node, self._clock.ns)
        record_progress(catalog, backup.id, _HALF)

    def _failed(self, app: App) -> None:
        self._take(app, origin="scheduled")
        root = Path(app.path)
        root.rename(root.with_suffix(".away"))
        done = take_now(self._site.instance, app.id, SYSTEM, origin="scheduled")
        assert done.state == "failed"
        root.with_suffix(".away").rename(root)
        self.pages["failed-backup"] = Seen(self._site.silver.account, f"/apps/{app.id}/backups/{done.id}")

    def _warnings(self, app: App) -> None:
        """SQLite says that a database is damaged: its file is backed up as it is."""
        (Path(app.path) / "data.sqlite").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
        assert self._take(app).warnings

    def _damaged(self, app: App) -> None:
        first = self._take(app)
        self._take(app)
        self._found(first, Warned("config.json", DAMAGED, "Its content cannot be read any more."))
        self.pages["damaged-backup"] = Seen(self._site.silver.account, f"/apps/{app.id}/backups/{first.id}")

    def _restoring(self, app: App) -> None:
        instance = self._site.instance
        job = request_restore(instance, self._take(app), app, Wanted(), SYSTEM)
        self.jobs["running"] = job.id
        start_job(instance.catalog, job.id, self._clock.ns)
        record_job_progress(instance.catalog, job.id, _HALF)

    def _restore_failed(self, app: App) -> None:
        instance = self._site.instance
        job = request_restore(instance, self._take(app), app, Wanted(), SYSTEM)
        self.jobs["failed"] = job.id
        jobs.fail(instance, job.id, Failure("TARGET_FULL", "The disk of the application is full.", "/srv is full."))

    def _of_plans(self) -> None:
        """A plan whose room is used up, and one without backups."""
        site = self._site
        self._take(site.other_app)
        plans = dict(site.instance.config.plans)
        plans["Titanium"] = msgspec.structs.replace(plans["Titanium"], backups_per_app=1)
        site.instance.config = msgspec.structs.replace(site.instance.config, plans=plans)
        self.pages["over-limit"] = Seen(site.other.account, f"/apps/{site.other_app.id}")
        bronze = add_app(site.instance, site.bronze.account.id, "bot", site.folder, SYSTEM)
        self.pages["plan-too-low"] = Seen(site.bronze.account, f"/apps/{bronze.id}")
        self.pages["home"] = Seen(site.silver.account, "/")
        self.pages["account"] = Seen(site.silver.account, "/account")
