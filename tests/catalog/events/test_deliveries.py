"""Deliveries: entered with their events, claimed by one, given up when nobody takes them."""

from __future__ import annotations

import threading

import msgspec
import pytest
from kit.rows import SECOND, account, app, backup, done

from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.run import fail_backup, finish_backup, start_backup
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import SCHEMA_VERSION
from holdfast.catalog.events import deliveries
from holdfast.catalog.events import endpoints as endpoint_rows
from holdfast.catalog.events.log import enter_event, events_after
from holdfast.catalog.events.records import MESSAGE_KINDS, Delivery, DeliveryState, Endpoint
from holdfast.catalog.records import SYSTEM, App, EventKind

FAILED = EventKind.BACKUP_FAILED


def endpoint(
    catalog: Catalog,
    name: str,
    account_id: str | None = "ana",
    events: tuple[str, ...] = (FAILED,),
    kind: str = "webhook",
) -> Endpoint:
    made = Endpoint(name.ljust(32, "0"), account_id, kind, name, b"url", b"secret", events, 0, None)
    endpoint_rows.insert_endpoint(catalog, made, 10, SYSTEM)
    return made


def event(catalog: Catalog, at: int, kind: EventKind = FAILED, account_id: str = "ana") -> int:
    with catalog.write() as connection:
        return enter_event(connection, kind, account_id, at)


def waiting(catalog: Catalog, of: Endpoint) -> list[Delivery]:
    return [one for one in deliveries.list_deliveries(catalog, of.id, 2000) if one.state is DeliveryState.PENDING]


def claim(catalog: Catalog, now: int, *not_to: str) -> tuple[str, str] | None:
    found = deliveries.claim_next(catalog, now, now + 120 * SECOND, not_to=not_to)
    return None if found is None else (found[0].id, found[1].label)


def test_an_event_goes_to_those_who_want_it(catalog: Catalog) -> None:
    account(catalog)
    account(catalog, "ben")
    failures, finished = endpoint(catalog, "failures"), endpoint(catalog, "finished", events=("backup.finished",))
    others, operator = endpoint(catalog, "others", "ben"), endpoint(catalog, "operator", None)
    disabled = endpoint(catalog, "disabled")
    endpoint_rows.disable_endpoint(catalog, disabled.id, 1, "off", SYSTEM)
    bot = app(catalog)
    made = done(catalog, bot, 1)
    failed = backup(bot, 2)
    insert_backup(catalog, failed, SYSTEM)
    assert fail_backup(catalog, failed.id, "STORE_FULL", "The disk is full.", 8 * SECOND)
    assert not fail_backup(catalog, failed.id, "AGAIN", "It failed already.", 9 * SECOND)
    events = {one.kind: one for one in events_after(catalog, 0, 100)}
    (to_failures,) = waiting(catalog, failures)
    assert (to_failures.event_seq, to_failures.kind) == (events[FAILED].seq, "backup.failed")
    (to_finished,) = waiting(catalog, finished)
    assert to_finished.event_seq == events[EventKind.BACKUP_FINISHED].seq
    assert events[EventKind.BACKUP_FINISHED].backup_id == made.id
    assert [one.account_id for one in waiting(catalog, operator)] == ["ana"]
    assert not waiting(catalog, others)
    assert not waiting(catalog, disabled)
    assert SCHEMA_VERSION >= "0004"


def test_people_are_told_once_of_what_goes_on_failing(catalog: Catalog) -> None:
    account(catalog)
    program, mail, operator = (
        endpoint(catalog, "program"),
        endpoint(catalog, "mail", kind="apprise"),
        endpoint(catalog, "operator", None, kind="apprise"),
    )
    number = 0

    def told(at: int, code: str | None, bot: App, origin: str = "scheduled") -> list[int]:
        nonlocal number
        number += 1
        before = [len(waiting(catalog, to)) for to in (program, mail, operator)]
        made = msgspec.structs.replace(backup(bot, number), origin=origin)
        insert_backup(catalog, made, SYSTEM)
        if code is None:
            assert start_backup(catalog, made.id, "main", at)
            assert finish_backup(catalog, made.id, 0, (), finished_at=at)
        else:
            assert fail_backup(catalog, made.id, code, "It failed.", at)
        return [len(waiting(catalog, to)) - n for to, n in zip((program, mail, operator), before, strict=True)]

    bot, shop = app(catalog, "bot"), app(catalog, "shop")
    minute, hour = 60 * SECOND, 3600 * SECOND
    assert told(1 * minute, "SOURCE_MISSING", bot) == [1, 1, 1]
    assert told(2 * minute, "SOURCE_MISSING", bot) == [1, 0, 0]
    assert told(3 * minute, "SOURCE_MISSING", shop) == [1, 1, 1], "another application"
    assert told(4 * minute, "STORE_FULL", bot) == [1, 1, 1], "another reason"
    assert told(5 * minute, "SOURCE_MISSING", bot) == [1, 0, 0]
    assert told(6 * minute, "SOURCE_MISSING", bot, "manual") == [1, 1, 1], "somebody waits for that one"
    assert told(7 * minute, None, bot) == [0, 0, 0]
    assert told(8 * minute, "SOURCE_MISSING", bot) == [1, 1, 1], "it was good in between"
    assert told(9 * minute + 19 * hour, "SOURCE_MISSING", bot) == [1, 0, 0]
    assert told(9 * minute + 20 * hour, "SOURCE_MISSING", bot) == [1, 1, 1]
    assert told(9 * minute + 10 * hour, "SOURCE_MISSING", bot) == [1, 0, 0], "the clock was set back"


def test_an_event_that_is_undone_leaves_no_delivery(catalog: Catalog) -> None:
    account(catalog)
    to = endpoint(catalog, "one")
    try:
        with catalog.write() as connection:
            enter_event(connection, FAILED, "ana", 1)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert not waiting(catalog, to)


def test_every_kind_that_may_be_chosen_is_sent_and_no_other(catalog: Catalog) -> None:
    account(catalog)
    to = endpoint(catalog, "all", events=tuple(MESSAGE_KINDS))
    for number, kind in enumerate(EventKind):
        event(catalog, number * SECOND, kind)
    assert sorted(one.kind for one in waiting(catalog, to)) == sorted(MESSAGE_KINDS)


def test_a_claimed_delivery_is_nobody_elses_until_the_claim_runs_out(catalog: Catalog) -> None:
    account(catalog)
    endpoint(catalog, "one")
    assert claim(catalog, 10**18) is None
    event(catalog, 5 * SECOND)
    assert claim(catalog, 4 * SECOND) is None
    first = claim(catalog, 5 * SECOND)
    assert first is not None
    assert claim(catalog, 6 * SECOND) is None
    assert claim(catalog, 125 * SECOND) == first
    found = deliveries.delivery_by_id(catalog, first[0])
    assert found is not None
    assert found.attempts == 2


def test_of_many_who_claim_at_once_each_gets_another_one(catalog: Catalog) -> None:
    account(catalog)
    for name in ("a", "b", "c"):
        endpoint(catalog, name)
    event(catalog, SECOND)
    got: list[tuple[str, str] | None] = []
    threads = [threading.Thread(target=lambda: got.append(claim(catalog, SECOND))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claimed = [one for one in got if one is not None]
    assert len(claimed) == len(set(claimed))
    while (one := claim(catalog, SECOND)) is not None:
        claimed.append(one)
    assert sorted(label for _, label in claimed) == ["a", "b", "c"]


def test_fewer_attempts_and_other_endpoints_first(catalog: Catalog) -> None:
    account(catalog)
    account(catalog, "ben")
    bad, good = endpoint(catalog, "bad"), endpoint(catalog, "good", "ben")
    event(catalog, SECOND)
    first = deliveries.claim_next(catalog, SECOND, 2 * SECOND)
    assert first is not None
    event(catalog, 3 * SECOND, account_id="ben")
    assert claim(catalog, 3 * SECOND) == (waiting(catalog, good)[0].id, "good")
    assert claim(catalog, 3 * SECOND, bad.id) is None
    assert deliveries.claim_next(catalog, 3 * SECOND, 9 * SECOND, not_of=["ana"]) is None
    assert claim(catalog, 3 * SECOND) == (first[0].id, "bad")


def test_what_came_of_it_is_entered_by_who_claimed_it_last(catalog: Catalog) -> None:
    account(catalog)
    to = endpoint(catalog, "one")
    event(catalog, SECOND)
    event(catalog, 2 * SECOND)
    early = deliveries.claim_next(catalog, SECOND, 2 * SECOND)
    late = deliveries.claim_next(catalog, 3 * SECOND, 9 * SECOND, not_to=[])
    assert early is not None
    assert late is not None
    again = deliveries.claim_next(catalog, 3 * SECOND, 9 * SECOND)
    assert again is not None
    assert again[0].id == early[0].id
    deliveries.finish_delivery(catalog, early[0], DeliveryState.FAILED, 4 * SECOND, 500, "too late")
    deliveries.postpone_delivery(catalog, again[0], 50 * SECOND, 503, "busy", 20 * SECOND)
    found = {one.id: one for one in deliveries.list_deliveries(catalog, to.id, 10)}
    assert (found[again[0].id].next_at, found[again[0].id].error) == (50 * SECOND, "busy")
    assert found[late[0].id].next_at == 20 * SECOND  # nothing else is sent to it for a while
    deliveries.finish_delivery(catalog, late[0], DeliveryState.DELIVERED, 5 * SECOND, 204, None)
    assert deliveries.has_delivered_since(catalog, to.id, 5 * SECOND)
    assert not deliveries.has_delivered_since(catalog, to.id, 6 * SECOND)
    assert deliveries.forget_deliveries(catalog, 6 * SECOND) == 1
    assert [one.id for one in deliveries.list_deliveries(catalog, to.id, 10)] == [again[0].id]


def test_disabling_gives_up_what_waits_and_removing_takes_all(catalog: Catalog) -> None:
    account(catalog)
    to = endpoint(catalog, "one")
    event(catalog, SECOND)
    endpoint_rows.disable_endpoint(catalog, to.id, 2 * SECOND, "gone", SYSTEM)
    (given_up,) = deliveries.list_deliveries(catalog, to.id, 10)
    assert (given_up.state, given_up.error, given_up.next_at) == (DeliveryState.FAILED, "gone", None)
    endpoint_rows.delete_endpoint(catalog, to.id, 1, SYSTEM)
    assert endpoint_rows.endpoint_by_id(catalog, to.id) is None
    assert deliveries.delivery_by_id(catalog, given_up.id) is None


def test_the_oldest_makes_room_when_too_many_wait(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "PENDING_MAX", 20)
    account(catalog)
    to = endpoint(catalog, "one")
    with catalog.write() as connection:
        for number in range(deliveries.PENDING_MAX + 2):
            enter_event(connection, FAILED, "ana", (number + 1) * SECOND)
    found = waiting(catalog, to)
    assert len(found) == deliveries.PENDING_MAX
    assert found[-1].created_at == 3 * SECOND
    assert deliveries.list_deliveries(catalog, to.id, 2000)[-1].error == deliveries.CROWDED_OUT


def test_only_so_many_endpoints_of_one(catalog: Catalog) -> None:
    account(catalog)
    for owner in ("ana", None):
        for number in range(10):
            endpoint(catalog, f"{owner}{number}", owner)
        try:
            endpoint(catalog, f"{owner}more", owner)
        except endpoint_rows.TooManyEndpoints:
            continue
        raise AssertionError
    assert len(endpoint_rows.all_endpoints(catalog)) == 20
