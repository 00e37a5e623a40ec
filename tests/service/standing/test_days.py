"""The days of an application, as a calendar of them is drawn."""

from __future__ import annotations

from datetime import date, timedelta

from kit.world import World

from holdfast.catalog.records import SYSTEM, Day
from holdfast.service.registry.trash import delete_backup
from holdfast.service.standing.days import days_of, forget_old, shown_days, today
from holdfast.units import DAY_NS


def test_days_without_anything_have_the_sizes_of_before(world: World) -> None:
    instance, app_id = world.instance, world.app.id
    begin = today(instance)
    first = world.take()
    world.clock.ns += 2 * DAY_NS
    delete_backup(instance, first, SYSTEM)
    world.clock.ns += 2 * DAY_NS
    added, content = first.stored_bytes, first.content_bytes
    assert added
    assert content
    found = days_of(instance, [app_id, "none"], begin - timedelta(1), begin + timedelta(4))
    assert [(day.good, day.added_bytes) for day in found[app_id]] == [(0, 0), (1, added)] + [(0, 0)] * 4
    assert [day.content_bytes for day in found[app_id]] == [0] + [content] * 5
    assert [day.stored_bytes for day in found[app_id]] == [0, added, added, 0, 0, 0]
    assert found["none"] == [Day(str(begin + timedelta(days))) for days in range(-1, 5)]

    last_two = shown_days(instance, app_id, 2)
    assert [(day.day, day.content_size, day.stored_size) for day in last_two] == [
        (str(begin + timedelta(days)), content, 0) for days in (3, 4)
    ]


def test_days_go_after_400(world: World) -> None:
    world.take()
    began: date = today(world.instance)
    world.clock.ns += 400 * DAY_NS
    assert forget_old(world.instance) == 0
    world.clock.ns += DAY_NS
    assert forget_old(world.instance) == 1
    assert not any(day.good for day in days_of(world.instance, [world.app.id], began, began)[world.app.id])
