"""The keys of accounts in the catalog."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, or_, select

from holdfast.catalog.database.access_tables import keys
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.records import Key
from holdfast.catalog.records import Actor

MAIN = "main"
"""The rights of a main key, as stored."""


class TooManyKeys(Exception):
    """The account has the maximum of keys."""


_COLUMNS = tuple(keys.c[name] for name in Key.__struct_fields__)
_actor = msgspec.json.Decoder(Actor)
_texts = msgspec.json.Decoder(tuple[str, ...])


def texts(stored: str | None) -> tuple[str, ...] | None:
    """Return the names in a column that holds a JSON list, or None."""
    return None if stored is None else _texts.decode(stored)


def stored_texts(names: tuple[str, ...] | None) -> str | None:
    """Return names as their column stores them."""
    return None if names is None else msgspec.json.encode(names).decode()


def stored_actor(actor: Actor) -> str:
    """Return an actor as its column stores it."""
    return msgspec.json.encode(actor).decode()


def actor_of(stored: str) -> Actor:
    """Return the actor in a column."""
    return _actor.decode(stored)


def key_of(row: Row[Any]) -> Key:
    """Make a record from a row of keys."""
    values = row._asdict()
    values["made_by"] = actor_of(values["made_by"])
    values["app_ids"], values["networks"] = texts(values["app_ids"]), texts(values["networks"])
    return Key(**values)


def insert_key(connection: Connection, key: Key) -> None:
    """Add a key, within a transaction."""
    values = msgspec.structs.asdict(key)
    values["made_by"] = stored_actor(key.made_by)
    values["app_ids"], values["networks"] = stored_texts(key.app_ids), stored_texts(key.networks)
    connection.execute(keys.insert().values(values))


def hold_account(connection: Connection, account_id: str) -> None:
    """Have others who change who may what on an account wait until this transaction ends."""
    connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True)).all()


def add_key(catalog: Catalog, key: Key, change: Change, most: int | None = None) -> None:
    """Add a key. Raises TooManyKeys when the account has `most` already."""
    with catalog.write() as connection:
        if most is not None:
            hold_account(connection, key.account_id)
            mine = select(func.count()).select_from(keys).where(keys.c.account_id == key.account_id)
            if connection.execute(mine).scalar_one() >= most:
                raise TooManyKeys
        insert_key(connection, key)
        enter_audit(connection, change, key.created_at)


def replace_main_key(catalog: Catalog, key: Key, old_ends_at: int, change: Change) -> None:
    """Make a key the account's main key; older main keys end at a time (nanoseconds) at the latest."""
    with catalog.write() as connection:
        of_account = (keys.c.account_id == key.account_id, keys.c.rights == MAIN)
        connection.execute(keys.delete().where(*of_account, keys.c.ends_at <= key.created_at))
        if old_ends_at <= key.created_at:
            connection.execute(keys.delete().where(*of_account))
        else:
            later = or_(keys.c.ends_at.is_(None), keys.c.ends_at > old_ends_at)
            # Only the key that it replaces is worth showing, so the older one's seal goes with it.
            connection.execute(keys.update().where(*of_account, later).values(ends_at=old_ends_at))
            connection.execute(keys.update().where(*of_account).values(sealed=None))
        insert_key(connection, key)
        enter_audit(connection, change, key.created_at)


def main_key(catalog: Catalog, account_id: str) -> Key | None:
    """Return the main key of an account; None for an erased one."""
    query = select(*_COLUMNS).where(keys.c.account_id == account_id, keys.c.rights == MAIN, keys.c.sealed.is_not(None))
    with catalog.read() as connection:
        row = connection.execute(query.order_by(keys.c.created_at.desc()).limit(1)).first()
    return key_of(row) if row else None


def keys_of(catalog: Catalog, account_id: str) -> list[Key]:
    """Return the keys of an account, oldest first."""
    query = select(*_COLUMNS).where(keys.c.account_id == account_id).order_by(keys.c.created_at, keys.c.id)
    with catalog.read() as connection:
        return [key_of(row) for row in connection.execute(query).all()]


def key_by_id(catalog: Catalog, account_id: str, key_id: str) -> Key | None:
    """Return one key of an account."""
    query = select(*_COLUMNS).where(keys.c.account_id == account_id, keys.c.id == key_id)
    with catalog.read() as connection:
        row = connection.execute(query).first()
    return key_of(row) if row else None


def change_key(catalog: Catalog, key: Key, change: Change, now_ns: int) -> bool:
    """Give a key the name, rights, networks and end of this record; return False when it is there no more."""
    values = {
        "name": key.name,
        "rights": key.rights,
        "app_ids": stored_texts(key.app_ids),
        "networks": stored_texts(key.networks),
        "ends_at": key.ends_at,
    }
    with catalog.write() as connection:
        changed = connection.execute(keys.update().where(keys.c.id == key.id).values(values)).rowcount > 0
        if changed:
            enter_audit(connection, change, now_ns)
    return changed


def delete_key(catalog: Catalog, key: Key, change: Change, now_ns: int) -> bool:
    """End a key; return False when it had ended already."""
    with catalog.write() as connection:
        ended = connection.execute(keys.delete().where(keys.c.id == key.id)).rowcount > 0
        if ended:
            enter_audit(connection, change, now_ns)
    return ended


def note_key_used(catalog: Catalog, key_id: str, hour_ns: int) -> None:
    """Record the hour in which a key was last used; it may be lost in a power cut."""
    with catalog.write(durable=False) as connection:
        older = or_(keys.c.used_at.is_(None), keys.c.used_at < hour_ns)
        connection.execute(keys.update().where(keys.c.id == key_id, older).values(used_at=hour_ns))
