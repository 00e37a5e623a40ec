"""Download links with an end, in the catalog until it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Row, func, or_, select

from holdfast.catalog.database.access_tables import links
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.keys import actor_of, hold_account, stored_actor
from holdfast.catalog.people.records import Link
from holdfast.units import SECOND_NS

_COLUMNS = tuple(links.c[name] for name in Link.__struct_fields__)


class TooManyLinks(Exception):
    """The account has the maximum of open links."""


def _link_of(row: Row[Any]) -> Link:
    values = row._asdict()
    values["made_by"] = actor_of(values["made_by"])
    return Link(**values)


def add_link(catalog: Catalog, link: Link, change: Change, most: int) -> Link:
    """Add a link; return it with its end, which is a second later where the backup has one that ends then.

    Two of a format that end at the same time would be the same link, and neither could be ended alone. Raises
    TooManyLinks when the account has `most` open ones.
    """
    with catalog.write() as connection:
        hold_account(connection, link.account_id)
        open_ones = (links.c.account_id == link.account_id, links.c.ends_at > link.created_at)
        if connection.execute(select(func.count()).select_from(links).where(*open_ones)).scalar_one() >= most:
            raise TooManyLinks
        same = (links.c.backup_id == link.backup_id, links.c.format == link.format, links.c.ends_at >= link.ends_at)
        taken = set(connection.execute(select(links.c.ends_at).where(*same)).scalars())
        ends_at = link.ends_at
        while ends_at in taken:
            ends_at += SECOND_NS
        made = msgspec.structs.replace(link, ends_at=ends_at)
        values = msgspec.structs.asdict(made)
        values["made_by"] = stored_actor(made.made_by)
        connection.execute(links.insert().values(values))
        enter_audit(connection, change, link.created_at)
    return made


def links_of(catalog: Catalog, account_id: str, now_ns: int, app_ids: Collection[str] | None) -> list[Link]:
    """Return the open links of an account, oldest first; of some of its applications only, if those are given."""
    query = select(*_COLUMNS).where(links.c.account_id == account_id, links.c.ends_at > now_ns)
    if app_ids is not None:
        query = query.where(links.c.app_id.in_(app_ids))
    with catalog.read() as connection:
        return [_link_of(row) for row in connection.execute(query.order_by(links.c.created_at, links.c.id)).all()]


def link_by_id(catalog: Catalog, account_id: str, link_id: str) -> Link | None:
    """Return one link of an account."""
    query = select(*_COLUMNS).where(links.c.account_id == account_id, links.c.id == link_id)
    with catalog.read() as connection:
        row = connection.execute(query).first()
    return _link_of(row) if row else None


def link_to(catalog: Catalog, backup_id: str, format: str, ends_at: int) -> Link | None:
    """Return the link to a backup in a format that ends at a time (nanoseconds)."""
    query = select(*_COLUMNS).where(
        links.c.backup_id == backup_id, links.c.format == format, links.c.ends_at == ends_at
    )
    with catalog.read() as connection:
        row = connection.execute(query).first()
    return _link_of(row) if row else None


def delete_link(catalog: Catalog, link: Link, change: Change, now_ns: int) -> bool:
    """End a link; return False when it is there no more."""
    with catalog.write() as connection:
        ended = connection.execute(links.delete().where(links.c.id == link.id)).rowcount > 0
        if ended:
            enter_audit(connection, change, now_ns)
    return ended


def note_link_used(catalog: Catalog, link_id: str, now_ns: int, older_than: int) -> None:
    """Record the last use of a link, unless one since `older_than` is recorded; it may be lost in a power cut."""
    with catalog.write(durable=False) as connection:
        older = or_(links.c.used_at.is_(None), links.c.used_at < older_than)
        connection.execute(links.update().where(links.c.id == link_id, older).values(used_at=now_ns))


def replace_link_secret(catalog: Catalog, account_id: str, sealed: bytes, change: Change, now_ns: int) -> int:
    """Give an account another secret behind its links, and forget those with an end; return how many those were."""
    with catalog.write() as connection:
        connection.execute(
            accounts.update().where(accounts.c.id == account_id).values(link_secret_sealed=sealed, updated_at=now_ns)
        )
        ended = connection.execute(links.delete().where(links.c.account_id == account_id)).rowcount
        enter_audit(connection, change, now_ns)
    return ended
