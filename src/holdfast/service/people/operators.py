"""Operators: people who sign in to the instance itself, and have no account there.

The first one is made by a command, whoever may run commands on the home; nobody has a password that came with the
program. It must never let a session of an account act as an operator, or the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import operators as rows
from holdfast.catalog.people.records import Operator as Operator
from holdfast.catalog.people.records import Preferences
from holdfast.catalog.people.second_factors import STRONG
from holdfast.catalog.records import Actor, ActorKind
from holdfast.service.errors import AccessDenied, Conflict, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import DEFAULTS
from holdfast.service.people.giving import checked_email
from holdfast.service.people.sessions import AGE_NS_MAX, IDLE_NS, SEEN_EVERY_NS, new_session
from holdfast.service.people.sign_in import SIGN_IN_PATH, MadeSignInLink, SignedIn, open_sign_in_link
from holdfast.service.people.tokens import is_token, new_token, token_hash
from holdfast.units import MINUTE_NS

BY_LINK = "link"
"""The proof of a session that a link of `holdfast operator link` opened."""
OPERATOR_PATH = "/operator"
"""The first of an operator's pages."""

LINK_NS = 15 * MINUTE_NS
"""A sign-in link of an operator opens this long."""


@dataclass(frozen=True, slots=True)
class OperatorCaller:
    """An operator who makes a request. `unnoted_until`, `elevated_until`: as of a `Caller`."""

    actor: Actor
    person_id: str
    session_id: str
    unnoted_until: int | None = None
    elevated_until: int | None = None
    has_factor: bool = False
    proof: str | None = None
    preferences: Preferences = DEFAULTS
    views_account_id: str | None = None
    """The account whose pages he is shown besides his own, `views_until` then (nanoseconds)."""
    views_until: int | None = None

    @property
    def may_come_from_outside(self) -> bool:
        """True if more than a password let him in, and he has a second factor.

        More is a code, a passkey, or a link that was made on the machine.
        """
        return self.has_factor and self.proof in (*STRONG, BY_LINK)

    @property
    def may_set_up(self) -> bool:
        """True if he came by a link that was made on the machine, a code or a passkey: he may set a factor up."""
        return self.proof in (*STRONG, BY_LINK)

    @property
    def language(self) -> str | None:
        """As of a `Caller`."""
        return self.preferences.language


def list_operators(instance: Instance) -> list[Operator]:
    """Return all operators, by e-mail address."""
    return rows.operators(instance.catalog)


def get_operator(instance: Instance, email: str) -> Operator:
    """Return the operator with an e-mail address. Raises Invalid (EMAIL), NotFound (OPERATOR_NOT_FOUND)."""
    found = rows.find_operator(instance.catalog, checked_email(email))
    if found is None:
        raise NotFound(
            "OPERATOR_NOT_FOUND", "Nobody with this address is an operator; `holdfast operator add` adds one."
        )
    return found


def add_operator(instance: Instance, email: str, by: Actor) -> Operator:
    """Make whoever has an e-mail address an operator. Raises Invalid (EMAIL), Conflict (OPERATOR_EXISTS)."""
    address = checked_email(email)
    change = Change(by, "operator.added", data={"email": address})
    added = rows.add_operator(instance.catalog, address, change, instance.clock.now_ns())
    if added is None:
        raise Conflict("OPERATOR_EXISTS", f"{address} is an operator already; `holdfast operator link` signs him in.")
    return added


def remove_operator(instance: Instance, email: str, by: Actor) -> Operator:
    """Take the role from an operator; his sessions and links end. Raises Invalid (EMAIL), NotFound."""
    found = get_operator(instance, email)
    change = Change(by, "operator.removed", data={"email": found.email})
    rows.remove_operator(instance.catalog, found.id, change, instance.clock.now_ns())
    return found


def make_operator_link(instance: Instance, operator: Operator, by: Actor) -> MadeSignInLink:
    """Make a link that signs an operator in once, within 15 minutes."""
    now_ns, ticket = instance.clock.now_ns(), new_token()
    ends_at = now_ns + LINK_NS
    change = Change(by, "operator_link.created", data={"email": operator.email})
    rows.add_operator_link(instance.catalog, operator.id, token_hash(ticket), ends_at, change, now_ns)
    return MadeSignInLink(f"{instance.config.base_url.rstrip('/')}{SIGN_IN_PATH}?ticket={quote(ticket)}", ends_at)


def open_operator_link(instance: Instance, ticket: str, ip: str, agent: str, old_token: str | None) -> str | None:
    """Use an operator's link up; return the token of the session that it gives, None when none opens by it."""
    token, new = new_session(instance, ip, agent, old_token)
    is_opened = is_token(ticket) and rows.open_operator_link(instance.catalog, token_hash(ticket), new)
    return token if is_opened else None


def operator_of_session(instance: Instance, token: str, address: str) -> OperatorCaller:
    """Return the operator whose session it is. `address`: where the request comes from. Raises AccessDenied."""
    found = instance.prepared.operator_session_by_hash(token_hash(token)) if is_token(token) else None
    now_ns = instance.clock.now_ns()
    if found is None or found.ends_at <= now_ns:
        raise AccessDenied
    is_unnoted = found.seen_at <= now_ns - SEEN_EVERY_NS
    return OperatorCaller(
        Actor(ActorKind.OPERATOR, found.person_id, found.email, address),
        found.person_id,
        found.id,
        min(now_ns + IDLE_NS, found.created_at + AGE_NS_MAX) if is_unnoted else None,
        found.elevated_until,
        found.factor_of is not None,
        found.proof,
        Preferences(found.language, found.theme, found.time_zone),
        found.views_account_id,
        found.views_until,
    )


def end_operator_session(instance: Instance, caller: OperatorCaller, session_id: str) -> None:
    """End a session of an operator. Raises NotFound (SESSION_NOT_FOUND)."""
    change, now_ns = Change(caller.actor, "session.ended", data={"session_id": session_id}), instance.clock.now_ns()
    if not rows.end_operator_session(instance.catalog, caller.person_id, session_id, change, now_ns):
        raise NotFound("SESSION_NOT_FOUND", "No such session exists; it may have ended already.")


def open_link(instance: Instance, ticket: str, ip: str, agent: str, old_token: str | None) -> SignedIn:
    """Use a sign-in link up, an operator's or one to an account. Raises NotFound (SIGN_IN_LINK_NOT_FOUND)."""
    token = open_operator_link(instance, ticket, ip, agent, old_token)
    if token is not None:
        return SignedIn(token, OPERATOR_PATH)
    return open_sign_in_link(instance, ticket, ip, agent, old_token)
