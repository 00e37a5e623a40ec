"""Accounts and applications of the host, many in one transaction: found together, written together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.accounts.apps import settings_text
from holdfast.catalog.database.access_tables import keys
from holdfast.catalog.database.held import hold_accounts
from holdfast.catalog.database.tables import accounts, apps
from holdfast.catalog.events.audit import Change, enter_audits
from holdfast.catalog.people.keys import stored_actor, stored_texts
from holdfast.catalog.people.records import Key
from holdfast.catalog.records import Account, App

DueColumns = dict[str, int | None]


def plan_each_query(connection: Connection) -> None:
    """Have PostgreSQL plan each query of the transaction for itself.

    It would go on with the plan of a prepared query that it made while the tables were small, and read them whole for
    each batch of a first sync.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")


@dataclass
class Writes:
    """The rows that a transaction adds and changes; each kind goes to the database at once."""

    accounts: list[tuple[Account, Key]] = field(default_factory=list)
    changed_accounts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    apps: list[tuple[App, DueColumns]] = field(default_factory=list)
    changed_apps: list[tuple[App, DueColumns]] = field(default_factory=list)
    """As they are to be, each with the columns of due times that change with it."""
    changes: list[Change] = field(default_factory=list)
    account_ids: set[str] = field(default_factory=set)
    """The accounts whose records are to be written again."""

    def is_written(self, connection: Connection, now_ns: int) -> bool:
        """Write all of it; False, with the transaction lost, when somebody else took a name meanwhile."""
        try:
            self._write(connection, now_ns)
        except IntegrityError:
            connection.rollback()
            return False
        return True

    def _write(self, connection: Connection, now_ns: int) -> None:
        # Applications before accounts, as everywhere; what changes before what is new, which may take a name from it.
        self.changed_apps.sort(key=lambda one: one[0].id)
        for app, times in self.changed_apps:
            query = apps.update().where(apps.c.id == app.id)
            connection.execute(query.values(**_app_values(app), **times, updated_at=now_ns))
        touched = {account_id for account_id, _ in self.changed_accounts}
        touched |= {change.account_id for change in self.changes if change.account_id is not None}
        touched -= {account.id for account, _ in self.accounts}  # which nobody else can see yet
        hold_accounts(connection, touched)  # all at once, in one order, as whoever enters downloads in the audit does
        if self.accounts:
            connection.execute(accounts.insert(), [_account_values(account) for account, _ in self.accounts])
            connection.execute(keys.insert(), [_key_values(key) for _, key in self.accounts])
        if self.apps:
            connection.execute(apps.insert(), [_new_app_values(app, times) for app, times in self.apps])
        for account_id, values in self.changed_accounts:
            query = accounts.update().where(accounts.c.id == account_id)
            connection.execute(query.values(**values, updated_at=now_ns))
        enter_audits(connection, self.changes, now_ns)


def _account_values(account: Account) -> dict[str, Any]:
    return {**msgspec.structs.asdict(account), "commit_seq": 0, "updated_at": account.created_at}


def _app_values(app: App) -> dict[str, Any]:
    return {**msgspec.structs.asdict(app), "settings": settings_text(app.settings)}


def _new_app_values(app: App, times: DueColumns) -> dict[str, Any]:
    due = {name: times.get(name) for name in ("next_run_at", "overdue_at", "overdue_since")}
    return {**_app_values(app), **due, "updated_at": app.created_at}


def _key_values(key: Key) -> dict[str, Any]:
    values = msgspec.structs.asdict(key)
    values["made_by"] = stored_actor(key.made_by)
    values["app_ids"], values["networks"] = stored_texts(key.app_ids), stored_texts(key.networks)
    return values
