"""Rebuild the catalog from the store and the master key alone.

This is for a catalog that is gone or damaged, and for one that is older than the store (restored from a copy). Accounts
and applications come from their records, packs from their own trailers, backups from their roots. Rows of what the
store no longer has are removed: deleted backups do not come back, and those in the trash come back into it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups import rebuild as rebuilding
from holdfast.catalog.backups import trash
from holdfast.catalog.backups.changes.asked import BackupNameTaken, ReferenceTaken, insert_backup
from holdfast.catalog.backups.damage import DAMAGED, Found, record_findings
from holdfast.catalog.backups.found import KEPT_STATES, backup_by_id, backups_in, kept_backups
from holdfast.catalog.database.health import file_fault, sqlite_path
from holdfast.catalog.events.audit import Change
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.records import Actor, App, Backup, State, Warned
from holdfast.service.instance.clock import Clock, SystemClock
from holdfast.service.instance.config import read_config
from holdfast.service.instance.file_locks import JOBS_LOCK, SERVE_LOCK, is_held_in
from holdfast.service.instance.home import (
    Instance,
    InstanceError,
    catalog_url_of,
    check_format,
    has_vaults,
    open_instance,
)
from holdfast.service.registry.account_record import COPIES_PREFIX, Marks, Record, read_marks, read_record
from holdfast.service.take.schedule import recompute
from holdfast.stores.durable import sync_folder
from holdfast.stores.port import ObjectMissing
from holdfast.units import SECOND_NS
from holdfast.vault.errors import VaultError
from holdfast.vault.maintenance.mark import backup_ids
from holdfast.vault.manifest.root import Root
from holdfast.vault.pack.copy import packs_in
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.table import open_table, read_footer

READERS = 8
NO_FOLDER = "/nonexistent"
"""The path of an application that was removed, and of which the store has backups."""
_VAULTS = "vaults/"


@dataclass(slots=True)
class Rebuilt:
    """The outcome for one account."""

    account_id: str
    email: str
    apps: int = 0
    packs: int = 0
    backups: int = 0
    dropped_backups: int = 0
    problems: list[str] = field(default_factory=list)
    """Sentences: what could not come back, and why."""


def open_to_rebuild(home: Path, *, clock: Clock | None = None) -> tuple[Instance, Path | None]:
    """Open an instance whose catalog is to be rebuilt; one that is gone or damaged is made anew, empty.

    Return with it the folder that a damaged catalog was moved to, for whoever wants to look into it. It is moved only
    when the store has vaults to rebuild it from. Raises InstanceError, and what `open_instance` raises.
    """
    check_format(home)
    aside = set_damaged_aside(home, clock or SystemClock())
    return open_instance(home, clock=clock, new_catalog=True), aside


def set_damaged_aside(home: Path, clock: Clock) -> Path | None:
    """Move a damaged catalog out of the way of a rebuild, and return the folder it is in then; None for a good one.

    Raises InstanceError (no vaults to rebuild it from, a server uses it), ConfigError.
    """
    path = sqlite_path(catalog_url_of(home, read_config(home)))
    if path is not None and not (path.exists() and path.stat().st_size):
        _require_vaults(home)
    elif path is not None and file_fault(path) is not None:
        _require_vaults(home)
        if any(is_held_in(home / "run", name) for name in (SERVE_LOCK, JOBS_LOCK)):
            raise InstanceError(f"The catalog {path} is damaged, and a server uses it; stop the server first.")
        return _moved_aside(path, clock)
    return None


def _require_vaults(home: Path) -> None:
    if not has_vaults(home):
        raise InstanceError(f"There are no vaults in the store of {home}; is its disk mounted? Nothing was changed.")


def _moved_aside(path: Path, clock: Clock) -> Path:
    when = datetime.fromtimestamp(clock.now_ns() // SECOND_NS, UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in count(1):
        aside = path.parent / f"damaged-catalog-{when}{'' if number == 1 else f'-{number}'}"
        with suppress(FileExistsError):
            aside.mkdir(mode=0o700)
            break
    # The log first: SQLite must not find one that belongs to another file.
    for name in (f"{path.name}-wal", f"{path.name}-shm", path.name):
        with suppress(FileNotFoundError):
            (path.parent / name).rename(aside / name)
    sync_folder(aside)
    sync_folder(path.parent)
    return aside


def rebuild(instance: Instance, by: Actor, on_account: Callable[[Rebuilt], None] = lambda done: None) -> list[Rebuilt]:
    """Bring the catalog to what the store says.

    Raises InstanceError (the store has no vaults), KeyMismatch (another master key; nothing was changed), StoreError.
    """
    found = vault_ids(instance)
    if not found:
        raise InstanceError(f"There are no vaults in the store of {instance.home}; is its disk mounted?")
    done = []
    for account_id in found:
        done.append(_rebuild(instance, account_id, by))
        on_account(done[-1])
    recompute(instance, None)  # when they are due is not in the store
    return done


def vault_ids(instance: Instance) -> list[str]:
    """Accounts that have a vault in the store."""
    return sorted(
        {name.split("/")[1] for prefix in (_VAULTS, COPIES_PREFIX) for name, _ in instance.store.list(prefix)}
    )


def _rebuild(instance: Instance, account_id: str, by: Actor) -> Rebuilt:
    try:
        record = read_record(instance, account_id)
    except (ObjectMissing, VaultError) as error:
        problem = f"Its record cannot be read ({error}), so the vault {account_id} stays closed."
        return Rebuilt(account_id, "", problems=[problem])
    done = Rebuilt(account_id, record.account.email)
    try:
        rebuilding.enter_account(instance.catalog, record.account)
    except rebuilding.InTheWay as error:
        done.problems.append(f"{error} Change that one, and rebuild again; the vault {account_id} stays closed.")
        return done
    rebuilding.enter_people(instance.catalog, account_id, record.keys, record.members)
    for app in record.apps:
        try:
            done.apps += rebuilding.enter_app(instance.catalog, app)
        except rebuilding.InTheWay as error:
            done.problems.append(f"{error} The application {app.id} keeps its name of before.")
    instance.forget_vault(account_id)
    _packs(instance, record, done)
    roots = _roots(instance, account_id, done)
    _backups(instance, record, roots, done, by)
    rebuilding.drop_apps_but(instance.catalog, account_id, {app.id for app in record.apps})
    rebuilding.count_days(instance.catalog, account_id, instance.clock.now_ns())
    commit_seq = max((root.commit_seq for root in roots.values()), default=0)
    counts = {"apps": done.apps, "packs": done.packs, "backups": done.backups, "dropped": done.dropped_backups}
    change = Change(by, "account.rebuilt", account_id, data=counts)
    rebuilding.move_on(instance.catalog, account_id, commit_seq, change, instance.clock.now_ns())
    return done


def _packs(instance: Instance, record: Record, done: Rebuilt) -> None:
    """Enter packs that the ledger does not have, drop those that the store does not have."""
    account_id = record.account.id
    store = instance.vault_store(account_id)
    data_key = instance.master_key.unwrap(record.account.data_key_sealed, f"data key:{account_id}")
    keys = VaultKeys(data_key, account_id)
    ledger = SqlLedger(instance.catalog, account_id)
    in_store = dict(packs_in(store))
    known = set(ledger.live_pack_ids()) | {pack_id for pack_id, _ in ledger.condemned()}

    def read(pack_id: bytes) -> PackRow | str:
        try:
            row = read_footer(keys, store, pack_id)
            open_table(keys, row)
        except (VaultError, ObjectMissing) as error:
            return str(error)
        return row

    with ThreadPoolExecutor(READERS) as readers:
        read_rows = list(readers.map(read, [pack_id for pack_id in in_store if pack_id not in known]))
    fresh = [row for row in read_rows if isinstance(row, PackRow)]
    done.problems += [row for row in read_rows if isinstance(row, str)]
    ledger.reconcile(fresh, [pack_id for pack_id in known if pack_id not in in_store])
    done.packs = len(fresh)


def _roots(instance: Instance, account_id: str, done: Rebuilt) -> dict[str, Root]:
    """The roots in the store that can be read."""
    vault = instance.vault(account_id)
    vault.index(True)
    roots = {}
    for backup_id in backup_ids(instance.vault_store(account_id)):
        try:
            roots[backup_id] = vault.root(backup_id)
        except VaultError as error:
            done.problems.append(f"Backup {backup_id} cannot come back: {error}")
    return roots


def _backups(instance: Instance, record: Record, roots: dict[str, Root], done: Rebuilt, by: Actor) -> None:
    account_id = record.account.id
    deleting = [b for b in backups_in(instance.catalog, [State.DELETING]) if b.account_id == account_id]
    for known in [*kept_backups(instance.catalog, account_id), *deleting]:
        if known.id not in roots:
            rebuilding.drop_backup(instance.catalog, known, instance.clock.now_ns(), by)
            done.dropped_backups += 1
        elif known.state in KEPT_STATES:
            marks = read_marks(instance, account_id, known.id)
            if marks is not None:
                _mark(instance, known, marks)
    for root in sorted(roots.values(), key=lambda r: r.commit_seq):
        there = backup_by_id(instance.catalog, root.backup_id)
        if there is not None and there.state in KEPT_STATES:
            continue
        if there is not None:
            # It was not finished when this catalog was copied; its root says that it was.
            rebuilding.drop_backup(instance.catalog, there, instance.clock.now_ns(), by)
        app = _app_of(instance, record, root)
        marks = read_marks(instance, account_id, root.backup_id)
        _enter(instance, _backup_of(instance, account_id, app, root, marks), by)
        done.backups += 1
        if (missing := instance.vault(account_id).missing_of(root.backup_id)) is not None:
            done.problems.append(f"Backup {root.backup_id} came back, but not all of it is there: {missing}")
            found = Found(root.backup_id, (Warned("", DAMAGED, missing),))
            record_findings(instance.catalog, [found], instance.clock.now_ns())


def _app_of(instance: Instance, record: Record, root: Root) -> App:
    """The application of a backup; one that was removed since comes back without a folder."""
    app = app_by_id(instance.catalog, root.labels.get("app_id", ""))
    if app is not None and app.account_id == record.account.id:
        return app
    lost = App(
        id=root.labels.get("app_id", "0" * 32),
        account_id=record.account.id,
        name=f"{root.labels.get('app', 'unknown')} (removed)",
        path=NO_FOLDER,
        node=instance.config.node,
        created_at=root.created_ns,
    )
    rebuilding.enter_app(instance.catalog, lost)
    return lost


def _backup_of(instance: Instance, account_id: str, app: App, root: Root, marks: Marks | None) -> Backup:
    labels = root.labels
    return Backup(
        id=root.backup_id,
        account_id=account_id,
        app_id=app.id,
        name=marks.name if marks else labels.get("name", root.backup_id),
        state=State.TRASHED if marks and marks.deleted_at else State.SUCCESSFUL,
        origin=labels.get("origin", "manual"),
        created_at=int(labels.get("created_at", root.created_ns)),
        finished_at=root.finished_ns or root.created_ns,
        zip_bytes=root.zip_bytes,
        tar_bytes=root.tar_bytes,
        digest=root.digest,
        files=root.files,
        content_bytes=root.content_bytes,
        stored_bytes=root.stored_bytes + instance.vault_store(account_id).size(f"backups/{root.backup_id}"),
        is_locked=marks.is_locked if marks else False,
        locked_until=marks.locked_until if marks else None,
        error_code=None,
        error_message=None,
        warnings=(),
        progress=None,
        node=app.node,
        verified_at=None,
        restore_proved_at=None,
        idempotency_key=None,
        request_hash=None,
        commit_seq=root.commit_seq,
        zip_layout=root.zip_layout,
        deleted_at=marks.deleted_at if marks else None,
        is_operators=labels.get("requested_by") == "operator",
        note=marks.note if marks else None,
        reference=labels.get("reference"),
    )


def _enter(instance: Instance, backup: Backup, by: Actor) -> None:
    """Enter it; a name that another one has by now gets a number, and a reference stays with that one."""
    for number in count(2):
        try:
            insert_backup(instance.catalog, backup, by)
            return
        except ReferenceTaken:
            backup = msgspec.structs.replace(backup, reference=None)
        except BackupNameTaken:
            backup = msgspec.structs.replace(backup, name=f"{backup.name.removesuffix(f' ({number - 1})')} ({number})")


def _mark(instance: Instance, backup: Backup, marks: Marks) -> None:
    """Give a backup the name, the locks and the place, in the trash or out of it, that the store has for it."""
    try:
        rebuilding.set_marks(instance.catalog, backup, marks.name, marks.is_locked, marks.locked_until, marks.note)
    except rebuilding.InTheWay:
        # Another backup has that name in this older catalog; the locks matter more.
        rebuilding.set_marks(instance.catalog, backup, backup.name, marks.is_locked, marks.locked_until, marks.note)
    trash.restore_marks(instance.catalog, backup.id, marks.deleted_at)
