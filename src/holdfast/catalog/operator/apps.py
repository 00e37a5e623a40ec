"""All applications at once, as lists of them need them: a query each, over all of them or over those of accounts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ScalarSelect,
    String,
    and_,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, apps, backups, jobs, open_backups, open_jobs
from holdfast.catalog.records import CANCELLED, IMPORTED, OPEN_JOBS, State


class AppRow(msgspec.Struct, frozen=True):
    """An application that has not ended. `good_...`: its newest good backup; `tried_...`: the newest that ended by
    itself; imports aside, None where there is none. Times in nanoseconds."""

    app_id: str
    name: str
    node: str
    created_at: int
    account_id: str
    email: str
    plan: str
    next_run_at: int | None
    overdue_at: int | None
    overdue_since: int | None
    prove_at: int | None
    good_id: str | None
    good_at: int | None
    tried_id: str | None
    tried_at: int | None
    tried_state: str | None
    tried_code: str | None
    tried_text: str | None
    is_tried_customers: bool | None
    settings: str
    """As they are stored."""


class Marks(msgspec.Struct, frozen=True):
    """Of all good backups of an application: when one was last proved, how many are damaged, the newest of those."""

    proved_at: int | None
    damaged: int
    damaged_id: str | None


class GoingRow(msgspec.Struct, frozen=True):
    """A backup or a job that is queued or running."""

    app_id: str
    id: str
    kind: str
    state: str
    node: str
    created_at: int


def app_rows(catalog: Catalog, account_ids: Collection[str] | None = None) -> list[AppRow]:
    """Return the applications that have not ended, nor their accounts: of all accounts, or of some.

    It costs two index look-ups for each, however long its history is.
    """
    good, tried = backups.alias("good"), backups.alias("tried")
    query = (
        select(
            apps.c.id,
            apps.c.name,
            apps.c.node,
            apps.c.created_at,
            apps.c.account_id,
            accounts.c.email,
            accounts.c.plan,
            apps.c.next_run_at,
            apps.c.overdue_at,
            apps.c.overdue_since,
            apps.c.prove_at,
            good.c.id,
            good.c.created_at,
            tried.c.id,
            func.coalesce(tried.c.finished_at, tried.c.created_at),
            tried.c.state,
            tried.c.error_code,
            func.coalesce(tried.c.error_detail, tried.c.error_message),
            tried.c.is_customers_failure,
            apps.c.settings,
        )
        .select_from(apps.join(accounts, accounts.c.id == apps.c.account_id))
        .outerjoin(good, good.c.id == _newest(backups.c.state == State.SUCCESSFUL))
        .outerjoin(tried, tried.c.id == _newest(_ended_by_itself()))
        .where(apps.c.ended_at.is_(None), accounts.c.ended_at.is_(None), _of(apps.c.account_id, account_ids))
        .order_by(apps.c.id)
    )
    with catalog.read() as connection:
        return [AppRow(*tuple(row)) for row in connection.execute(query)]


def _of(column: ColumnElement[str], account_ids: Collection[str] | None) -> ColumnElement[bool]:
    return true() if account_ids is None else column.in_(account_ids)


def _newest(condition: ColumnElement[bool]) -> ScalarSelect[Any]:
    of_app = backups.c.app_id == apps.c.id, backups.c.origin != IMPORTED
    query = select(backups.c.id).where(*of_app, condition).correlate(apps)
    return query.order_by(backups.c.created_at.desc(), backups.c.id.desc()).limit(1).scalar_subquery()


def _ended_by_itself() -> ColumnElement[bool]:
    is_failure = and_(backups.c.state == State.FAILED, func.coalesce(backups.c.error_code, "") != CANCELLED)
    return or_(backups.c.state.in_((State.SUCCESSFUL, State.TRASHED)), is_failure)


def marks(catalog: Catalog, account_ids: Collection[str] | None = None) -> dict[str, Marks]:
    """Return the marks of applications, by their ids; of those that have a proved or a damaged backup."""
    b = backups.c
    is_good = b.state == State.SUCCESSFUL, _of(b.account_id, account_ids)

    proved = select(b.app_id, func.max(b.restore_proved_at), literal(0), cast(null(), String))
    proved = proved.where(b.restore_proved_at.is_not(None), *is_good).group_by(b.app_id)
    damaged = select(b.app_id, cast(null(), BigInteger), func.count(), func.max(b.id))
    damaged = damaged.where(b.damage.is_not(None), *is_good).group_by(b.app_id)
    # SQLite would take the index by account, and read every backup of it.
    parts = [
        part.with_hint(backups, f"INDEXED BY {index}", "sqlite")
        for part, index in ((proved, "ix_backups_proved"), (damaged, "ix_backups_damaged"))
    ]
    found: dict[str, Marks] = {}
    with catalog.read() as connection:
        for app_id, proved_at, count, newest_id in connection.execute(union_all(*parts)):
            known = found.get(app_id, Marks(None, 0, None))
            found[app_id] = Marks(
                known.proved_at if proved_at is None else proved_at,
                known.damaged + int(count),
                newest_id or known.damaged_id,
            )
    return found


def going(catalog: Catalog) -> list[GoingRow]:
    """Return the queued and running backups and jobs of all accounts, the oldest first."""
    b, j = backups.c, jobs.c
    of_backups = select(b.app_id, b.id, literal("backup"), b.state, b.node, b.created_at).where(
        open_backups, b.state.in_((State.QUEUED, State.RUNNING))
    )
    of_jobs = select(j.app_id, j.id, j.kind, j.state, j.node, j.created_at).where(open_jobs, j.state.in_(OPEN_JOBS))
    with catalog.read() as connection:
        found = [GoingRow(*row) for row in connection.execute(union_all(of_backups, of_jobs))]
    return sorted(found, key=lambda one: (one.created_at, one.id))
