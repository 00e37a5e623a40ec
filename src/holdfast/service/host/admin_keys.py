"""Admin keys: keys of the host, with scopes. Made, listed and ended at the shell alone.

What it must never do: tell a missing key from an ended one, or store a key itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network

from msgspec import structs

from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.events.audit import Change
from holdfast.catalog.host import admin_keys as rows
from holdfast.catalog.people.records import AdminKey
from holdfast.catalog.records import Actor, ActorKind, new_id
from holdfast.schemas.host.admin_keys import AdminKey as ShownKey
from holdfast.schemas.host.admin_keys import NewAdminKey
from holdfast.schemas.times import iso, iso_or_none
from holdfast.service.errors import AccessDenied, Conflict, Invalid, NotFound, ScopeMissing
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import is_within
from holdfast.service.registry.keys import (
    ADMIN_KEY_PREFIX,
    START_CHARACTERS,
    is_well_formed,
    key_hash,
    new_api_key,
)
from holdfast.units import HOUR_NS, SECOND_NS

NAME_CHARACTERS_MAX = 191

_log = logging.getLogger(__name__)


class Scope(StrEnum):
    """A part of the host's routes that a key of it opens."""

    ACCOUNTS = "accounts"
    APPS = "apps"
    NODES = "nodes"
    SIGN_IN = "sign_in"
    ACT = "act"
    READ = "read"


@dataclass(frozen=True, slots=True)
class HostCaller:
    """The host, by one of its keys."""

    actor: Actor
    scopes: frozenset[str]
    key_id: str

    def require(self, scopes: Iterable[Scope]) -> None:
        """Raise ScopeMissing unless the key has one of the scopes; the message names the first."""
        wanted = tuple(scopes)
        if self.scopes.isdisjoint(wanted):
            raise ScopeMissing(wanted[0])


def is_admin_key(text: str) -> bool:
    """True if a text claims to be an admin key."""
    return text.startswith(ADMIN_KEY_PREFIX)


def host_of_key(instance: Instance, text: str, address: str) -> HostCaller:
    """Return the host whose key it is. `address`: where the request comes from. Raises AccessDenied."""
    if not is_well_formed(text, ADMIN_KEY_PREFIX):
        raise AccessDenied
    key = rows.admin_key_by_hash(instance.catalog, key_hash(text))
    if key is None or (key.ends_at is not None and key.ends_at <= instance.clock.now_ns()):
        raise AccessDenied
    if key.networks is not None and not is_within(address, key.networks):
        raise AccessDenied
    return HostCaller(Actor(ActorKind.HOST, key.id, key.name, address), frozenset(key.scopes), key.id)


@dataclass(frozen=True, slots=True)
class HostCall:
    """A call of the host. `account_id`: of the account that it acts for; `named`: `accounts` or `apps`, and the
    external id, of a path that names one."""

    method: str
    path: str
    account_id: str | None = None
    named: tuple[str, str] | None = None


def note_call(instance: Instance, caller: HostCaller, call: HostCall) -> None:
    """Enter a call of the host in the audit. A catalog that cannot be written is only logged: the call goes on.

    With the account that its path names, if that was there already.
    """
    now_ns = instance.clock.now_ns()
    try:
        account_id, app_id = call.account_id, None
        if call.named is not None:
            account_id, app_id = rows.ids_of_named(instance.catalog, *call.named)
        data = {"method": call.method, "path": call.path}
        change = Change(caller.actor, "host.called", account_id, app_id, data=data)
        rows.enter_call(instance.catalog, change, caller.key_id, now_ns, now_ns - now_ns % HOUR_NS)
    except CatalogError as error:
        _log.warning(
            "the call %s %s of admin key %s is not in the audit: %s", call.method, call.path, caller.key_id, error
        )


def add_admin_key(
    instance: Instance,
    name: str,
    scopes: Iterable[str],
    by: Actor,
    *,
    networks: Iterable[str] = (),
    expires_in_seconds: int | None = None,
) -> NewAdminKey:
    """Make an admin key, which is shown this once.

    Raises Invalid (NAME, SCOPE, NETWORK, EXPIRES_IN), Conflict (ADMIN_KEY_NAME_TAKEN).
    """
    if not (1 <= len(name) <= NAME_CHARACTERS_MAX and name.isprintable() and name.strip()):
        raise Invalid("name", f"A key's name is 1 to {NAME_CHARACTERS_MAX} printable characters.")
    if expires_in_seconds is not None and expires_in_seconds <= 0:
        raise Invalid("expires_in", "The end of the key must be ahead; give a number of seconds above 0.")
    text, now_ns = new_api_key(ADMIN_KEY_PREFIX), instance.clock.now_ns()
    key = AdminKey(
        id=new_id(now_ns),
        hash=key_hash(text),
        name=name,
        start=text[:START_CHARACTERS],
        scopes=_checked_scopes(scopes),
        networks=_checked_networks(networks),
        created_at=now_ns,
        ends_at=None if expires_in_seconds is None else now_ns + expires_in_seconds * SECOND_NS,
    )
    data = {"id": key.id, "name": name, "scopes": key.scopes, "networks": key.networks, "ends_at": key.ends_at}
    try:
        rows.add_admin_key(instance.catalog, key, Change(by, "admin_key.created", data=data))
    except rows.KeyNameTaken:
        message = f"An admin key named {name} exists already; give another name."
        raise Conflict("ADMIN_KEY_NAME_TAKEN", message) from None
    return NewAdminKey(**structs.asdict(shown_key(instance, key)), key=text)


def _checked_scopes(names: Iterable[str]) -> tuple[str, ...]:
    wanted = set(names)
    for name in sorted(wanted):
        if name not in set(Scope):
            raise Invalid("scope", f"No scope {name!r} exists; the scopes are {', '.join(Scope)}.")
    if not wanted:
        raise Invalid("scope", f"Give at least one scope; the scopes are {', '.join(Scope)}.")
    return tuple(scope.value for scope in Scope if scope in wanted)


def _checked_networks(texts: Iterable[str]) -> tuple[str, ...] | None:
    found = []
    for text in texts:
        try:
            found.append(str(ip_network(text)))
        except ValueError:
            raise Invalid("network", f"{text!r} is not a network; give one like 192.0.2.0/24.") from None
    return tuple(found) or None


def list_admin_keys(instance: Instance) -> list[ShownKey]:
    """Return the admin keys as they are shown, oldest first."""
    return [shown_key(instance, key) for key in rows.all_admin_keys(instance.catalog)]


def end_admin_key(instance: Instance, name_or_id: str, by: Actor) -> str:
    """End an admin key at once; return its id. Raises NotFound."""
    for key in rows.all_admin_keys(instance.catalog):
        if name_or_id in (key.id, key.name):
            change = Change(by, "admin_key.ended", data={"id": key.id, "name": key.name})
            rows.delete_admin_key(instance.catalog, key, change, instance.clock.now_ns())
            return key.id
    raise NotFound(
        "ADMIN_KEY_NOT_FOUND", f"No admin key {name_or_id} exists; `holdfast admin-key list` shows all of them."
    )


def shown_key(instance: Instance, key: AdminKey) -> ShownKey:
    """Return an admin key as it is shown, without its secret."""
    zone = instance.zone
    return ShownKey(
        key.id,
        key.name,
        key.start,
        key.scopes,
        key.networks,
        iso(key.created_at, zone),
        iso_or_none(key.ends_at, zone),
        iso_or_none(key.used_at, zone),
    )
