"""Endpoints: the places where an account is notified about its backups, and the operator about everybody's.

An endpoint is a `webhook` (a signed POST, `webhook.py`) or `apprise` (a message to people, `apprise_sender.py`); its
URL's scheme says which. URL and secret are sealed with the master key; a secret is shown once. A customer's endpoint
may only be reached by HTTPS at public addresses, unless the operator allows more (`notices_allow_private`); the
operator's own may be anywhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from holdfast.catalog.events import deliveries
from holdfast.catalog.events import endpoints as rows
from holdfast.catalog.events.records import MESSAGE_KINDS, Delivery, Endpoint
from holdfast.catalog.records import Actor, EventKind
from holdfast.schemas import webhooks as schemas
from holdfast.schemas.webhooks import LABEL_CHARACTERS_MAX, Webhook, webhook_of
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.notify import apprise_sender, webhook
from holdfast.service.notify.egress import Egress, NotReachable, Resolve, system_resolve
from holdfast.units import DAY_NS

WEBHOOK, APPRISE = "webhook", "apprise"
ENDPOINTS_MAX = 10
"""Of one account, and of the operator."""

OVERLAP_NS = DAY_NS
"""The previous secret signs too for this long."""

DEFAULT_KINDS = tuple(kind for kind in MESSAGE_KINDS if kind is not EventKind.BACKUP_FINISHED)
OPERATOR_KINDS = (
    *(EventKind.BACKUP_FAILED, EventKind.BACKUP_OVERDUE, EventKind.BACKUP_SHRUNK, EventKind.VERIFY_FAILED),
)


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint, and its secret, which is shown this once; None for apprise, which has none."""

    endpoint: Endpoint
    secret: str | None


class _Secret(msgspec.Struct, frozen=True):
    """A signing secret. `until`: when it ends, in nanoseconds; None: it is the present one."""

    text: str
    until: int | None = None


_secrets = msgspec.json.Decoder(tuple[_Secret, ...])


def egress_of(instance: Instance, account_id: str | None, resolve: Resolve = system_resolve) -> Egress:
    """Return the rules for an account's endpoints; with None for the operator's."""
    return Egress(instance.config.notices_allow_private or account_id is None, resolve)


def add_endpoint(
    instance: Instance,
    account_id: str | None,
    url: str,
    by: Actor,
    events: Sequence[str] | None = None,
    label: str | None = None,
    *,
    resolve: Resolve = system_resolve,
) -> NewEndpoint:
    """Make an endpoint of an account, or with None of the operator. Looks its host up; sends nothing.

    Raises Invalid (URL, EVENTS, LABEL), Conflict (TOO_MANY_WEBHOOKS).
    """
    egress = egress_of(instance, account_id, resolve)
    kinds = OPERATOR_KINDS if account_id is None else DEFAULT_KINDS
    wanted = _checked_events(kinds if events is None else events)
    given = None if label is None else _checked_label(label)
    # Before the costly look at the URL; whether there is room is looked at again with the insert.
    if len(rows.endpoints_of(instance.catalog, account_id)) >= ENDPOINTS_MAX:
        raise _too_many()
    is_webhook = url.partition(":")[0].lower() in ("http", "https")
    shown = _checked_webhook(url, egress) if is_webhook else apprise_sender.check_url(url, egress)
    secret = webhook.new_secret() if is_webhook else None
    endpoint_id = secrets.token_hex(16)
    endpoint = Endpoint(
        id=endpoint_id,
        account_id=account_id,
        kind=WEBHOOK if is_webhook else APPRISE,
        label=given or shown[:LABEL_CHARACTERS_MAX],
        url_sealed=instance.master_key.wrap(url.encode(), _url_purpose(endpoint_id)),
        secret_sealed=_sealed(instance, endpoint_id, [] if secret is None else [_Secret(secret)]),
        events=wanted,
        created_at=instance.clock.now_ns(),
        disabled_at=None,
    )
    try:
        rows.insert_endpoint(instance.catalog, endpoint, ENDPOINTS_MAX, by)
    except rows.TooManyEndpoints:
        raise _too_many() from None
    return NewEndpoint(endpoint, secret)


def list_endpoints(instance: Instance, account_id: str | None) -> list[Endpoint]:
    """The endpoints of an account, or with None the operator's; oldest first."""
    return rows.endpoints_of(instance.catalog, account_id)


def get_endpoint(instance: Instance, account_id: str, endpoint_id: str) -> Endpoint:
    """One endpoint of an account. Raises NotFound, also for another account's."""
    endpoint = rows.endpoint_by_id(instance.catalog, endpoint_id)
    if endpoint is None or endpoint.account_id != account_id:
        raise NotFound("WEBHOOK_NOT_FOUND", "No such webhook exists.")
    return endpoint


def find_endpoint(instance: Instance, endpoint_id: str) -> Endpoint:
    """The endpoint an operator means. Raises NotFound."""
    endpoint = rows.endpoint_by_id(instance.catalog, endpoint_id)
    if endpoint is None:
        raise NotFound("WEBHOOK_NOT_FOUND", f"No endpoint {endpoint_id} exists; `holdfast notice list` shows them.")
    return endpoint


def change_endpoint(
    instance: Instance,
    endpoint: Endpoint,
    by: Actor,
    *,
    events: Sequence[str] | None = None,
    label: str | None = None,
    is_enabled: bool | None = None,
) -> Endpoint:
    """Change what is given. Enabling makes nothing arrive that was given up. Raises Invalid."""
    now_ns = instance.clock.now_ns()
    values: dict[str, object] = {}
    if events is not None:
        values["events"] = _checked_events(events)
    if label is not None:
        values["label"] = _checked_label(label)
    if is_enabled is True:
        values["disabled_at"] = None
    if values:
        rows.change_endpoint(instance.catalog, endpoint.id, now_ns, by, **values)
    if is_enabled is False:
        rows.disable_endpoint(instance.catalog, endpoint.id, now_ns, "The endpoint was disabled.", by)
    return find_endpoint(instance, endpoint.id)


def remove_endpoint(instance: Instance, endpoint: Endpoint, by: Actor) -> None:
    """Remove an endpoint, with its log and all that was on its way."""
    rows.delete_endpoint(instance.catalog, endpoint.id, instance.clock.now_ns(), by)


def rotate_secret(instance: Instance, endpoint: Endpoint, by: Actor) -> NewEndpoint:
    """Give a webhook a new secret; for a day the old one signs too. Raises Conflict (NOT_A_WEBHOOK)."""
    if endpoint.kind != WEBHOOK:
        raise Conflict("NOT_A_WEBHOOK", "Only webhooks have a secret; this endpoint is not one.")
    now_ns = instance.clock.now_ns()
    old = next(one for one in _opened(instance, endpoint) if one.until is None)
    fresh = webhook.new_secret()
    sealed = _sealed(instance, endpoint.id, [_Secret(fresh), _Secret(old.text, now_ns + OVERLAP_NS)])
    rows.change_endpoint(instance.catalog, endpoint.id, now_ns, by, secret_sealed=sealed)
    return NewEndpoint(find_endpoint(instance, endpoint.id), fresh)


def url_of(instance: Instance, endpoint: Endpoint) -> str:
    """The URL, for sending only. Raises KeyMismatch."""
    return instance.master_key.unwrap(endpoint.url_sealed, _url_purpose(endpoint.id)).decode()


def secrets_of(instance: Instance, endpoint: Endpoint) -> list[str]:
    """The secrets that sign now, the present one first. Raises KeyMismatch."""
    now_ns = instance.clock.now_ns()
    return [one.text for one in _opened(instance, endpoint) if one.until is None or one.until > now_ns]


def service_of(instance: Instance, endpoint: Endpoint) -> str:
    """Return the name of the service that an endpoint is: `Discord`, `E-mail`. Empty for a webhook.

    Raises KeyMismatch.
    """
    scheme = url_of(instance, endpoint).partition(":")[0]
    return "" if endpoint.kind == WEBHOOK else apprise_sender.SERVICES[scheme].name


def newest_deliveries(instance: Instance, endpoints: Sequence[Endpoint]) -> dict[str, Delivery]:
    """Return what was last sent to each of these endpoints, by the endpoint's id: one query for all."""
    return deliveries.newest_deliveries(instance.catalog, [one.id for one in endpoints])


def shown_endpoints(instance: Instance, endpoints: Sequence[Endpoint]) -> list[Webhook]:
    """Endpoints as they are shown in a list."""
    last = newest_deliveries(instance, endpoints)
    return [webhook_of(one, last.get(one.id), instance.zone) for one in endpoints]


def shown_endpoint(instance: Instance, endpoint: Endpoint) -> Webhook:
    """An endpoint as it is shown: nothing of its URL but what its label says."""
    return shown_endpoints(instance, [endpoint])[0]


def shown_delivery(instance: Instance, delivery: Delivery) -> schemas.Delivery:
    """A delivery as it is shown."""
    return schemas.delivery_of(delivery, instance.zone)


def list_deliveries(instance: Instance, endpoint: Endpoint, limit: int, after: str | None = None) -> list[Delivery]:
    """List what was sent to an endpoint, newest first, behind the delivery with the id `after`."""
    return deliveries.list_deliveries(instance.catalog, endpoint.id, limit, after)


def all_endpoints(instance: Instance) -> list[Endpoint]:
    """The operator's endpoints and those of all accounts."""
    return rows.all_endpoints(instance.catalog)


def _checked_events(events: Sequence[str]) -> tuple[str, ...]:
    known = [str(kind) for kind in MESSAGE_KINDS]
    if not events or any(kind not in known for kind in events):
        raise Invalid("events", f"events must be a list of one or more of {', '.join(known)}.")
    return tuple(kind for kind in known if kind in events)


def _checked_label(label: str) -> str:
    if not label.strip() or len(label) > LABEL_CHARACTERS_MAX or not label.isprintable():
        raise Invalid("label", f"label must be text of 1 to {LABEL_CHARACTERS_MAX} characters.")
    return label


def _checked_webhook(url: str, egress: Egress) -> str:
    target = webhook.parse_url(url, allow_http=egress.allow_private)
    try:
        egress.addresses(target.host, target.port)
    except NotReachable as refused:
        raise Invalid("url", f"url can't be used: {str(refused)[:1].lower()}{str(refused)[1:]}") from None
    return target.shown


def _too_many() -> Conflict:
    return Conflict("TOO_MANY_WEBHOOKS", f"There are {ENDPOINTS_MAX} already, which is the most; delete one first.")


def _url_purpose(endpoint_id: str) -> str:
    return f"endpoint URL:{endpoint_id}"


def _secret_purpose(endpoint_id: str) -> str:
    return f"endpoint secret:{endpoint_id}"


def _sealed(instance: Instance, endpoint_id: str, kept: Sequence[_Secret]) -> bytes:
    return instance.master_key.wrap(msgspec.json.encode(kept), _secret_purpose(endpoint_id))


def _opened(instance: Instance, endpoint: Endpoint) -> tuple[_Secret, ...]:
    return _secrets.decode(instance.master_key.unwrap(endpoint.secret_sealed, _secret_purpose(endpoint.id)))
