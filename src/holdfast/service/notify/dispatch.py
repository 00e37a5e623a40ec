"""Deliver: send what is due, retry what was not accepted, and disable endpoints that accept nothing.

Each delivery is claimed in the catalog before it is sent (`catalog.events.log.deliveries.claim_next`), so that several
nodes may do this at once, and deliveries that a dead process had claimed are sent again. A receiver may therefore get a
delivery twice, with the same id and the same body.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import msgspec

from holdfast.catalog.events import deliveries as rows
from holdfast.catalog.events.endpoints import disable_endpoint
from holdfast.catalog.events.records import Delivery, DeliveryState, Endpoint
from holdfast.catalog.records import SYSTEM, Actor, new_id
from holdfast.schemas.times import iso
from holdfast.service.errors import Conflict, Invalid, LimitReached
from holdfast.service.instance.home import Instance
from holdfast.service.notify import apprise_sender, webhook
from holdfast.service.notify.egress import Resolve, system_resolve
from holdfast.service.notify.endpoints import WEBHOOK, egress_of, secrets_of, url_of
from holdfast.service.notify.messages import TEST_KIND, Message, body_of
from holdfast.service.notify.webhook import Outcome
from holdfast.units import DAY_NS, SECOND_NS
from holdfast.vault.control import NEVER, Control

RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each failed attempt, as the Standard Webhooks specification has it; the last is 76 hours after the first."""

RETRY_AFTER_SECONDS_MAX = 86_400
JITTER = 0.1
PAUSE_SECONDS_MAX = 300
"""At most this long do the other messages of an endpoint wait after one that was refused."""

CLAIM_NS = 120 * SECOND_NS
"""Longer than any attempt takes."""

AT_ONCE_MAX = 8
OF_AN_ACCOUNT_AT_ONCE_MAX = 2
WAIT_SECONDS = 1.0
TEST_EVERY_NS = 10 * SECOND_NS
KEPT_NS = 30 * DAY_NS
GONE = 410

_log = logging.getLogger(__name__)
_CUT_OFF = "The test was interrupted; request another one."


def deliver_due(
    instance: Instance,
    control: Control = NEVER,
    *,
    resolve: Resolve = system_resolve,
    chance: Callable[[], float] = random.random,
) -> int:
    """Send all that is due, a few at once, so that a slow receiver holds up no others; return how many were tried.

    A cancel leaves what is being sent to its claim: it is sent again should the receiver not have taken it.
    """
    busy: dict[str, str | None] = {}  # endpoint -> account
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    tried = 0

    def send(delivery: Delivery, endpoint: Endpoint) -> None:
        try:
            attempt(instance, delivery, endpoint, resolve=resolve, chance=chance)
        except Exception:  # whatever it is: the claim runs out, and it is tried again
            if not control.is_cancelled():
                _log.exception("delivery %s could not be tried", delivery.id)
        finally:
            ended.put(endpoint.id)

    while not control.is_cancelled():
        found = _next(instance, busy) if len(busy) < AT_ONCE_MAX else None
        if found is not None:
            delivery, endpoint = found
            busy[endpoint.id] = endpoint.account_id
            tried += 1
            threading.Thread(target=send, args=found, name=f"delivery-{delivery.id}", daemon=True).start()
        elif not busy:
            break
        else:
            with suppress(queue.Empty):
                del busy[ended.get(timeout=WAIT_SECONDS)]
    return tried


def _next(instance: Instance, busy: dict[str, str | None]) -> tuple[Delivery, Endpoint] | None:
    counts = Counter(account for account in busy.values() if account is not None)
    full = [account for account, count in counts.items() if count >= OF_AN_ACCOUNT_AT_ONCE_MAX]
    now_ns = instance.clock.now_ns()
    return rows.claim_next(instance.catalog, now_ns, now_ns + CLAIM_NS, not_to=list(busy), not_of=full)


def attempt(
    instance: Instance,
    delivery: Delivery,
    endpoint: Endpoint,
    *,
    resolve: Resolve = system_resolve,
    chance: Callable[[], float] = random.random,
) -> Outcome | None:
    """Try a claimed delivery once and record the outcome; None when there was nothing to send.

    Raises KeyMismatch, CatalogError.
    """
    if endpoint.disabled_at is not None:
        _end(instance, delivery, DeliveryState.FAILED, None, "The endpoint is disabled.")
        return None
    body = delivery.body or body_of(instance, delivery, endpoint)
    if body is None or delivery.attempts > len(RETRY_SECONDS) + 1:
        what = "What it was about is not known any more." if body is None else "It was tried too often."
        _end(instance, delivery, DeliveryState.FAILED, None, what)
        return None
    if not delivery.body:
        rows.set_body(instance.catalog, delivery.id, body)
    outcome = _send(instance, delivery, endpoint, body, resolve)
    _settle(instance, delivery, endpoint, outcome, chance)
    return outcome


def send_test(instance: Instance, endpoint: Endpoint, by: Actor, *, resolve: Resolve = system_resolve) -> Delivery:
    """Send a `webhook.test` now, once, and return the outcome.

    Raises Conflict (WEBHOOK_DISABLED), LimitReached (KEEP_CALM) when the account had a test just now.
    """
    if endpoint.disabled_at is not None:
        raise Conflict("WEBHOOK_DISABLED", "The webhook is disabled; enable it first.")
    now_ns = instance.clock.now_ns()
    newest = rows.newest_of_kind(instance.catalog, endpoint.account_id, TEST_KIND)
    if newest is not None and endpoint.account_id is not None and 0 <= now_ns - newest < TEST_EVERY_NS:
        wait = -(-(TEST_EVERY_NS - (now_ns - newest)) // SECOND_NS)
        raise LimitReached("KEEP_CALM", f"A test was sent just now; wait {wait} s.", wait)
    delivery = Delivery(
        id=new_id(now_ns),
        endpoint_id=endpoint.id,
        account_id=endpoint.account_id,
        event_seq=None,
        kind=TEST_KIND,
        body="",
        state=DeliveryState.FAILED,  # until it is known better: a test that is cut off is not tried again
        attempts=1,
        next_at=None,
        created_at=now_ns,
        finished_at=now_ns,
        status=None,
        error=_CUT_OFF,
    )
    body = body_of(instance, delivery, endpoint)
    assert body is not None
    delivery = msgspec.structs.replace(delivery, body=body)
    rows.insert_delivery(instance.catalog, delivery, by)
    outcome = _send(instance, delivery, endpoint, body, resolve)
    state = DeliveryState.DELIVERED if outcome.error is None else DeliveryState.FAILED
    _end(instance, delivery, state, outcome.status, outcome.error)
    return rows.delivery_by_id(instance.catalog, delivery.id) or delivery


def forget_old(instance: Instance) -> int:
    """Remove deliveries that ended a month ago; returns how many."""
    return rows.forget_deliveries(instance.catalog, instance.clock.now_ns() - KEPT_NS)


def _send(instance: Instance, delivery: Delivery, endpoint: Endpoint, body: str, resolve: Resolve) -> Outcome:
    egress = egress_of(instance, endpoint.account_id, resolve)
    url = url_of(instance, endpoint)
    if endpoint.kind != WEBHOOK:
        message = msgspec.json.decode(body, type=Message)
        return apprise_sender.send(url, message.title, message.text, message.urgency, egress=egress)
    try:
        target = webhook.parse_url(url, allow_http=egress.allow_private)
    except Invalid as error:  # the operator allows less than at its making
        return Outcome(None, error.message)
    return webhook.post(
        target,
        f"msg_{delivery.id}",
        body.encode(),
        secrets_of(instance, endpoint),
        now_ns=instance.clock.now_ns(),
        egress=egress,
    )


def _settle(
    instance: Instance, delivery: Delivery, endpoint: Endpoint, outcome: Outcome, chance: Callable[[], float]
) -> None:
    """Record the outcome of an attempt: delivered, tried again later, or given up."""
    now_ns = instance.clock.now_ns()
    if outcome.error is None:
        _end(instance, delivery, DeliveryState.DELIVERED, outcome.status, None)
        return
    if outcome.status == GONE:
        why = "The receiver answered that it is gone (410); the endpoint was disabled."
        _end(instance, delivery, DeliveryState.FAILED, outcome.status, why)
        _disable(instance, endpoint, why)
        return
    if delivery.attempts <= len(RETRY_SECONDS):
        seconds = RETRY_SECONDS[delivery.attempts - 1] * (1 + JITTER * chance())
        seconds = max(seconds, min(outcome.retry_after, RETRY_AFTER_SECONDS_MAX))
        pause = min(seconds, PAUSE_SECONDS_MAX)
        rows.postpone_delivery(
            instance.catalog,
            delivery,
            now_ns + int(seconds * SECOND_NS),
            outcome.status,
            outcome.error,
            now_ns + int(pause * SECOND_NS),
        )
        return
    _end(instance, delivery, DeliveryState.FAILED, outcome.status, outcome.error)
    if rows.has_delivered_since(instance.catalog, endpoint.id, delivery.created_at):
        return
    since = iso(delivery.created_at, instance.zone)
    if endpoint.account_id is None:
        _log.error(
            "nothing has arrived at the operator's endpoint %s (%s) since %s", endpoint.id, endpoint.label, since
        )
    else:
        _disable(instance, endpoint, f"Nothing has arrived since {since}; the endpoint was disabled.")


def _disable(instance: Instance, endpoint: Endpoint, why: str) -> None:
    disable_endpoint(instance.catalog, endpoint.id, instance.clock.now_ns(), why, SYSTEM)
    _log.warning("endpoint %s (%s) was disabled: %s", endpoint.id, endpoint.label, why)


def _end(instance: Instance, delivery: Delivery, state: DeliveryState, status: int | None, error: str | None) -> None:
    rows.finish_delivery(instance.catalog, delivery, state, instance.clock.now_ns(), status, error)
