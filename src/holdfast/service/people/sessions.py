"""Sessions: who is signed in, with which rights, until when.

A session ends 14 days after it was last used, and 90 days after it began. It must never give more than its member has
at the moment, or what a sign-in link gave it.
"""

from __future__ import annotations

import logging
from typing import Protocol

from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import sessions as rows
from holdfast.catalog.people.keys import texts
from holdfast.catalog.people.records import Preferences
from holdfast.catalog.people.records import Session as Session
from holdfast.catalog.people.sign_in import NewSession
from holdfast.catalog.prepared_queries import SessionRow
from holdfast.catalog.records import Actor, ActorKind
from holdfast.service.errors import AccessDenied, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import NO_RIGHTS, Caller
from holdfast.service.people.rights import Grant, Right, stored_grant
from holdfast.service.people.tokens import is_token, new_token, token_hash
from holdfast.units import DAY_NS, MINUTE_NS, SECOND_NS

IDLE_NS = 14 * DAY_NS
AGE_NS_MAX = 90 * DAY_NS
ELEVATED_NS = 15 * MINUTE_NS
"""A session stays elevated this long after its person gave the password."""
SEEN_EVERY_NS = 60 * SECOND_NS
"""The last use is recorded at most once in this time."""

AGENT_CHARACTERS_MAX = 255
IP_CHARACTERS_MAX = 45

_log = logging.getLogger(__name__)


class HasSession(Protocol):
    """Whoever is signed in, to an account or as an operator."""

    @property
    def actor(self) -> Actor:
        """Who it is, as the audit names him."""

    @property
    def person_id(self) -> str | None:
        """The person."""

    @property
    def session_id(self) -> str | None:
        """The session."""


def new_session(instance: Instance, ip: str, agent: str, old_token: str | None) -> tuple[str, NewSession]:
    """Return a new token, and the session that is to come with it, in place of the one with `old_token`."""
    token, now_ns = new_token(), instance.clock.now_ns()
    old = token_hash(old_token) if old_token is not None and is_token(old_token) else None
    shown = "".join(c for c in agent if c.isprintable())[:AGENT_CHARACTERS_MAX]
    ends_at, elevated_until = now_ns + IDLE_NS, now_ns + ELEVATED_NS
    return token, NewSession(token_hash(token), now_ns, ends_at, ip[:IP_CHARACTERS_MAX], shown, elevated_until, old)


def caller_of_session(instance: Instance, token: str, address: str) -> Caller:
    """Return whose session it is. `address`: where the request comes from. Raises AccessDenied."""
    found = instance.prepared.session_by_hash(token_hash(token)) if is_token(token) else None
    now_ns = instance.clock.now_ns()
    if found is None:
        raise AccessDenied
    account, session = found
    is_over = session.ends_at <= now_ns or account.ended_at is not None
    if is_over or (session.rights is None and session.members_rights is None):
        raise AccessDenied
    is_unnoted = session.seen_at <= now_ns - SEEN_EVERY_NS
    return Caller(
        account,
        Actor(ActorKind.PERSON, session.person_id, session.email, address),
        _grant(session),
        session.person_id,
        session_id=session.id,
        unnoted_until=min(now_ns + IDLE_NS, session.created_at + AGE_NS_MAX) if is_unnoted else None,
        elevated_until=session.elevated_until,
        preferences=Preferences(session.language, session.theme, session.time_zone),
        erase_at=session.erase_at,
    )


def _grant(session: SessionRow) -> Grant:
    if session.rights is None:
        if session.members_rights is None:
            return NO_RIGHTS
        members = stored_grant(session.members_rights, texts(session.members_app_ids))
        app_ids = texts(session.app_ids)
        return members if app_ids is None else Grant(members.rights, frozenset(app_ids)).bounded_by(members)
    grant = stored_grant(session.rights, texts(session.app_ids))
    if session.members_rights is None:
        # A key may do what its maker may do at the time, and one who is not a member may do nothing after his session.
        return Grant(grant.rights - {Right.KEYS_WRITE}, grant.app_ids)
    return grant


def session_seen(instance: Instance, session_id: str, ends_at: int) -> None:
    """Record that a session is in use. A catalog that cannot be written is only logged: the request goes on."""
    try:
        rows.note_session_seen(instance.catalog, session_id, instance.clock.now_ns(), ends_at)
    except CatalogError as error:
        _log.warning("the last use of session %s could not be recorded: %s", session_id, error)


def own_sessions(instance: Instance, caller: Caller) -> list[Session]:
    """Return the open sessions that a person has on the account of this one, the one last seen first."""
    return sessions_of_person(instance, caller.person_id or "", caller.account.id)


def sessions_of_person(instance: Instance, person_id: str, account_id: str | None) -> list[Session]:
    """Return the open sessions of a person on an account, or as an operator (None), the one last seen first."""
    return rows.sessions_of(instance.catalog, person_id, account_id, instance.clock.now_ns())


def end_other_sessions(instance: Instance, caller: HasSession, account_id: str | None) -> None:
    """End all sessions that a person has there but this one."""
    change = Change(caller.actor, "session.others_ended", account_id)
    session_id, now_ns = caller.session_id or "", instance.clock.now_ns()
    rows.delete_other_sessions(instance.catalog, caller.person_id or "", session_id, change, now_ns)


def end_session(instance: Instance, caller: Caller, session_id: str) -> None:
    """End a session that a person has on the account of this one; or this one. Raises NotFound."""
    end_session_of(instance, caller, caller.account.id, session_id)


def end_session_of(instance: Instance, caller: HasSession, account_id: str | None, session_id: str) -> None:
    """End a session that a person has on an account, or as an operator (None). Raises NotFound."""
    change = Change(caller.actor, "session.ended", account_id, data={"session_id": session_id})
    person_id, now_ns = caller.person_id or "", instance.clock.now_ns()
    if not rows.delete_session(instance.catalog, person_id, session_id, change, now_ns):
        raise NotFound("SESSION_NOT_FOUND", "No such session exists; it may have ended already.")
