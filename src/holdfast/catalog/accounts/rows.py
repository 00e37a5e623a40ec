"""Accounts in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from msgspec import structs
from sqlalchemy import Column, Connection, Row, func, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, backups, packs
from holdfast.catalog.events.audit import Change, changed, enter_audit
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.packs.ledger import LIVE, counted_bytes
from holdfast.catalog.people.keys import insert_key
from holdfast.catalog.people.records import Key
from holdfast.catalog.records import Account, Actor, EventKind, State

ACCOUNT_COLUMNS = tuple(accounts.c[name] for name in Account.__struct_fields__)
_IS_SUSPENDED = Account.__struct_fields__.index("is_suspended")


T = TypeVar("T")


class EmailTaken(Exception):
    """Another account has this e-mail address."""


def account_of(row: Row[Any] | Sequence[Any]) -> Account:
    """Make a record from a row of ACCOUNT_COLUMNS."""
    values = list(row)
    values[_IS_SUSPENDED] = bool(values[_IS_SUSPENDED])  # the prepared queries get it as SQLite has it
    return Account(*values)


def insert_account(catalog: Catalog, account: Account, main_key: Key, by: Actor) -> None:
    """Add an account with its main key. Raises EmailTaken."""
    try:
        with catalog.write() as connection:
            connection.execute(
                accounts.insert().values(
                    id=account.id,
                    email=account.email,
                    plan=account.plan,
                    created_at=account.created_at,
                    data_key_sealed=account.data_key_sealed,
                    link_secret_sealed=account.link_secret_sealed,
                    vault_epoch=account.vault_epoch,
                    commit_seq=0,
                    external_id=account.external_id,
                    name=account.name,
                    is_suspended=account.is_suspended,
                    ended_at=account.ended_at,
                    updated_at=account.created_at,
                )
            )
            insert_key(connection, main_key)
            after = {"email": account.email, "plan": account.plan}
            enter_audit(
                connection, Change(by, "account.created", account.id, data={"after": after}), account.created_at
            )
    except IntegrityError:
        raise EmailTaken from None


def account_by_id(catalog: Catalog, account_id: str) -> Account | None:
    """Return one account."""
    with catalog.read() as connection:
        row = connection.execute(select(*ACCOUNT_COLUMNS).where(accounts.c.id == account_id)).first()
    return account_of(row) if row else None


def all_accounts(catalog: Catalog) -> list[Account]:
    """Return all accounts, oldest first."""
    with catalog.read() as connection:
        rows = connection.execute(select(*ACCOUNT_COLUMNS).order_by(accounts.c.created_at, accounts.c.id)).all()
    return [account_of(row) for row in rows]


def set_plan(catalog: Catalog, account_id: str, plan: str, now_ns: int, by: Actor) -> None:
    """Give an account another plan."""
    with catalog.write() as connection:
        _change(connection, Change(by, "account.plan_set", account_id), accounts.c.plan, plan, now_ns)


def set_suspended(catalog: Catalog, account_id: str, now_ns: int, by: Actor, *, is_suspended: bool) -> None:
    """Suspend an account, or end that."""
    change = Change(by, "account.suspended" if is_suspended else "account.unsuspended", account_id)
    with catalog.write() as connection:
        _change(connection, change, accounts.c.is_suspended, is_suspended, now_ns)


def set_email(catalog: Catalog, account_id: str, email: str, now_ns: int, by: Actor) -> None:
    """Give an account another e-mail address. Raises EmailTaken."""
    try:
        with catalog.write() as connection:
            _change(connection, Change(by, "account.email_set", account_id), accounts.c.email, email, now_ns)
    except IntegrityError:
        raise EmailTaken from None


def _change(connection: Connection, change: Change, column: Column[T], value: T, now_ns: int) -> None:
    """Set a column of an account, and enter that with what was there before, if it was another."""
    held = select(column).where(accounts.c.id == change.account_id).with_for_update(key_share=True)
    before = connection.execute(held).scalar()
    if before is not None and before != value:
        values = {column: value, accounts.c.updated_at: now_ns}
        connection.execute(accounts.update().where(accounts.c.id == change.account_id).values(values))
        data = changed({column.name: before}, {column.name: value})
        enter_audit(connection, structs.replace(change, data=data), now_ns)


def note_storage(catalog: Catalog, account_id: str, now_ns: int, *, is_full: bool, used: int, allowed: int) -> None:
    """Enter that an account's storage is nearly full, once, with an event; or that it is not (any more)."""
    nearly_full = accounts.c.nearly_full_at
    query = accounts.update().where(accounts.c.id == account_id)
    query = query.where(nearly_full.is_(None) if is_full else nearly_full.is_not(None))
    with catalog.write() as connection:
        changed = connection.execute(query.values(nearly_full_at=now_ns if is_full else None)).rowcount
        if changed and is_full:
            enter_event(connection, EventKind.STORAGE_NEARLY_FULL, account_id, now_ns, used=used, allowed=allowed)


def usage(catalog: Catalog, account_id: str) -> tuple[int, int]:
    """Return (finished backups, bytes of live packs) of an account, both without the trash."""
    with catalog.read() as connection:
        count = connection.execute(
            select(func.count()).where(backups.c.account_id == account_id, backups.c.state == State.SUCCESSFUL)
        ).scalar_one()
        return int(count), counted_bytes(connection, account_id)


def usages(catalog: Catalog) -> dict[str, tuple[int, int]]:
    """Return the same of all accounts that have backups or packs, by two queries."""
    good = (
        select(backups.c.account_id, func.count())
        .where(backups.c.state == State.SUCCESSFUL)
        .group_by(backups.c.account_id)
    )
    live = (
        select(packs.c.account_id, func.sum(packs.c.size), func.max(accounts.c.trash_bytes))
        .join(accounts, accounts.c.id == packs.c.account_id)
        .where(packs.c.state == LIVE)
        .group_by(packs.c.account_id)
    )
    with catalog.read() as connection:
        counts = {row[0]: int(row[1]) for row in connection.execute(good)}
        sizes = {row[0]: max(0, int(row[1]) - int(row[2] or 0)) for row in connection.execute(live)}
    return {account_id: (counts.get(account_id, 0), sizes.get(account_id, 0)) for account_id in {*counts, *sizes}}
