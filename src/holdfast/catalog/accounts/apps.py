"""Applications in the catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, apps
from holdfast.catalog.events.audit import Change, changed, enter_audit
from holdfast.catalog.records import PRIVATE, Actor, App, AppSettings

COLUMNS = tuple(apps.c[name] for name in App.__struct_fields__)
_SETTINGS = App.__struct_fields__.index("settings")
_settings = msgspec.json.Decoder(AppSettings)


class AppNameTaken(Exception):
    """The account has another application of this name."""


class AppInUse(Exception):
    """The application has backups."""


def app_of(row: Any) -> App:
    """Make a record from a row of `COLUMNS`."""
    values = list(row)
    values[_SETTINGS] = _settings.decode(values[_SETTINGS])
    return App(*values)


def insert_app(catalog: Catalog, app: App, by: Actor) -> None:
    """Add an application. Raises AppNameTaken."""
    try:
        with catalog.write() as connection:
            connection.execute(
                apps.insert().values(
                    id=app.id,
                    account_id=app.account_id,
                    name=app.name,
                    path=app.path,
                    node=app.node,
                    created_at=app.created_at,
                    settings=settings_text(app.settings),
                    external_id=app.external_id,
                    updated_at=app.created_at,
                )
            )
            data = {"after": {"name": app.name}, PRIVATE: {"path": app.path, "node": app.node}}
            enter_audit(connection, Change(by, "app.created", app.account_id, app.id, data=data), app.created_at)
    except IntegrityError:
        raise AppNameTaken from None


def rename_app(catalog: Catalog, app: App, name: str, now_ns: int, by: Actor) -> None:
    """Give an application another name. Raises AppNameTaken."""
    try:
        with catalog.write() as connection:
            held = select(apps.c.name).where(apps.c.id == app.id).with_for_update(key_share=True)
            before = connection.execute(held).scalar()
            if before is not None and before != name:
                query = apps.update().where(apps.c.id == app.id)
                connection.execute(query.values(name=name, updated_at=now_ns))
                data = changed({"name": before}, {"name": name})
                enter_audit(connection, Change(by, "app.renamed", app.account_id, app.id, data=data), now_ns)
    except IntegrityError:
        raise AppNameTaken from None


def settings_text(settings: AppSettings) -> str:
    """Return settings as their column stores them."""
    return msgspec.json.encode(settings).decode()


def change_settings(
    catalog: Catalog,
    app_id: str,
    change: Callable[[AppSettings], AppSettings],
    now_ns: int,
    by: Actor,
    action: str,
    times: Callable[[App, App], dict[str, int | None]] = lambda before, after: {},
) -> None:
    """Replace an application's settings by the result of `change`, in one transaction.

    `times(before, after)`: columns of due times that change with them; `action`: of the audit's entry, which is made
    if anything differs.
    """
    with catalog.write() as connection:
        row = connection.execute(select(*COLUMNS).where(apps.c.id == app_id).with_for_update(key_share=True)).first()
        if row is not None:
            before = app_of(row)
            after = msgspec.structs.replace(before, settings=change(before.settings))
            values = {"settings": settings_text(after.settings), **times(before, after)}
            if after.settings != before.settings:
                values["updated_at"] = now_ns
            connection.execute(apps.update().where(apps.c.id == app_id).values(values))
            if after.settings != before.settings:
                data = changed(audited(before.settings), audited(after.settings))
                enter_audit(connection, Change(by, action, before.account_id, app_id, data=data), now_ns)


def audited(settings: AppSettings) -> dict[str, Any]:
    """Return settings as the audit tells them: of databases and hooks nothing that belongs to the operator alone."""
    return {
        "ignore": settings.ignore,
        "databases": [{"name": spec.name, "kind": spec.kind} for spec in settings.databases],
        # A digest would let a guess be tried; that another command stands there now is all that is told.
        "before_hook": settings.before is not None,
        "after_hook": settings.after is not None,
        "cron": settings.cron,
        "retention": msgspec.to_builtins(settings.retention),
        "named_databases": settings.named_databases,
        "restored": [one.path for one in settings.restored],
        "is_shrunk": settings.shrunk is not None,
    }


def app_by_id(catalog: Catalog, app_id: str) -> App | None:
    """Return one application."""
    with catalog.read() as connection:
        row = connection.execute(select(*COLUMNS).where(apps.c.id == app_id)).first()
    return app_of(row) if row else None


def find_apps(catalog: Catalog, name_or_id: str) -> list[App]:
    """Return the applications of any account with this id or name."""
    with catalog.read() as connection:
        rows = connection.execute(
            select(*COLUMNS).where(or_(apps.c.id == name_or_id, apps.c.name == name_or_id)).order_by(apps.c.created_at)
        ).all()
    return [app_of(row) for row in rows]


def list_apps(catalog: Catalog, account_id: str | None) -> list[App]:
    """Return the applications of one account, or of all; oldest first."""
    query = select(*COLUMNS).order_by(apps.c.created_at, apps.c.id)
    if account_id is not None:
        query = query.where(apps.c.account_id == account_id)
    with catalog.read() as connection:
        return [app_of(row) for row in connection.execute(query).all()]


def active_apps(catalog: Catalog) -> list[App]:
    """Return the applications that the host has not ended, neither themselves nor their accounts; oldest first."""
    running = select(accounts.c.id).where(accounts.c.ended_at.is_(None))
    query = select(*COLUMNS).where(apps.c.ended_at.is_(None), apps.c.account_id.in_(running))
    with catalog.read() as connection:
        return [app_of(row) for row in connection.execute(query.order_by(apps.c.created_at, apps.c.id)).all()]


def delete_app(catalog: Catalog, app: App, now_ns: int, by: Actor) -> None:
    """Remove an application that has no backups any more. Raises AppInUse when it has."""
    try:
        with catalog.write() as connection:
            if connection.execute(apps.delete().where(apps.c.id == app.id)).rowcount:
                before = {"name": app.name} | ({"external_id": app.external_id} if app.external_id else {})
                data = {"before": before, PRIVATE: {"path": app.path, "node": app.node}}
                enter_audit(connection, Change(by, "app.removed", app.account_id, app.id, data=data), now_ns)
    except IntegrityError:
        raise AppInUse from None
