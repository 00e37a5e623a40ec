"""Invitations in the catalog, until they are accepted, taken back or over."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Delete, Row, Update, select

from holdfast.catalog.database.access_tables import invitations
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.keys import actor_of, stored_actor, stored_texts, texts
from holdfast.catalog.people.members import members_within
from holdfast.catalog.people.records import Invitation

_COLUMNS = tuple(invitations.c[name] for name in Invitation.__struct_fields__)


class MemberAlready(Exception):
    """The person who is invited is a member of the account."""


class TooManyMembers(Exception):
    """The account has the maximum of members and open invitations."""


def _invitation_of(row: Row[Any]) -> Invitation:
    values = row._asdict()
    values["made_by"], values["app_ids"] = actor_of(values["made_by"]), texts(values["app_ids"])
    return Invitation(**values)


def add_invitation(catalog: Catalog, invitation: Invitation, token_hash: bytes, change: Change, most: int) -> None:
    """Add an invitation, in place of an older one to the same address. Raises MemberAlready, TooManyMembers.

    `token_hash`: SHA-256 of the token in its URL; `most`: of members and open invitations together.
    """
    values = msgspec.structs.asdict(invitation)
    values["made_by"], values["app_ids"] = stored_actor(invitation.made_by), stored_texts(invitation.app_ids)
    of_account = invitations.c.account_id == invitation.account_id
    with catalog.write() as connection:
        hold_account(connection, invitation.account_id)
        found = members_within(connection, invitation.account_id)
        if any(member.person.email == invitation.email for member in found):
            raise MemberAlready
        connection.execute(invitations.delete().where(of_account, invitations.c.email == invitation.email))
        is_open = select(invitations.c.id).where(of_account, invitations.c.ends_at > invitation.created_at)
        if len(found) + len(connection.execute(is_open).all()) >= most:
            raise TooManyMembers
        connection.execute(invitations.insert().values(token_hash=token_hash, **values))
        enter_audit(connection, change, invitation.created_at)


def invitations_of(catalog: Catalog, account_id: str, now_ns: int) -> list[Invitation]:
    """Return the open invitations of an account, oldest first."""
    query = (
        select(*_COLUMNS)
        .where(invitations.c.account_id == account_id, invitations.c.ends_at > now_ns)
        .order_by(invitations.c.created_at, invitations.c.id)
    )
    with catalog.read() as connection:
        return [_invitation_of(row) for row in connection.execute(query).all()]


def invitation_by_token(catalog: Catalog, token_hash: bytes, now_ns: int) -> Invitation | None:
    """Return the open invitation whose URL has a token."""
    query = select(*_COLUMNS).where(invitations.c.token_hash == token_hash, invitations.c.ends_at > now_ns)
    with catalog.read() as connection:
        row = connection.execute(query).first()
    return _invitation_of(row) if row else None


def change_invitation(catalog: Catalog, invitation: Invitation, change: Change, now_ns: int) -> bool:
    """Update what an invitation gives to this record's; return False when it is open no more."""
    values = {"rights": invitation.rights, "app_ids": stored_texts(invitation.app_ids)}
    update = invitations.update().where(invitations.c.id == invitation.id)
    return _changed(catalog, update.values(values), change, now_ns)


def delete_invitation(catalog: Catalog, invitation: Invitation, change: Change, now_ns: int) -> bool:
    """Take an invitation back; return False when it is open no more."""
    return _changed(catalog, invitations.delete().where(invitations.c.id == invitation.id), change, now_ns)


def _changed(catalog: Catalog, statement: Update | Delete, change: Change, now_ns: int) -> bool:
    with catalog.write() as connection:
        hold_account(connection, change.account_id)
        is_done = connection.execute(statement).rowcount > 0
        if is_done:
            enter_audit(connection, change, now_ns)
    return is_done
