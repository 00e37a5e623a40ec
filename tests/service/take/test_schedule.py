"""Schedules: what is due is started once, whatever happens; who has no good backup in time is overdue, once."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

import msgspec
import pytest
from kit.world import World
from msgspec import to_builtins

from holdfast.catalog.backups.found import list_backups
from holdfast.catalog.events.log import events_after
from holdfast.catalog.jobs.schedules import Claimed, DueTimes, due_times, set_times
from holdfast.catalog.records import SYSTEM, Backup, EventKind, Retention, State
from holdfast.service.errors import Invalid
from holdfast.service.integrity import rebuild
from holdfast.service.policy.overdue import raise_overdue
from holdfast.service.preview.schedule import shown_schedule
from holdfast.service.registry import apps
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.service.take.schedule import Schedule, recompute, schedule_of, set_schedule, tick

SECOND = 1_000_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 24 * 3600 * SECOND


def scheduled(world: World, cron: str) -> int:
    """Give the application a schedule; returns when it is due."""
    set_schedule(world.instance, world.app, Schedule(cron), SYSTEM)
    at = times(world).next_run_at
    assert at is not None
    return at


def times(world: World) -> DueTimes:
    return due_times(world.instance.catalog, world.app.id)


def ticked(world: World) -> list[Backup]:
    return [claimed.backup for claimed in tick(world.instance) if claimed.backup is not None]


def overdue_events(world: World) -> list[dict[str, Any]]:
    found = events_after(world.instance.catalog, 0, 1000, app_id=world.app.id)
    return [event.data for event in found if event.kind is EventKind.BACKUP_OVERDUE]


def test_a_due_backup_is_started_and_the_time_moves_on(world: World) -> None:
    at = scheduled(world, "0 3 * * *")
    run = int(datetime.fromisoformat("2024-12-08T03:00+01:00").timestamp()) * SECOND
    assert 0 <= at - run <= 300 * SECOND
    world.clock.ns = at - 1
    assert ticked(world) == []
    world.clock.ns = at
    (backup,) = ticked(world)
    assert (backup.origin, backup.state, backup.app_id) == ("scheduled", State.QUEUED, world.app.id)
    assert times(world).next_run_at == at + DAY
    assert ticked(world) == []
    assert run_backup(world.instance, backup.id).state is State.SUCCESSFUL


def test_missed_times_are_made_up_for_once(world: World) -> None:
    at = scheduled(world, "0 * * * *")
    world.clock.ns = at + 5 * DAY + 10 * MINUTE
    (backup,) = ticked(world)
    run_backup(world.instance, backup.id)
    assert ticked(world) == []
    assert times(world).next_run_at == at + 5 * DAY + HOUR
    assert len(list_backups(world.instance.catalog, world.app.id, None, None)) == 1


def test_a_whole_night_of_ticks_over_the_change_of_clocks(world: World) -> None:
    world.clock.ns = int(datetime.fromisoformat("2025-10-25T12:00+02:00").timestamp()) * SECOND
    scheduled(world, "30 2 * * *")
    started = []
    for _ in range(36 * 6):
        world.clock.ns += 10 * MINUTE
        for backup in ticked(world):
            started.append(datetime.fromtimestamp(backup.created_at // SECOND, world.instance.zone))
            run_backup(world.instance, backup.id)
    assert [f"{at:%m-%d %H %Z}" for at in started] == ["10-26 02 CEST"]
    next_run_at = times(world).next_run_at
    assert next_run_at is not None
    assert f"{datetime.fromtimestamp(next_run_at // SECOND, world.instance.zone):%d %H}" == "27 02"


def test_ticks_at_once_claim_once(world: World) -> None:
    world.clock.ns = scheduled(world, "0 3 * * *")
    claimed: list[Claimed] = []
    gate = threading.Barrier(4)

    def turn() -> None:
        gate.wait()
        claimed.extend(tick(world.instance))

    threads = [threading.Thread(target=turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(list_backups(world.instance.catalog, world.app.id, None, None)) == 1


def test_one_that_is_under_way_leaves_this_time_out(world: World) -> None:
    at = scheduled(world, "0 3 * * *")
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    world.clock.ns = at
    assert ticked(world) == []
    assert times(world).next_run_at == at + DAY
    run_backup(world.instance, asked.id)
    assert ticked(world) == []


def test_another_schedule_is_another_time_and_none_is_none(world: World) -> None:
    at = scheduled(world, "0 3 * * *")
    assert scheduled(world, "0 5 * * *") == at + 2 * HOUR
    set_schedule(world.instance, world.app, Schedule(""), SYSTEM)
    assert times(world) == DueTimes(None, None, None)
    assert to_builtins(apps.shown_app(world.instance, world.app))["next_backup_at"] is None
    world.clock.ns += 2 * DAY
    assert ticked(world) == []


def test_what_is_kept_and_ignored_stands_beside_other_settings(world: World) -> None:
    wanted = Schedule("@daily", Retention(keep_daily=7, keep_within="2d"), ("*.log", "/cache/"))
    app = set_schedule(world.instance, world.app, wanted, SYSTEM)
    assert schedule_of(app) == wanted
    shown = to_builtins(shown_schedule(world.instance, app))
    assert len(shown["next_runs"]) == 5
    assert shown["next_runs"][0] == to_builtins(apps.shown_app(world.instance, app))["next_backup_at"]
    assert shown["time_zone"] == "Europe/Berlin"
    assert shown["ignored"]["total_files"] == 2
    assert shown["notices"] == []
    many = set_schedule(world.instance, app, msgspec.structs.replace(wanted, retention=Retention(keep_last=31)), SYSTEM)
    assert "room for 30" in to_builtins(shown_schedule(world.instance, many))["notices"][0]


def test_refused_schedules_change_nothing(world: World) -> None:
    before = times(world)
    for wanted in (Schedule("31 of February"), Schedule("@daily", ignore=("a\nb",))):
        with pytest.raises(Invalid):
            set_schedule(world.instance, world.app, wanted, SYSTEM)
    assert times(world) == before


def test_a_plan_may_demand_time_between_a_customers_backups(world: World) -> None:
    config = world.instance.config
    plans = {"Silver": msgspec.structs.replace(config.plans["Silver"], schedule_minutes_min=60)}
    world.instance.config = msgspec.structs.replace(config, plans=plans)
    with pytest.raises(Invalid, match="every 60 minutes"):
        set_schedule(world.instance, world.app, Schedule("*/30 * * * *"), SYSTEM, by_customer=True)
    set_schedule(world.instance, world.app, Schedule("0 * * * *"), SYSTEM, by_customer=True)
    set_schedule(world.instance, world.app, Schedule("*/30 * * * *"), SYSTEM)


def test_times_are_set_right_after_a_rebuild_and_another_time_zone(world: World) -> None:
    at = scheduled(world, "0 3 * * *")
    seen = times(world)
    app = apps.get_app(world.instance, world.account.id, world.app.id)
    assert set_times(world.instance.catalog, app, seen, DueTimes(None, None, None))
    rebuild.rebuild(world.instance, SYSTEM)
    assert times(world) == seen
    assert recompute(world.instance, None) == 0
    world.instance.zone = msgspec.structs.replace(world.instance.config, time_zone="Europe/London").zone
    assert recompute(world.instance, "another") == 0
    assert recompute(world.instance, "main") == 1
    assert times(world).next_run_at == at + HOUR
    world.clock.ns += 3 * DAY
    assert recompute(world.instance, None) == 0  # what was missed is made up for, so its time stays
    assert len(ticked(world)) == 1


def test_overdue_is_said_once_and_ended_by_a_good_backup(world: World) -> None:
    at = scheduled(world, "0 3 * * *")
    assert times(world).overdue_at == at + DAY
    good = world.take()
    assert times(world).overdue_at == at + DAY
    world.root.rename(world.root.with_name("away"))
    world.clock.ns = at
    (failing,) = ticked(world)
    assert run_backup(world.instance, failing.id).state is State.FAILED
    assert raise_overdue(world.instance) == []
    world.clock.ns = at + DAY
    assert [app.id for app in raise_overdue(world.instance)] == [world.app.id]
    world.clock.ns += 10 * DAY
    scheduled(world, "0 4 * * *")
    world.clock.ns += 10 * DAY
    assert raise_overdue(world.instance) == []
    (said,) = overdue_events(world)
    assert (
        said["last_good_backup_at"]
        == datetime.fromtimestamp(good.created_at // SECOND, world.instance.zone).isoformat()
    )
    assert said["error"]["code"] == "SOURCE_MISSING"
    assert to_builtins(apps.shown_app(world.instance, world.app))["overdue_since"] is not None
    world.root.with_name("away").rename(world.root)
    world.take()
    assert to_builtins(apps.shown_app(world.instance, world.app))["overdue_since"] is None
    assert (times(world).overdue_at or 0) > world.clock.ns


@pytest.mark.parametrize(
    ("cron", "allowance"),
    [("* * * * *", 10 * MINUTE), ("0 * * * *", HOUR), ("0 3 * * *", DAY), ("0 3 1 * *", DAY)],
)
def test_how_long_after_its_time_an_application_is_overdue(world: World, cron: str, allowance: int) -> None:
    at = scheduled(world, cron)
    assert times(world).overdue_at == at + allowance
    world.clock.ns = at + allowance
    (app,) = raise_overdue(world.instance)
    assert app.id == world.app.id
    assert overdue_events(world)[0]["last_good_backup_at"] is None
