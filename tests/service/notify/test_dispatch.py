"""Delivering: signed notices arrive, are tried again, and end somewhere; nothing holds up others or leaks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.links import key_of
from kit.receiver import Receiver, receiving
from kit.world import World
from msgspec import to_builtins

from holdfast.catalog.backups.changes.run import fail_backup
from holdfast.catalog.database.tables import accounts, apps, backups
from holdfast.catalog.events.deliveries import claim_next, list_deliveries
from holdfast.catalog.events.records import Delivery, DeliveryState
from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import Conflict, Invalid, LimitReached, NotFound
from holdfast.service.notify import dispatch
from holdfast.service.notify.dispatch import CLAIM_NS, RETRY_SECONDS, deliver_due, forget_old, send_test
from holdfast.service.notify.endpoints import (
    NewEndpoint,
    add_endpoint,
    change_endpoint,
    find_endpoint,
    list_endpoints,
    rotate_secret,
    shown_endpoint,
)
from holdfast.service.registry.accounts import add_account
from holdfast.service.take.request import request_backup
from holdfast.vault.control import Control

SECOND = 1_000_000_000


@pytest.fixture
def open_world(world: World) -> World:
    """A world whose operator lets notices go to private addresses."""
    world.instance.config = msgspec.structs.replace(world.instance.config, notices_allow_private=True)
    return world


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def told(world: World, receiver: Receiver, *events: str) -> NewEndpoint:
    return add_endpoint(world.instance, world.account.id, receiver.url, SYSTEM, events or None)


def fail(world: World, message: str = "The disk is full.") -> str:
    """A backup that fails; returns its id."""
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert fail_backup(world.instance.catalog, backup.id, "STORE_FULL", message, world.clock.ns)
    return backup.id


def log_of(world: World, made: NewEndpoint) -> list[Delivery]:
    return list_deliveries(world.instance.catalog, made.endpoint.id, 100)


def go(world: World) -> int:
    return deliver_due(world.instance, chance=lambda: 0.0)


def test_a_finished_backup_is_told(open_world: World, receiver: Receiver) -> None:
    made = told(open_world, receiver, "backup.finished")
    backup = open_world.take("first")
    assert go(open_world) == 1
    (got,) = receiver.received
    assert made.secret is not None
    assert got.is_signed_with(made.secret)
    assert got.headers["webhook-id"] == f"msg_{log_of(open_world, made)[0].id}"
    assert got.json["type"] == "backup.finished"
    assert got.json["timestamp"] == "2024-12-07T22:07:11+01:00"
    data = got.json["data"]
    assert (data["app"], data["app_id"], data["backup_id"]) == ("bot", open_world.app.id, backup.id)
    assert data["backup"]["size"] == backup.zip_bytes
    assert data["message"].startswith("bot: backup finished. The backup “first” was finished at 2024-12-07 22:07 CET")
    assert data["link"].endswith(f"/apps/{open_world.app.id}/backups/{backup.id}")
    assert key_of(open_world.instance, backup) not in got.body.decode()
    assert log_of(open_world, made)[0].state is DeliveryState.DELIVERED
    assert go(open_world) == 0


def test_a_failed_backup_is_told_with_its_reason_and_the_last_good_one(open_world: World, receiver: Receiver) -> None:
    told(open_world, receiver)
    open_world.take("good")
    open_world.clock.ns += 3600 * SECOND
    fail(open_world)
    assert go(open_world) == 1
    data = receiver.received[0].json["data"]
    assert data["error"] == {"code": "STORE_FULL", "message": "The disk is full."}
    assert data["last_good_backup_at"] == "2024-12-07T22:07:11+01:00"
    assert data["backup"]["state"] == "failed"


def test_what_is_not_taken_is_tried_again_for_three_days_and_then_given_up(
    open_world: World, receiver: Receiver
) -> None:
    made = told(open_world, receiver)
    fail(open_world)
    receiver.answers = [(500, {})] * 20
    for seconds in RETRY_SECONDS:
        assert go(open_world) == 1
        (waits,) = log_of(open_world, made)
        assert (waits.state, waits.status) == (DeliveryState.PENDING, 500)
        assert waits.error == "The receiver answered with the status 500."
        open_world.clock.ns += seconds * SECOND - 1
        assert go(open_world) == 0
        open_world.clock.ns += 1
    assert go(open_world) == 1
    assert len({got.headers["webhook-id"] for got in receiver.received}) == 1
    assert len({got.body for got in receiver.received}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.received}) == 10
    (given_up,) = log_of(open_world, made)
    assert (given_up.state, given_up.attempts) == (DeliveryState.FAILED, 10)
    # Nothing arrived in all that time, so nothing more is sent.
    shown = to_builtins(shown_endpoint(open_world.instance, find_endpoint(open_world.instance, made.endpoint.id)))
    assert shown["disabled_at"] is not None
    fail(open_world)
    assert go(open_world) == 0
    enabled = change_endpoint(open_world.instance, made.endpoint, SYSTEM, is_enabled=True)
    assert enabled.disabled_at is None
    receiver.answers.clear()
    fail(open_world)
    assert go(open_world) == 1
    assert log_of(open_world, made)[0].state is DeliveryState.DELIVERED


def test_an_endpoint_that_takes_others_stays_enabled(open_world: World, receiver: Receiver) -> None:
    made = told(open_world, receiver)
    fail(open_world)
    receiver.answers = [(400, {})] * 9
    for seconds in RETRY_SECONDS:
        go(open_world)
        open_world.clock.ns += seconds * SECOND
    fail(open_world)
    receiver.answers = [(200, {}), (400, {})]  # the newer one first: it has fewer attempts
    assert go(open_world) == 2
    assert [one.state for one in log_of(open_world, made)] == [DeliveryState.DELIVERED, DeliveryState.FAILED]
    assert find_endpoint(open_world.instance, made.endpoint.id).disabled_at is None


def test_after_a_failure_the_others_wait_too(open_world: World, receiver: Receiver) -> None:
    told(open_world, receiver)
    for _ in range(3):
        fail(open_world)
        open_world.clock.ns += SECOND
    receiver.answers = [(500, {})]
    assert go(open_world) == 1
    open_world.clock.ns += 5 * SECOND
    assert go(open_world) == 3
    assert len(receiver.received) == 4


def test_retry_after_is_heeded(open_world: World, receiver: Receiver) -> None:
    told(open_world, receiver)
    fail(open_world)
    receiver.answers = [(429, {"Retry-After": "3600"})]
    assert go(open_world) == 1
    open_world.clock.ns += 3599 * SECOND
    assert go(open_world) == 0
    open_world.clock.ns += SECOND
    assert go(open_world) == 1


def test_gone_disables_at_once(open_world: World, receiver: Receiver) -> None:
    made = told(open_world, receiver)
    fail(open_world)
    fail(open_world)
    receiver.answers = [(410, {})]
    assert go(open_world) == 1
    assert find_endpoint(open_world.instance, made.endpoint.id).disabled_at == open_world.clock.ns
    assert {one.state for one in log_of(open_world, made)} == {DeliveryState.FAILED}
    assert go(open_world) == 0
    with pytest.raises(Conflict, match="disabled"):
        send_test(open_world.instance, find_endpoint(open_world.instance, made.endpoint.id), SYSTEM)


def test_what_a_dead_process_had_claimed_comes_again(open_world: World, receiver: Receiver) -> None:
    told(open_world, receiver)
    fail(open_world)
    now = open_world.clock.ns
    assert claim_next(open_world.instance.catalog, now, now + CLAIM_NS) is not None  # and it died here
    assert go(open_world) == 0
    open_world.clock.ns += CLAIM_NS
    assert go(open_world) == 1
    assert len(receiver.received) == 1


def test_a_slow_receiver_holds_up_no_other(open_world: World, receiver: Receiver) -> None:
    go_on, others_came = threading.Event(), threading.Event()
    with receiving() as slow:
        slow.before = lambda: go_on.wait(20)
        told(open_world, slow)
        told(open_world, receiver)

        def count() -> None:
            if len(receiver.received) == 3:
                others_came.set()

        receiver.before = count
        for _ in range(3):
            fail(open_world)
        thread = threading.Thread(target=go, args=(open_world,))
        thread.start()
        assert others_came.wait(10)
        assert len(slow.received) == 1
        go_on.set()
        thread.join()
    assert len(slow.received) == 3


def test_one_account_does_not_take_all_places(open_world: World, receiver: Receiver) -> None:
    go_on, came = threading.Event(), threading.Semaphore(0)

    def hold() -> None:
        came.release()
        go_on.wait(20)

    receiver.before = hold
    for _ in range(5):
        told(open_world, receiver)
    fail(open_world)
    thread = threading.Thread(target=go, args=(open_world,))
    thread.start()
    assert came.acquire(timeout=10)
    assert came.acquire(timeout=10)
    assert not came.acquire(timeout=0.2)
    go_on.set()
    thread.join()
    assert len(receiver.received) == 5


def test_it_stops_when_told_to(open_world: World, receiver: Receiver) -> None:
    told(open_world, receiver)
    fail(open_world)
    assert deliver_due(open_world.instance, Control(lambda: True)) == 0


def test_a_name_that_turned_private_is_refused_at_every_attempt(world: World, receiver: Receiver) -> None:
    url = f"https://hooks.example.org:{receiver.port}/x"
    made = add_endpoint(world.instance, world.account.id, url, SYSTEM, resolve=lambda host, port: ["93.184.215.14"])
    fail(world)
    assert deliver_due(world.instance, resolve=lambda host, port: ["127.0.0.1"]) == 1
    assert "private or reserved" in (log_of(world, made)[0].error or "")
    assert not receiver.received


def test_private_addresses_and_plain_http_need_the_operators_leave(world: World, receiver: Receiver) -> None:
    for url in (
        receiver.url,
        "https://127.0.0.1/x",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "json://x.org",
    ):
        with pytest.raises(Invalid):
            add_endpoint(world.instance, world.account.id, url, SYSTEM)
    assert not list_endpoints(world.instance, world.account.id)
    # The operator's own endpoints are the operator's business.
    assert add_endpoint(world.instance, None, receiver.url, SYSTEM).endpoint.events == (
        *("backup.failed", "backup.overdue", "backup.shrunk", "verify.failed"),
    )


def test_the_operator_is_told_of_all_accounts(open_world: World, receiver: Receiver) -> None:
    made = add_endpoint(open_world.instance, None, receiver.url, SYSTEM)
    fail(open_world)
    assert go(open_world) == 1
    assert f"Account: ana@\u200bexample.com ({open_world.account.id})" in receiver.received[0].json["data"]["message"]
    open_world.clock.ns += SECOND
    assert send_test(open_world.instance, made.endpoint, SYSTEM).state is DeliveryState.DELIVERED


def test_the_operators_webhook_has_the_hosts_own_ids(open_world: World, receiver: Receiver) -> None:
    add_endpoint(open_world.instance, None, receiver.url, SYSTEM)
    told(open_world, receiver, "backup.failed")
    with open_world.instance.catalog.write() as connection:
        connection.execute(accounts.update().values(external_id="cust/1"))
        connection.execute(apps.update().values(external_id="srv-1"))
    failed = fail(open_world)
    with open_world.instance.catalog.write() as connection:
        connection.execute(backups.update().where(backups.c.id == failed).values(reference="job 7"))
    go(open_world)
    names = ("account_external_id", "app_external_id", "reference")
    found = [[one.json["data"].get(name, "-") for name in names] for one in receiver.received]
    assert sorted(found) == [["-", "-", "-"], ["cust/1", "srv-1", "job 7"]], "a customer is told none of it"


def test_a_test_says_what_came_back_and_is_throttled(open_world: World, receiver: Receiver) -> None:
    made = told(open_world, receiver)
    sent = send_test(open_world.instance, made.endpoint, SYSTEM)
    assert (sent.kind, sent.state, sent.status) == ("webhook.test", DeliveryState.DELIVERED, 200)
    assert receiver.received[0].json["type"] == "webhook.test"
    assert made.secret is not None
    assert receiver.received[0].is_signed_with(made.secret)
    with pytest.raises(LimitReached, match="wait 10 s") as caught:
        send_test(open_world.instance, made.endpoint, SYSTEM)
    assert caught.value.code == "KEEP_CALM"
    open_world.clock.ns += 10 * SECOND
    receiver.answers = [(404, {})]
    sent = send_test(open_world.instance, made.endpoint, SYSTEM)
    assert (sent.state, sent.status) == (DeliveryState.FAILED, 404)
    open_world.clock.ns += 3600 * SECOND
    assert go(open_world) == 0  # a test is tried once


def test_a_new_secret_and_for_a_day_the_old_one(open_world: World, receiver: Receiver) -> None:
    made = told(open_world, receiver)
    fresh = rotate_secret(open_world.instance, made.endpoint, SYSTEM)
    assert made.secret is not None
    assert fresh.secret is not None
    assert fresh.secret != made.secret
    send_test(open_world.instance, fresh.endpoint, SYSTEM)
    open_world.clock.ns += 24 * 3600 * SECOND
    send_test(open_world.instance, fresh.endpoint, SYSTEM)
    first, second = receiver.received
    assert first.is_signed_with(made.secret)
    assert first.is_signed_with(fresh.secret)
    assert second.is_signed_with(fresh.secret)
    assert not second.is_signed_with(made.secret)


def test_people_are_told_in_words(open_world: World, receiver: Receiver) -> None:
    made = add_endpoint(open_world.instance, open_world.account.id, f"ntfy://localhost:{receiver.port}/mine", SYSTEM)
    assert (made.endpoint.kind, made.secret, made.endpoint.label) == ("apprise", None, "ntfy (localhost)")
    fail(open_world)
    assert go(open_world) == 1
    told_of = receiver.received[0].json
    assert told_of["title"] == "bot: backup failed"
    assert told_of["message"].splitlines()[0].endswith("The disk is full.")
    assert f"/apps/{open_world.app.id}/backups/" in told_of["message"].splitlines()[-1]
    with pytest.raises(Conflict, match="Only webhooks"):
        rotate_secret(open_world.instance, made.endpoint, SYSTEM)


def test_what_it_was_about_is_gone(open_world: World, receiver: Receiver) -> None:
    made = told(open_world, receiver)
    fail(open_world)
    with open_world.instance.catalog.write() as connection:
        connection.exec_driver_sql("DELETE FROM events")
    assert go(open_world) == 1
    assert log_of(open_world, made)[0].error == "What it was about is not known any more."
    open_world.clock.ns += dispatch.KEPT_NS + 1
    assert forget_old(open_world.instance) == 1


def test_secrets_are_in_no_file_no_log_and_no_answer(
    open_world: World, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = told(open_world, receiver)
    fail(open_world)
    receiver.answers = [(410, {})]
    go(open_world)
    assert made.secret is not None
    secrets = ("s3cret", made.secret.removeprefix("whsec_"))
    shown = (
        repr(to_builtins(shown_endpoint(open_world.instance, made.endpoint)))
        + repr(log_of(open_world, made))
        + caplog.text
    )
    assert "was disabled" in caplog.text
    assert not any(secret in shown for secret in secrets)
    for path in (tmp_path / "home").glob("catalog.sqlite*"):
        data = path.read_bytes()
        assert not any(secret.encode() in data for secret in secrets)


def test_of_an_account_there_are_so_many(open_world: World, receiver: Receiver) -> None:
    for _ in range(10):
        told(open_world, receiver)
    with pytest.raises(Conflict) as caught:
        told(open_world, receiver)
    assert caught.value.code == "TOO_MANY_WEBHOOKS"
    other = add_account(open_world.instance, "ben@example.com", "Silver", SYSTEM)
    assert (
        add_endpoint(open_world.instance, other.account.id, receiver.url, SYSTEM, label="Ben's").endpoint.label
        == "Ben's"
    )


def test_what_may_be_said_of_an_endpoint(open_world: World, receiver: Receiver) -> None:
    made = told(open_world, receiver).endpoint
    assert made.events == (
        *("backup.failed", "backup.overdue", "backup.shrunk", "backup.expired", "backup.unlocked"),
        *("restore.finished", "verify.failed", "storage.nearly_full"),
    )
    changed = change_endpoint(
        open_world.instance, made, SYSTEM, events=["verify.failed", "backup.failed", "backup.failed"], label="Pager"
    )
    assert (changed.events, changed.label) == (("backup.failed", "verify.failed"), "Pager")
    refused: tuple[dict[str, Any], ...] = (
        {"events": []},
        {"events": ["backup.queued"]},
        {"label": " "},
        {"label": "a\nb"},
        {"label": "x" * 101},
    )
    for wrong in refused:
        with pytest.raises(Invalid):
            change_endpoint(open_world.instance, made, SYSTEM, **wrong)
    with pytest.raises(NotFound):
        find_endpoint(open_world.instance, "0" * 32)
