"""Rebuilding and erasing in the catalog: rows recorded as the store has them, and rows deleted for good."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import structs
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.accounts.apps import settings_text
from holdfast.catalog.accounts.erasure import require_due
from holdfast.catalog.backups.audited import enter_gone
from holdfast.catalog.database.access_tables import invitations, keys, links, members, sessions, sign_in_links
from holdfast.catalog.database.copy_before import file_copies, remove_copies
from holdfast.catalog.database.engine import Catalog, CatalogError
from holdfast.catalog.database.held import hold_account, hold_app
from holdfast.catalog.database.tables import accounts, apps, backups, deliveries, endpoints, events, jobs, packs
from holdfast.catalog.events.audit import Change, enter_audit, erase_audit
from holdfast.catalog.events.days import count, fill_days
from holdfast.catalog.packs.ledger import forget_trash_bytes
from holdfast.catalog.people.keys import insert_key
from holdfast.catalog.people.members import enter_member, enter_person, forget_strangers
from holdfast.catalog.people.records import Key, Member
from holdfast.catalog.people.views import end_views
from holdfast.catalog.records import OPEN_JOBS, Account, Actor, App, Backup, State

ERASED = b""
"""The value in place of an erased data key."""


_UNDER_WAY = (State.QUEUED, State.RUNNING)


class WorkRunning(Exception):
    """A `backup` or a `restore` of the account is queued or running; the message says which."""


class InTheWay(Exception):
    """Another row has the name or address that this one should get; the message says which."""


def enter_account(catalog: Catalog, account: Account) -> bool:
    """Record an account as its account record has it; return True when it was missing. Its epoch and commits stay.

    Raises InTheWay.
    """
    values: dict[str, Any] = {
        "email": account.email,
        "plan": account.plan,
        "data_key_sealed": account.data_key_sealed,
        "link_secret_sealed": account.link_secret_sealed,
        "external_id": account.external_id,
        "name": account.name,
        "is_suspended": account.is_suspended,
        "ended_at": account.ended_at,
    }
    with _in_the_way(f"Another account has the address {account.email}."), catalog.write() as connection:
        if connection.execute(accounts.update().where(accounts.c.id == account.id).values(**values)).rowcount:
            return False
        connection.execute(
            accounts.insert().values(
                id=account.id, created_at=account.created_at, vault_epoch=0, commit_seq=0, **values
            )
        )
        return True


def enter_people(catalog: Catalog, account_id: str, found: Iterable[Key], its_members: Iterable[Member]) -> None:
    """Record the keys and members of an account as its account record has them, in place of those that are there."""
    with catalog.write() as connection:
        used = select(keys.c.id, keys.c.used_at).where(keys.c.account_id == account_id)
        used_at = {row.id: row.used_at for row in connection.execute(used)}
        for table in (keys, members):
            connection.execute(table.delete().where(table.c.account_id == account_id))
        persons = {}
        for member in its_members:
            person = persons[member.person.id] = enter_person(connection, member.person)
            enter_member(connection, structs.replace(member, person=person))
        for key in found:
            maker = persons.get(key.person_id or "")
            person_id = key.person_id if maker is None else maker.id
            if maker is not None or key.person_id is None:  # the key of one who is a member no more opens nothing
                insert_key(connection, structs.replace(key, person_id=person_id, used_at=used_at.get(key.id)))


def enter_app(catalog: Catalog, app: App) -> bool:
    """Record an application as the account record has it; return True when it was missing. Raises InTheWay."""
    values = {
        "name": app.name,
        "path": app.path,
        "node": app.node,
        "settings": settings_text(app.settings),
        "external_id": app.external_id,
        "ended_at": app.ended_at,
        "keep_until": app.keep_until,
    }
    with _in_the_way(f"Another application has the name {app.name}."), catalog.write() as connection:
        if connection.execute(apps.update().where(apps.c.id == app.id).values(**values)).rowcount:
            return False
        connection.execute(
            apps.insert().values(id=app.id, account_id=app.account_id, created_at=app.created_at, **values)
        )
        return True


@contextlib.contextmanager
def _in_the_way(message: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise InTheWay(message) from None


def drop_apps_but(catalog: Catalog, account_id: str, kept: set[str]) -> int:
    """Remove applications that the account record lacks and that have no backups; return their number."""
    dropped = 0
    with catalog.read() as connection:
        found = [row[0] for row in connection.execute(select(apps.c.id).where(apps.c.account_id == account_id))]
    for app_id in found:
        if app_id not in kept:
            with contextlib.suppress(IntegrityError), catalog.write() as connection:
                dropped += connection.execute(apps.delete().where(apps.c.id == app_id)).rowcount
    return dropped


def set_marks(
    catalog: Catalog, backup: Backup, name: str, is_locked: bool, locked_until: int | None, note: str | None
) -> None:
    """Give a backup the name, locks and note that the store has for it. Raises InTheWay."""
    if (backup.name, backup.is_locked, backup.locked_until, backup.note) != (name, is_locked, locked_until, note):
        with _in_the_way(f"Another backup has the name {name}."), catalog.write() as connection:
            connection.execute(
                backups.update()
                .where(backups.c.id == backup.id)
                .values(name=name, is_locked=is_locked, locked_until=locked_until, note=note)
            )


def drop_backup(catalog: Catalog, backup: Backup, now_ns: int, by: Actor) -> None:
    """Remove a backup whose root is gone from the store."""
    with catalog.write() as connection:
        hold_app(connection, backup.app_id)
        if connection.execute(backups.delete().where(backups.c.id == backup.id)).rowcount:
            enter_gone(connection, by, "backup.dropped", backup, now_ns)
            count(connection, catalog.zone, backup.app_id, now_ns)


def count_days(catalog: Catalog, account_id: str, now_ns: int) -> None:
    """Bring the days of an account's applications up to the backups that are there."""
    with catalog.read() as connection:
        found = connection.execute(select(apps.c.id).where(apps.c.account_id == account_id)).scalars().all()
    for app_id in found:
        with catalog.write() as connection:
            hold_app(connection, app_id)
            fill_days(connection, catalog.zone, app_id, now_ns)


def move_on(catalog: Catalog, account_id: str, commit_seq: int, change: Change, now_ns: int) -> None:
    """Fence everything running on the vault, and count on from at least `commit_seq`: the last step of a rebuild."""
    with catalog.write() as connection:
        enter_audit(connection, change, now_ns)
        forget_trash_bytes(connection, account_id)
        now = connection.execute(
            select(accounts.c.commit_seq).where(accounts.c.id == account_id).with_for_update(key_share=True)
        ).scalar_one()
        connection.execute(
            accounts.update()
            .where(accounts.c.id == account_id)
            .values(
                vault_epoch=accounts.c.vault_epoch + 1,
                vault_commits=accounts.c.vault_commits + 1,
                commit_seq=max(int(now), commit_seq),
            )
        )


def check_nothing_running(catalog: Catalog, account_id: str) -> None:
    """Raise WorkRunning if a backup or a restore of an account is queued or running."""
    with catalog.read() as connection:
        _check_nothing_running(connection, account_id)


def erase_keys(catalog: Catalog, account_id: str, now_ns: int, by: Actor, *, only_if_due: bool = False) -> list[bytes]:
    """Overwrite an account's wrapped keys, so that nothing of its vault opens again; return the old bytes.

    Everything of the account is deleted in the same transaction: no schedule, proof or notice must find it while its
    packs vanish. On SQLite the old bytes are zeroed where they stood, and the write-ahead log is emptied. Raises
    WorkRunning, with nothing changed, and CatalogError when another process keeps the log from being emptied.
    `only_if_due`: raises NotDue unless the account is to be erased by now.
    """
    with catalog.read() as connection:
        row = connection.execute(
            select(accounts.c.data_key_sealed, accounts.c.link_secret_sealed).where(accounts.c.id == account_id)
        ).one()
        sealed = connection.execute(select(keys.c.sealed).where(keys.c.account_id == account_id)).scalars().all()
    old = [bytes(value) for value in (*row, *sealed) if value]
    is_sqlite = catalog.engine.dialect.name == "sqlite"
    with catalog.write() as connection:
        if is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        # The applications' rows are held, as by whoever enters a backup or a restore.
        of_account = select(apps.c.id).where(apps.c.account_id == account_id).order_by(apps.c.id)
        connection.execute(of_account.with_for_update(key_share=True)).all()
        hold_account(connection, account_id)
        if only_if_due:
            require_due(connection, account_id, now_ns)
        _check_nothing_running(connection, account_id)
        _forget_belongings(connection, account_id)
        erase_audit(connection, account_id)
        enter_audit(connection, Change(by, "account.erased", account_id), now_ns)
        connection.execute(
            accounts.update()
            .where(accounts.c.id == account_id)
            .values(
                data_key_sealed=ERASED,
                link_secret_sealed=ERASED,
                vault_epoch=accounts.c.vault_epoch + 1,
            )
        )
    wipe(catalog)
    return old


def _check_nothing_running(connection: Connection, account_id: str) -> None:
    making = select(backups.c.id).where(backups.c.account_id == account_id, backups.c.state.in_(_UNDER_WAY))
    restoring = select(jobs.c.id).where(
        jobs.c.account_id == account_id, jobs.c.kind == "restore", jobs.c.state.in_(OPEN_JOBS)
    )
    for what, query in (("backup", making), ("restore", restoring)):
        if connection.execute(query.limit(1)).first():
            raise WorkRunning(what)


def wipe(catalog: Catalog) -> None:
    """Leave nothing of overwritten rows in the database's files, nor in copies from before upgrades.

    Raises CatalogError.
    """
    with catalog.engine.connect() as connection:
        if catalog.engine.dialect.name != "sqlite":
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            remove_copies(connection)
        except OSError as error:
            raise CatalogError(
                f"A copy of the catalog from before an upgrade ({error.filename}) cannot be removed "
                f"({error.strerror}); remove it and erase again."
            ) from error
        if catalog.engine.dialect.name != "sqlite":
            connection.exec_driver_sql("VACUUM FULL accounts")
            connection.exec_driver_sql("VACUUM FULL keys")
            return
        busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        if busy:
            raise CatalogError(
                "The catalog's write-ahead log is in use by another process; stop `holdfast serve` and erase again."
            )


def is_left_in_files(catalog: Catalog, secrets: list[bytes]) -> bool:
    """Return True if any of the given bytes is still in a file of an SQLite catalog. False for a database server."""
    if catalog.engine.dialect.name != "sqlite":
        return False
    where = Path(catalog.where)
    for path in (*(Path(f"{where}{end}") for end in ("", "-wal", "-journal")), *file_copies(where)):
        if path.exists():
            data = path.read_bytes()
            if any(secret in data for secret in secrets):
                return True
    return False


def forget_account(catalog: Catalog, account_id: str) -> None:
    """Remove an account and all that belongs to it."""
    with catalog.write() as connection:
        _forget_belongings(connection, account_id)
        connection.execute(accounts.delete().where(accounts.c.id == account_id))


def _forget_belongings(connection: Connection, account_id: str) -> None:
    end_views(connection, sessions.c.views_account_id == account_id)
    of_account = (sign_in_links, sessions, links, invitations, keys, members)
    for table in (*of_account, deliveries, endpoints, events, jobs, backups, packs, apps):
        connection.execute(table.delete().where(table.c.account_id == account_id))
    forget_strangers(connection)
