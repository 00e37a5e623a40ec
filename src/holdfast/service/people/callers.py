"""Callers: whoever makes a request, found by his key with one query, and what he may do.

It must never tell a missing key from an ended one, or let a key do more than the person who made it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.people.keys import note_key_used, texts
from holdfast.catalog.people.records import Preferences
from holdfast.catalog.prepared_queries import KeyRow
from holdfast.catalog.records import Account, Actor, ActorKind
from holdfast.service.errors import AccessDenied, AccountSuspended, PermissionDenied, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.people.rights import CHANGING, Grant, Right, stored_grant
from holdfast.service.registry.keys import is_well_formed, key_hash
from holdfast.units import HOUR_NS

_log = logging.getLogger(__name__)

NO_RIGHTS = Grant(frozenset())
DEFAULTS = Preferences()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: for which account, as whom, with which rights.

    `person_id`: the person whose rights bound his; None for one who is bound by nobody's. `key_id`, `session_id`: of
    his key or his session.
    """

    account: Account
    actor: Actor
    grant: Grant
    person_id: str | None = None
    key_id: str | None = None
    unnoted_hour: int | None = None
    """The hour (nanoseconds) that is to be recorded as the key's last use; None when it is recorded."""
    session_id: str | None = None
    unnoted_until: int | None = None
    """The end of the session (nanoseconds) that is to be recorded with this use; None when it need not be."""
    elevated_until: int | None = None
    """Until then (nanoseconds) the session may do what needs its person's password; None when it may not."""
    preferences: Preferences = DEFAULTS
    """Of the pages that he is shown."""
    erase_at: int | None = None
    """When the account is erased (nanoseconds), as a session knows it; None for never."""

    is_view_only: bool = False
    """True: an operator looks at the account as its people do, and may see alone."""

    @property
    def language(self) -> str | None:
        """The language that the person chose; None: as the browser asks."""
        return self.preferences.language

    @property
    def may_download(self) -> bool:
        """True if the caller may have the keys of downloads of what he sees."""
        return Right.BACKUPS_DOWNLOAD in self.grant.rights

    def require(self, right: Right, app_id: str | None = None) -> None:
        """Raise NotFound (APP_NOT_FOUND) without any right on the application, PermissionDenied without this one.

        Raise AccountSuspended for a right to change something, but for the host's own calls.
        """
        if app_id is not None and not self.grant.sees(app_id):
            raise app_not_found()
        if not self.grant.allows(right, app_id):
            raise PermissionDenied(right)
        if not self.may(right, app_id):
            raise AccountSuspended

    def may(self, right: Right, app_id: str | None = None) -> bool:
        """True if `require` would not raise."""
        is_bound = self.account.is_suspended and self.actor.kind is not ActorKind.HOST
        return self.grant.allows(right, app_id) and not (is_bound and right in CHANGING)


def caller_of_key(instance: Instance, api_key: str, address: str) -> Caller:
    """Return whose key it is. `address`: where the request comes from. Raises AccessDenied."""
    if not is_well_formed(api_key):
        raise AccessDenied
    found = instance.prepared.key_by_hash(key_hash(api_key))
    if found is None:
        raise AccessDenied
    account, key = found
    now_ns = instance.clock.now_ns()
    if key.ends_at is not None and key.ends_at <= now_ns:
        raise AccessDenied
    if key.networks is not None and not is_within(address, texts(key.networks) or ()):
        raise AccessDenied
    if account.ended_at is not None:
        raise AccessDenied
    hour = now_ns - now_ns % HOUR_NS
    return Caller(
        account,
        Actor(ActorKind.KEY, key.id, key.name, address),
        _grant(key),
        key.person_id,
        key.id,
        hour if key.used_at is None or key.used_at < hour else None,
    )


def _grant(key: KeyRow) -> Grant:
    grant = stored_grant(key.rights, texts(key.app_ids))
    if key.person_id is None:
        return grant
    if key.members_rights is None:
        return NO_RIGHTS
    return grant.bounded_by(stored_grant(key.members_rights, texts(key.members_app_ids)))


def is_within(address: str, networks: Iterable[str]) -> bool:
    """True if an address lies within one of the networks."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed  # as a socket for both kinds writes an IPv4 address
    return any(parsed in ip_network(network) for network in networks)


def key_used(instance: Instance, key_id: str, hour_ns: int) -> None:
    """Record the hour of a key's last use. A catalog that cannot be written is only logged: the request goes on."""
    try:
        note_key_used(instance.catalog, key_id, hour_ns)
    except CatalogError as error:
        _log.warning("the last use of key %s could not be recorded: %s", key_id, error)
