"""The facts that an application's standing is made of, for many applications at once: one statement, a row for each.

The statement joins *parts*: its newest backups cost a few index look-ups for each application, however long its history
is; the sums read all of its backups; the others read the few rows that are open, damaged, recent or waiting.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Integer,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
)

from holdfast.catalog.backups.damage import DAMAGED as DAMAGED
from holdfast.catalog.backups.damage import NOT_PROVED as NOT_PROVED
from holdfast.catalog.backups.retention import BY_HAND
from holdfast.catalog.database.tables import (
    accounts,
    apps,
    backups,
    deliveries,
    endpoints,
    events,
    facts,
    jobs,
    open_jobs,
    packs,
    unfinished_backups,
)
from holdfast.catalog.events.records import DeliveryState
from holdfast.catalog.jobs.heartbeat import is_beat, is_beat_of
from holdfast.catalog.packs.ledger import LIVE
from holdfast.catalog.records import CANCELLED, IMPORTED, OPEN_JOBS, EventKind, State
from holdfast.catalog.standing.kinds import RESTORE, ended_by_itself, newest

_A_CODE = '"code":'
"""Occurs once in each of a backup's warnings as they are stored: in a text within them its quotes are escaped."""
_APP_IDS: BindParameter[Any] = bindparam("app_ids", expanding=True)
_ACCOUNT_IDS: BindParameter[Any] = bindparam("account_ids", expanding=True)
_STORED_PLANS: BindParameter[Any] = bindparam("stored_plans", expanding=True)
_NOW: BindParameter[int] = bindparam("now_ns")
_RESTORES_SINCE: BindParameter[int] = bindparam("restores_since")


@cache
def statement() -> Select[Any]:
    """Return the statement. Its columns are in the order in which `_row_of` takes them."""
    good, tried, open_backup = backups.alias("good"), backups.alias("tried"), _open_backup()
    jobs_open, restore, ended = _open_jobs(), jobs.alias("restore"), _ended_restore()
    sums, damaged, notified, stored = _sums(), _damaged(), _notified(), _stored()
    newest_event = select(func.max(events.c.seq)).where(events.c.account_id == apps.c.account_id).correlate(apps)
    of_app = apps.c.id
    return (
        select(
            *(of_app, apps.c.next_run_at, apps.c.overdue_at, apps.c.overdue_since, apps.c.prove_at),
            *(good.c.id, good.c.created_at, _warnings_count(good)),
            *(tried.c.id, tried.c.state, tried.c.error_code, tried.c.error_message, tried.c.error_detail),
            *(tried.c.is_customers_failure, _failing_since(good)),
            *_all_but_app_id(sums),
            *_all_but_app_id(open_backup),
            *(restore.c.id, restore.c.state, restore.c.created_at, restore.c.progress),
            *_all_but_app_id(ended),
            *_all_but_app_id(damaged),
            *_all_but_app_id(notified),
            *(jobs_open.c.number, accounts.c.plan, stored.c.bytes, accounts.c.trash_bytes, facts.c.value),
            newest_event.scalar_subquery(),
        )
        .select_from(apps.join(accounts, accounts.c.id == apps.c.account_id))
        .outerjoin(good, good.c.id == newest(backups.c.state == State.SUCCESSFUL))
        .outerjoin(tried, tried.c.id == newest(ended_by_itself(backups)))
        .outerjoin(sums, sums.c.app_id == of_app)
        .outerjoin(open_backup, open_backup.c.app_id == of_app)
        .outerjoin(jobs_open, jobs_open.c.app_id == of_app)
        .outerjoin(restore, restore.c.id == jobs_open.c.restore_id)
        .outerjoin(ended, ended.c.app_id == of_app)
        .outerjoin(damaged, damaged.c.app_id == of_app)
        .outerjoin(notified, notified.c.app_id == of_app)
        .outerjoin(stored, stored.c.account_id == apps.c.account_id)
        .outerjoin(facts, and_(is_beat(), is_beat_of(apps.c.node)))
        .where(of_app.in_(_APP_IDS))
    )


def _all_but_app_id(part: Subquery) -> list[ColumnElement[Any]]:
    return [column for column in part.c if column.name != "app_id"]


def _failing_since(good: FromClause) -> ScalarSelect[Any]:
    failed = backups.alias("failed")
    of_app = failed.c.app_id == apps.c.id, failed.c.origin != IMPORTED
    is_failure = failed.c.state == State.FAILED, func.coalesce(failed.c.error_code, "") != CANCELLED
    query = select(failed.c.finished_at).where(
        *of_app, *is_failure, failed.c.created_at > func.coalesce(good.c.created_at, 0)
    )
    return query.correlate(apps, good).order_by(failed.c.created_at, failed.c.id).limit(1).scalar_subquery()


def _warnings_count(one: FromClause) -> ColumnElement[int]:
    """Return the number of a backup's warnings without reading them: there may be a MiB of them."""
    text = one.c.warnings
    without = func.length(func.replace(text, _A_CODE, ""), type_=Integer)
    return (func.length(text, type_=Integer) - without) // len(_A_CODE)


def _sums() -> Subquery:
    """Return the sums over the backups of applications."""
    is_good = backups.c.state == State.SUCCESSFUL
    proved_at, content = (case((is_good, column)) for column in (backups.c.restore_proved_at, backups.c.content_bytes))
    is_fixed = or_(backups.c.origin.in_(BY_HAND), backups.c.is_locked, backups.c.locked_until > _NOW)
    stored = case((backups.c.deleted_at.is_(None), backups.c.stored_bytes), else_=0)
    fixed = func.sum(case((and_(is_good, is_fixed), 1), else_=0))
    sizes = func.sum(stored).label("stored"), func.sum(content).label("content")
    query = select(backups.c.app_id, *sizes, func.max(proved_at).label("proved_at"), fixed.label("fixed"))
    return query.where(backups.c.app_id.in_(_APP_IDS)).group_by(backups.c.app_id).subquery("sums")


def _open_backup() -> Subquery:
    """Return the queued and running backups, imports aside; an application has one at a time."""
    b = backups.c
    columns = (b.app_id, b.id, b.state, b.created_at, b.progress)
    return select(*columns).where(unfinished_backups, b.origin != IMPORTED).subquery("open_backup")


def _open_jobs() -> Subquery:
    """Return how many jobs are queued or running, by application, and which of them is a restore that is shown."""
    j = jobs.c
    restore_id = func.max(case((and_(j.kind == RESTORE, j.is_hidden.is_(False)), j.id)))
    query = select(j.app_id, func.count().label("number"), restore_id.label("restore_id"))
    return query.where(open_jobs, j.state.in_(OPEN_JOBS)).group_by(j.app_id).subquery("jobs_open")


def _damaged() -> Subquery:
    """Return the damaged backups of the accounts' applications."""
    is_damaged = (
        backups.c.account_id.in_(_ACCOUNT_IDS),
        backups.c.damage.is_not(None),
        backups.c.state == State.SUCCESSFUL,
    )
    not_proved = func.max(case((backups.c.damage.contains(f'"{NOT_PROVED}"', autoescape=True), 1), else_=0))
    found = and_(events.c.backup_id == backups.c.id, events.c.kind == EventKind.VERIFY_FAILED)
    return (
        select(
            backups.c.app_id,
            func.count(backups.c.id.distinct()).label("number"),
            func.max(backups.c.id).label("newest_id"),  # ids sort as what they name was made
            not_proved.label("is_not_proved"),
            func.max(events.c.at).label("found_at"),
        )
        .select_from(backups.outerjoin(events, found))
        .where(*is_damaged)
        .group_by(backups.c.app_id)
        .subquery("damaged")
    )


def _notified() -> Subquery:
    """Return who was told first that applications are overdue, since they are; nothing is read if none is."""
    late, d, e = apps.alias("late"), deliveries.c, events.c
    is_late = late.c.id.in_(_APP_IDS), late.c.overdue_since.is_not(None)
    earliest = select(func.min(late.c.overdue_since)).where(*is_late).scalar_subquery()
    of_operator = endpoints.c.account_id.is_(None)
    return (
        select(
            e.app_id,
            func.min(case((~of_operator, d.finished_at))).label("account_at"),
            func.min(case((of_operator, d.finished_at))).label("operator_at"),
        )
        .join_from(deliveries, endpoints, endpoints.c.id == d.endpoint_id)
        .join(events, e.seq == d.event_seq)
        .join(late, late.c.id == e.app_id)
        .where(
            or_(endpoints.c.account_id.in_(_ACCOUNT_IDS), of_operator),
            d.created_at >= earliest,
            d.kind == EventKind.BACKUP_OVERDUE,
            d.state == DeliveryState.DELIVERED,
            *is_late,
            e.at >= late.c.overdue_since,
        )
        .group_by(e.app_id)
        .subquery("notified")
    )


def _ended_restore() -> Subquery:
    """Return the newest restore of each of the accounts' applications that was requested since a time and has ended."""
    j = jobs.c
    number = func.row_number().over(partition_by=j.app_id, order_by=(j.finished_at.desc(), j.id.desc()))
    columns = (j.app_id, j.id, j.state, j.finished_at, j.error_code, j.error_message, j.error_detail)
    one = (
        select(*columns, number.label("number"))
        .where(
            j.account_id.in_(_ACCOUNT_IDS),
            j.created_at >= _RESTORES_SINCE,
            j.kind == RESTORE,
            j.is_hidden.is_(False),
            j.finished_at.is_not(None),
        )
        .subquery("one")
    )
    return select(*list(one.c)[: len(columns)]).where(one.c.number == 1).subquery("ended")


def _stored() -> Subquery:
    """Return the bytes of the accounts' live packs; what no plan limits is not read."""
    limited = select(accounts.c.id).where(accounts.c.id.in_(_ACCOUNT_IDS), accounts.c.plan.in_(_STORED_PLANS))
    query = select(packs.c.account_id, func.sum(packs.c.size).label("bytes"))
    of_limited = packs.c.account_id.in_(limited.scalar_subquery()), packs.c.state == LIVE
    return query.where(*of_limited).group_by(packs.c.account_id).subquery("stored")
