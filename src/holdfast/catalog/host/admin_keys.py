"""The host's keys in the catalog."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row, null, or_, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.database.access_tables import admin_keys
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, apps
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.keys import stored_texts, texts
from holdfast.catalog.people.records import AdminKey

_COLUMNS = tuple(admin_keys.c[name] for name in AdminKey.__struct_fields__)


class KeyNameTaken(Exception):
    """Another admin key has this name."""


def _key_of(row: Row[Any]) -> AdminKey:
    values = row._asdict()
    values["scopes"], values["networks"] = tuple(values["scopes"].split()), texts(values["networks"])
    return AdminKey(**values)


def add_admin_key(catalog: Catalog, key: AdminKey, change: Change) -> None:
    """Add a key of the host. Raises KeyNameTaken."""
    values = msgspec.structs.asdict(key)
    values["scopes"], values["networks"] = " ".join(key.scopes), stored_texts(key.networks)
    try:
        with catalog.write() as connection:
            connection.execute(admin_keys.insert().values(values))
            enter_audit(connection, change, key.created_at)
    except IntegrityError:
        raise KeyNameTaken from None


def admin_key_by_hash(catalog: Catalog, key_hash: bytes) -> AdminKey | None:
    """Return the key of the host that has this SHA-256."""
    with catalog.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(admin_keys.c.hash == key_hash)).first()
    return _key_of(row) if row else None


def all_admin_keys(catalog: Catalog) -> list[AdminKey]:
    """Return the keys of the host, oldest first."""
    with catalog.read() as connection:
        rows = connection.execute(select(*_COLUMNS).order_by(admin_keys.c.created_at, admin_keys.c.id)).all()
    return [_key_of(row) for row in rows]


def delete_admin_key(catalog: Catalog, key: AdminKey, change: Change, now_ns: int) -> bool:
    """End a key of the host; return False when it had ended already."""
    with catalog.write() as connection:
        ended = connection.execute(admin_keys.delete().where(admin_keys.c.id == key.id)).rowcount > 0
        if ended:
            enter_audit(connection, change, now_ns)
    return ended


def ids_of_named(catalog: Catalog, kind: str, external_id: str) -> tuple[str | None, str | None]:
    """Return the ids of the account, and of the application, that an external id is of; `kind`: accounts or apps."""
    if kind == "accounts":
        query = select(accounts.c.id, null()).where(accounts.c.external_id == external_id)
    else:
        query = select(apps.c.account_id, apps.c.id).where(apps.c.external_id == external_id)
    with catalog.read() as connection:
        row = connection.execute(query).first()
    return (None, None) if row is None else (row[0], row[1])


def enter_call(catalog: Catalog, change: Change, key_id: str, now_ns: int, hour_ns: int) -> None:
    """Record a call of the host in the audit, and the hour of its key's last use; a power cut may lose both."""
    with catalog.write(durable=False) as connection:
        enter_audit(connection, change, now_ns)
        older = or_(admin_keys.c.used_at.is_(None), admin_keys.c.used_at < hour_ns)
        connection.execute(admin_keys.update().where(admin_keys.c.id == key_id, older).values(used_at=hour_ns))
