"""A folder that was emptied, or whose disk is gone, has retention delete none of the backups of what was there."""

from __future__ import annotations

import os
import shutil
from typing import Any

import msgspec
import pytest
from kit.world import World

from holdfast.catalog.accounts.apps import app_by_id, change_settings
from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.run import finish_backup, start_backup
from holdfast.catalog.backups.outdated import mark_outdated
from holdfast.catalog.events.log import events_after
from holdfast.catalog.records import SYSTEM, App, Backup, Retention, State
from holdfast.service.policy.retention import is_shrunk
from holdfast.service.registry.account_record import read_record
from holdfast.service.registry.backups import list_backups
from holdfast.service.retention.retain import accept_size, retain_app
from holdfast.service.take.request import queued_backup, request_backup
from holdfast.service.take.run import run_backup
from holdfast.units import DAY_NS, HOUR_NS


def scheduled(world: World, origin: str = "scheduled") -> Backup:
    """One backup more, an hour later, and retention behind it."""
    world.clock.ns += HOUR_NS
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM, origin=origin)
    done = run_backup(world.instance, backup.id)
    assert done.state is State.SUCCESSFUL, done.error_message
    return done


def current(world: World) -> App:
    app = app_by_id(world.instance.catalog, world.app.id)
    assert app is not None
    return app


def fill(world: World, files: int, size: int = 1000) -> None:
    """The folder with exactly this many files of this size."""
    shutil.rmtree(world.root)
    world.root.mkdir()
    for number in range(files):
        (world.root / f"{number}").write_bytes(os.urandom(size))


def keep_last(world: World, count: int) -> None:
    def change(settings: Any) -> Any:
        return msgspec.structs.replace(settings, retention=Retention(keep_last=count))

    change_settings(world.instance.catalog, world.app.id, change, 0, SYSTEM, "x.set")


def ids(world: World) -> list[str]:
    return [backup.id for backup in list_backups(world.instance, world.app.id)]


def shrunk_events(world: World) -> list[dict[str, Any]]:
    found = events_after(world.instance.catalog, 0, 1000)
    return [event.data for event in found if event.kind == "backup.shrunk"]


@pytest.mark.parametrize(("files", "size"), [(0, 0), (4, 1000), (10, 400)], ids=["emptied", "files", "bytes"])
def test_retention_rests_once_an_application_has_shrunk(world: World, files: int, size: int) -> None:
    keep_last(world, 2)
    fill(world, 10)
    made = [scheduled(world) for _ in range(2)]
    fill(world, files, size)
    hollow = [scheduled(world) for _ in range(4)]
    assert retain_app(world.instance, current(world), SYSTEM).gone == []
    assert ids(world) == [backup.id for backup in (*made, *hollow)]
    assert len(shrunk_events(world)) == 1, "it is told once"


def test_what_shrank_is_told_with_its_sizes(world: World) -> None:
    fill(world, 10)
    scheduled(world)
    fill(world, 2, 500)
    shrunk = scheduled(world)
    assert shrunk_events(world) == [
        {
            "name": shrunk.name,
            "origin": "scheduled",
            "files": 2,
            "size": 1000,
            "files_before": 10,
            "size_before": 10_000,
        }
    ]
    kept = current(world).settings.shrunk
    assert kept is not None
    assert kept.backup_id == shrunk.id


@pytest.mark.parametrize(("files", "size"), [(5, 1000), (10, 500), (20, 2000)], ids=["half", "half-bytes", "more"])
def test_half_of_it_is_nothing_to_tell(world: World, files: int, size: int) -> None:
    keep_last(world, 1)
    fill(world, 10)
    scheduled(world)
    fill(world, files, size)
    last = scheduled(world)
    retain_app(world.instance, current(world), SYSTEM)
    assert ids(world) == [last.id]
    assert shrunk_events(world) == []


def test_a_person_who_accepts_the_size_ends_the_rest(world: World) -> None:
    keep_last(world, 1)
    fill(world, 10)
    scheduled(world)
    fill(world, 1)
    last = [scheduled(world) for _ in range(2)][-1]
    assert retain_app(world.instance, current(world), SYSTEM).gone == []
    app = accept_size(world.instance, current(world), SYSTEM)
    assert app.settings.shrunk is None
    retain_app(world.instance, app, SYSTEM)
    assert ids(world) == [last.id]
    scheduled(world)
    assert current(world).settings.shrunk is None, "the same size again is nothing new"


def test_the_rest_survives_a_rebuild_of_the_catalog(world: World) -> None:
    fill(world, 10)
    scheduled(world)
    fill(world, 1)
    scheduled(world)
    assert read_record(world.instance, world.account.id).apps[0].settings.shrunk == current(world).settings.shrunk


def test_the_plans_storage_alone_takes_from_what_came_since_and_never_from_before(world: World) -> None:
    config = world.instance.config
    plan = msgspec.structs.replace(config.plans["Silver"], storage_bytes=1, backups_per_app=1, keep_days_max=1)
    world.instance.config = msgspec.structs.replace(config, plans={**config.plans, "Silver": plan})
    fill(world, 10)
    before = [scheduled(world) for _ in range(2)]
    since = []
    for _ in range(3):
        fill(world, 1)
        since.append(scheduled(world))
    world.clock.ns += 2 * DAY_NS
    retain_app(world.instance, current(world), SYSTEM)
    assert ids(world) == [*(b.id for b in before), since[-1].id]


def test_one_that_was_to_go_stays_when_its_application_has_shrunk_meanwhile(world: World) -> None:
    fill(world, 10)
    first, second = scheduled(world), scheduled(world)
    fill(world, 1)
    scheduled(world)
    assert not mark_outdated(world.instance.catalog, first.id, world.clock.ns, SYSTEM, "rules")
    assert not mark_outdated(world.instance.catalog, second.id, world.clock.ns, SYSTEM, "rules")


def test_an_import_says_nothing_of_the_folder(world: World) -> None:
    fill(world, 10)
    first = scheduled(world)
    imported = queued_backup(current(world), "tiny", "imported", False, world.clock.ns)
    insert_backup(world.instance.catalog, imported, SYSTEM)
    assert start_backup(world.instance.catalog, imported.id, "main", world.clock.ns)
    order = (first.commit_seq or 0) + 1
    assert finish_backup(
        world.instance.catalog,
        imported.id,
        0,
        [],
        finished_at=world.clock.ns,
        is_shrunk=is_shrunk,
        files=1,
        commit_seq=order,
    )
    assert shrunk_events(world) == []
