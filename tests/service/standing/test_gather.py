"""Standings as they come about, and what they cost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from kit.world import World
from sqlalchemy import event

from holdfast.catalog.backups.changes.run import fail_backup, start_backup
from holdfast.catalog.backups.damage import DAMAGED, Found, record_findings
from holdfast.catalog.events.deliveries import claim_next, finish_delivery
from holdfast.catalog.events.log import events_after
from holdfast.catalog.events.records import DeliveryState
from holdfast.catalog.jobs.heartbeat import store_heartbeat
from holdfast.catalog.records import SYSTEM, EventKind, JobState, Warned
from holdfast.schemas.commands import AppStatus
from holdfast.service.doctor.finding import Level
from holdfast.service.doctor.status import app_statuses, level_of
from holdfast.service.errors import LimitReached
from holdfast.service.jobs import lifecycle as jobs
from holdfast.service.jobs.failures import Failure
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.policy.overdue import raise_overdue
from holdfast.service.policy.standing import NODE_AWAY, Kind, Standing, worst
from holdfast.service.registry.accounts import set_plan
from holdfast.service.registry.apps import add_app, list_apps
from holdfast.service.registry.trash import delete_backup
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.standing.gather import standings
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.service.take.schedule import Schedule, set_schedule
from holdfast.units import DAY_NS, HOUR_NS


def now(world: World) -> Standing:
    return standings(world.instance, list_apps(world.instance))[world.app.id]


def kind(world: World) -> Kind:
    return now(world).kind


def status(world: World) -> AppStatus:
    return app_statuses(world.instance, list_apps(world.instance))[0]


def test_the_life_of_an_application(world: World) -> None:
    world.instance.config = msgspec.structs.replace(world.instance.config, overdue_grace_seconds=0)
    assert (kind(world), status(world).level) == (Kind.EMPTY, Level.WARNING)
    first, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert kind(world) is Kind.FIRST_RUNNING
    assert status(world).headline == "The first backup waits for its turn."
    fail_backup(world.instance.catalog, first.id, "CANCELLED", "It was cancelled.", world.clock.ns, is_customers=True)
    assert kind(world) is Kind.EMPTY
    good = world.take()
    assert (kind(world), now(world).since, status(world).level) == (Kind.GOOD, good.created_at, Level.OK)

    set_schedule(world.instance, world.app, Schedule(cron="0 3 * * *"), SYSTEM)
    world.clock.ns += HOUR_NS
    running, _ = request_backup(world.instance, world.app.id, SYSTEM)
    start_backup(world.instance.catalog, running.id, world.app.node, world.clock.ns)
    assert (kind(world), now(world).since) == (Kind.RUNNING, running.created_at)
    fail_backup(world.instance.catalog, running.id, "STORE_FULL", "It is full.", world.clock.ns, detail="All is said.")
    found = now(world)
    assert (found.kind, found.code, found.since, level_of(found)) == (
        Kind.FAILED,
        "STORE_FULL",
        world.clock.ns,
        Level.PROBLEM,
    )
    assert "All is said." in status(world).message

    world.clock.ns += 3 * DAY_NS
    assert (kind(world), now(world).code) == (Kind.OVERDUE, "STORE_FULL")
    raise_overdue(world.instance)
    since = now(world).since
    assert since == world.clock.ns
    again = world.take()
    assert (kind(world), now(world).since) == (Kind.GOOD, again.created_at)


def test_a_silent_node_is_why_an_application_is_overdue(world: World) -> None:
    world.take()
    set_schedule(world.instance, world.app, Schedule(cron="0 3 * * *"), SYSTEM)
    seen = world.clock.ns
    store_heartbeat(world.instance.catalog, world.app.node, seen)
    world.clock.ns += 3 * DAY_NS
    found = now(world)
    assert (found.kind, found.code, found.facts.node_silent_since) == (Kind.OVERDUE, NODE_AWAY, seen)


def test_who_was_told_that_it_is_overdue(world: World) -> None:
    world.take()
    set_schedule(world.instance, world.app, Schedule(cron="0 3 * * *"), SYSTEM)
    for account_id in (world.account.id, None):
        add_endpoint(world.instance, account_id, "https://1.1.1.1/hook", SYSTEM, ["backup.overdue"])
    told: list[int | None] = []
    for _ in range(2):  # what was told of an earlier time counts no more
        world.clock.ns += 3 * DAY_NS
        raise_overdue(world.instance)
        assert (now(world).facts.notified_at, now(world).facts.operator_notified_at) == (None, None)
        catalog = world.instance.catalog
        while (claimed := claim_next(catalog, world.clock.ns, world.clock.ns + 10 * DAY_NS)) is not None:
            world.clock.ns += HOUR_NS
            finish_delivery(catalog, claimed[0], DeliveryState.DELIVERED, world.clock.ns, 200, None)
            told.append(world.clock.ns)
        facts = now(world).facts
        assert {facts.notified_at, facts.operator_notified_at} == set(told[-2:])
        assert "The operator was told:" in status(world).message
        world.take()
        assert now(world).facts.notified_at is None


def test_a_failure_that_its_customer_brought_about_is_no_problem_of_the_operator(world: World) -> None:
    world.take()
    world.clock.ns += HOUR_NS
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM)
    why = "SOURCE_TOO_LARGE", "It is too large."
    fail_backup(world.instance.catalog, backup.id, *why, world.clock.ns, is_customers=True)
    assert (kind(world), status(world).level) == (Kind.FAILED, Level.WARNING)


def test_damage_and_a_proof(world: World) -> None:
    first = world.take()
    world.clock.ns += HOUR_NS
    world.take()
    record_findings(world.instance.catalog, [Found(first.id, (), restore_proved_at=world.clock.ns)], world.clock.ns)
    assert (kind(world), now(world).since) == (Kind.PROVED, world.clock.ns)
    record_findings(world.instance.catalog, [Found(first.id, (Warned("a", DAMAGED, "It is lost."),))], world.clock.ns)
    found = now(world)
    assert (found.kind, found.code, found.since) == (Kind.DAMAGED, DAMAGED, world.clock.ns)
    assert status(world).headline == "An older backup is damaged."
    reported = [e for e in events_after(world.instance.catalog, 0, 100) if e.kind is EventKind.VERIFY_FAILED]
    assert [e.at for e in reported] == [found.since]


def test_a_restore_and_its_failure(world: World) -> None:
    backup = world.take()
    job = request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    assert (kind(world), now(world).since) == (Kind.RESTORING, job.created_at)
    world.clock.ns += HOUR_NS
    jobs.fail(world.instance, job.id, Failure("TARGET_FULL", "The disk is full.", "/srv is full."))
    found = now(world)
    assert (found.kind, found.code, found.since) == (Kind.RESTORE_FAILED, "TARGET_FULL", world.clock.ns)
    world.clock.ns += DAY_NS
    assert kind(world) is Kind.GOOD
    again = request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    jobs.fail(world.instance, again.id, Failure("CANCELLED", "It was cancelled."), JobState.CANCELLED)
    assert kind(world) is Kind.GOOD


def _limited(world: World, **limits: int) -> None:
    config = world.instance.config
    silver = msgspec.structs.replace(config.plans["Silver"], **limits)
    world.instance.config = msgspec.structs.replace(config, plans={**config.plans, "Silver": silver})


@pytest.mark.parametrize(
    ("limits", "code", "ends_in"),
    [
        ({"storage_bytes": 1}, "STORAGE_LIMIT_REACHED", None),
        ({"backups_per_app": 1}, "BACKUPS_LIMIT_REACHED", None),
        ({"backups_per_day": 1}, "DAILY_BACKUPS_LIMIT_REACHED", DAY_NS),
        ({"backups_per_app": 2, "backups_per_day": 2}, None, None),
    ],
)
def test_a_limit_that_refuses_a_backup_by_hand(
    world: World, limits: dict[str, int], code: str | None, ends_in: int | None
) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM, is_limited=True)
    run_backup(world.instance, asked.id)
    _limited(world, **limits)
    found = now(world)
    assert (found.kind, found.code) == (Kind.GOOD if code is None else Kind.OVER_LIMIT, code)
    limit = found.facts.limit
    assert (limit and limit.ends_at) == (None if ends_in is None else asked.created_at + ends_in)
    with pytest.raises(LimitReached) as refused:
        request_backup(world.instance, world.app.id, SYSTEM, is_limited=True)
    assert refused.value.code == (code or "KEEP_CALM")


def test_a_plan_without_backups(world: World) -> None:
    set_plan(world.instance, world.account.id, "Bronze", SYSTEM)
    assert (kind(world), now(world).code) == (Kind.PLAN_TOO_LOW, "UPGRADE_REQUIRED")


def test_the_worst_application_is_first(world: World) -> None:
    world.take()
    add_app(world.instance, world.account.id, "fresh", world.root, SYSTEM)
    apps = list_apps(world.instance)
    assert [one.app for one in app_statuses(world.instance, apps)] == ["fresh", "bot"]
    found = worst(standings(world.instance, apps).values())
    assert found is not None
    assert found.kind is Kind.EMPTY
    assert worst([]) is None


def test_many_applications_take_as_many_queries_as_few(world: World) -> None:
    world.take()
    statements: list[str] = []

    def seen(_c: Any, _cursor: Any, text: str, _p: Any, _context: Any, _many: bool) -> None:
        statements.append(text)

    event.listen(world.instance.catalog.engine, "before_cursor_execute", seen)
    counts = []
    for number in range(2):
        apps = list_apps(world.instance)
        statements.clear()
        assert len(standings(world.instance, apps)) == len(apps)
        counts.append(len(statements))
        for more in range(20):
            add_app(world.instance, world.account.id, f"app {number} {more}", world.root, SYSTEM)
    assert counts[0] == counts[1] <= 20


def test_a_backup_that_was_deleted_is_not_good_any_more(world: World) -> None:
    delete_backup(world.instance, world.take(), SYSTEM)
    assert kind(world) is Kind.EMPTY
