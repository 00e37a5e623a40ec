"""The record of an account in its vault's store: everything that a rebuild needs and the packs do not contain.

`vaults/<account>/account`: the account's row and its applications, sealed with the master key, written again after
every change of them. `vaults/<account>/marks/<backup>`: a backup's name and locks, if they differ from its root.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from holdfast.catalog.accounts import rows as account_rows
from holdfast.catalog.accounts.apps import list_apps
from holdfast.catalog.records import Account, App, Backup
from holdfast.service.instance.home import Instance
from holdfast.stores.port import ObjectMissing
from holdfast.vault.errors import DamagedError

RECORD_NAME = "account"
MARKS_PREFIX = "marks/"


class Record(msgspec.Struct, frozen=True):
    """The contents of the record. All keys in it are wrapped once more by themselves."""

    account: Account
    api_key_hash: bytes
    apps: tuple[App, ...]


class Marks(msgspec.Struct, frozen=True):
    """The changes to a backup since it was taken. `locked_until`: nanoseconds."""

    name: str
    is_locked: bool
    locked_until: int | None


_record = msgspec.msgpack.Decoder(Record)
_marks = msgspec.msgpack.Decoder(Marks)


def store_record(instance: Instance, account_id: str) -> None:
    """Write the record as the catalog has it now; called after every change, before anyone is told of it.

    Raises StoreError: then the change holds, and the next one (or the next start) writes the record.
    """
    with _one_at_a_time(instance, account_id):
        found = account_rows.account_with_key(instance.catalog, account_id)
        if found is None:
            return
        account, api_key_hash = found
        if not account.data_key_sealed:
            return  # it is being erased
        record = Record(account, api_key_hash, tuple(list_apps(instance.catalog, account_id)))
        plain = msgspec.msgpack.encode(record)
        store = instance.vault_store(account_id)
        if _current(instance, account_id) != record:
            instance.mark_store_in_use()
            store.put(RECORD_NAME, instance.master_key.wrap(plain, f"account record:{account_id}"))


def _current(instance: Instance, account_id: str) -> Record | None:
    try:
        return read_record(instance, account_id)
    except (ObjectMissing, DamagedError):
        return None


def store_records(instance: Instance) -> None:
    """Write those records that a crash kept from being written."""
    for account in account_rows.all_accounts(instance.catalog):
        store_record(instance, account.id)


def read_record(instance: Instance, account_id: str) -> Record:
    """The record of a vault. Raises ObjectMissing, KeyMismatch, DamagedError, StoreError."""
    sealed = instance.vault_store(account_id).get(RECORD_NAME)
    plain = instance.master_key.unwrap(sealed, f"account record:{account_id}")
    try:
        return _record.decode(plain)
    except msgspec.MsgspecError as error:
        raise DamagedError(f"The record of account {account_id} is not one of a known version.") from error


def store_marks(instance: Instance, backup: Backup) -> None:
    """Write a backup's name and locks. Raises StoreError."""
    marks = Marks(backup.name, backup.is_locked, backup.locked_until)
    sealed = instance.master_key.wrap(msgspec.msgpack.encode(marks), f"marks:{backup.id}")
    instance.vault_store(backup.account_id).put(MARKS_PREFIX + backup.id, sealed)


def read_marks(instance: Instance, account_id: str, backup_id: str) -> Marks | None:
    """A backup's marks, if there are any. Raises KeyMismatch, DamagedError, StoreError."""
    try:
        sealed = instance.vault_store(account_id).get(MARKS_PREFIX + backup_id)
    except ObjectMissing:
        return None
    try:
        return _marks.decode(instance.master_key.unwrap(sealed, f"marks:{backup_id}"))
    except msgspec.MsgspecError as error:
        raise DamagedError(f"The marks of backup {backup_id} are not of a known version.") from error


def drop_marks(instance: Instance, backup: Backup) -> None:
    """Remove a backup's marks with it. Raises StoreError."""
    instance.vault_store(backup.account_id).delete(MARKS_PREFIX + backup.id)


@contextmanager
def _one_at_a_time(instance: Instance, account_id: str) -> Iterator[None]:
    """Who writes last has read last: else an older state could overwrite a newer one."""
    fd = os.open(instance.run / f"record-{account_id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
