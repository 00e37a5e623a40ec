"""The record of an account in its vault's store: everything that a rebuild needs and the packs do not contain.

`vaults/<account>/account`: the account's row and its applications, sealed with the master key, written again after
every change of them; `records/<account>`: a copy of it in another folder. With both lost and the catalog too, nothing
opens the vault: so both are opened again and again, and one that does not open is written anew from the catalog.
`vaults/<account>/marks/<backup>`: a backup's name, locks and note, and since when it is in the trash, if they differ
from its root.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
from msgspec import structs

from holdfast.catalog.accounts import rows as account_rows
from holdfast.catalog.accounts.apps import list_apps
from holdfast.catalog.people.keys import keys_of, main_key_row
from holdfast.catalog.people.members import members_of
from holdfast.catalog.people.records import Key, Member
from holdfast.catalog.records import SYSTEM, Account, App, Backup
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held_in_turn
from holdfast.stores.port import ObjectMissing, Store, StoreError
from holdfast.vault.errors import DamagedError, KeyMismatch
from holdfast.vault.pack.keys import MasterKey

RECORD_NAME = "account"
COPIES_PREFIX = "records/"
MARKS_PREFIX = "marks/"


class Record(msgspec.Struct, frozen=True):
    """The contents of the record. All keys in it are wrapped once more by themselves, or hashed.

    `keys`: without their last use, which is in the catalog alone.
    """

    account: Account
    apps: tuple[App, ...]
    keys: tuple[Key, ...] = ()
    members: tuple[Member, ...] = ()


class _FirstAccount(Account, frozen=True):
    api_key_sealed: bytes = b""


class _FirstRecord(msgspec.Struct, frozen=True):
    """As records were when an account had one key."""

    account: _FirstAccount
    api_key_hash: bytes = b""


class Marks(msgspec.Struct, frozen=True):
    """The changes to a backup since it was taken. Times in nanoseconds."""

    name: str
    is_locked: bool
    locked_until: int | None
    note: str | None = None
    deleted_at: int | None = None
    """When it was put into the trash; None: it is not in it."""


_log = logging.getLogger(__name__)
_record = msgspec.msgpack.Decoder(Record)
_first_record = msgspec.msgpack.Decoder(_FirstRecord)
_marks = msgspec.msgpack.Decoder(Marks)


def store_record(instance: Instance, account_id: str) -> int:
    """Write the record and its copy as the catalog has it now; called after every change, before anyone is told of it.

    Return the number of those that were damaged, a missing record included; an instance from before the copies gets
    them without a word. Raises StoreError: then the change holds, and the next one
    (or the next start) writes the record.
    """
    with _one_at_a_time(instance, account_id):
        account = account_rows.account_by_id(instance.catalog, account_id)
        if account is None or not account.data_key_sealed:
            return 0  # it is being erased
        keys = (structs.replace(key, used_at=None) for key in keys_of(instance.catalog, account_id))
        members = members_of(instance.catalog, account_id)
        record = Record(account, tuple(list_apps(instance.catalog, account_id)), tuple(keys), tuple(members))
        plain = msgspec.msgpack.encode(record)
        bad = 0
        for store, name in _copies(instance, account_id):
            current = _readable(instance, account_id, store, name)
            bad += current is None and (name == RECORD_NAME or is_there(store, name))
            if current != record:
                instance.mark_store_in_use()
                store.put(name, instance.master_key.wrap(plain, f"account record:{account_id}"))
        return bad


def store_record_or_later(instance: Instance, account_id: str) -> None:
    """As `store_record`, behind a change that nobody could make again, as its text is told only once.

    What the store refuses is logged, and written with the next change, or by the day's reconciliation. The caller sees
    before its change that the store is there (`Instance.confirm_store`).
    """
    try:
        store_record(instance, account_id)
    except StoreError as error:
        _log.error("the record of account %s is older than its keys until the store takes it: %s", account_id, error)


def mend_record(instance: Instance, account_id: str) -> int:
    """Write a record or copy anew that was damaged or missing, and log that; return their number. Raises StoreError."""
    bad = store_record(instance, account_id)
    if bad:
        _log.error("%d of the 2 copies of the record of account %s were damaged or missing", bad, account_id)
    return bad


def bad_copies(instance: Instance, account_id: str) -> int:
    """Return how many of the record and its copy are damaged, as `store_record` counts; change nothing."""
    return sum(
        _readable(instance, account_id, store, name) is None and (name == RECORD_NAME or is_there(store, name))
        for store, name in _copies(instance, account_id)
    )


def store_records(instance: Instance) -> None:
    """Write those records that a crash kept from being written, and those that are damaged. Raises StoreError."""
    for account in account_rows.all_accounts(instance.catalog):
        mend_record(instance, account.id)


def drop_record(instance: Instance, account_id: str) -> None:
    """Remove the record and its copy. Raises StoreError."""
    for store, name in _copies(instance, account_id):
        store.delete(name)


def read_record(instance: Instance, account_id: str) -> Record:
    """The record of a vault, or else its copy. Raises ObjectMissing, KeyMismatch, DamagedError, StoreError."""
    (store, name), copy = _copies(instance, account_id)
    try:
        return _read(instance, account_id, store, name)
    except (ObjectMissing, KeyMismatch, DamagedError) as error:
        try:
            return _read(instance, account_id, *copy)
        except (ObjectMissing, KeyMismatch, DamagedError):
            raise error from None


def _copies(instance: Instance, account_id: str) -> tuple[tuple[Store, str], tuple[Store, str]]:
    return (instance.vault_store(account_id), RECORD_NAME), (instance.store, COPIES_PREFIX + account_id)


def is_there(store: Store, name: str) -> bool:
    """Return True if the store has an object. Raises StoreError."""
    try:
        store.size(name)
    except ObjectMissing:
        return False
    return True


def _readable(instance: Instance, account_id: str, store: Store, name: str) -> Record | None:
    try:
        return _read(instance, account_id, store, name)
    except (ObjectMissing, KeyMismatch, DamagedError):
        return None  # the instance opens with its key, so a record that does not open is damaged


def _read(instance: Instance, account_id: str, store: Store, name: str) -> Record:
    return opened_record(instance.master_key, account_id, store.get(name))


def opened_record(key: MasterKey, account_id: str, sealed: bytes) -> Record:
    """Open the bytes of a record. Raises KeyMismatch, DamagedError."""
    plain = key.unwrap(sealed, f"account record:{account_id}")
    try:
        record = _record.decode(plain)
        if not record.keys and (first := _first_record.decode(plain)).api_key_hash:
            record = structs.replace(record, keys=(_first_key(first),))
        return record
    except msgspec.MsgspecError as error:
        raise DamagedError(f"The record of account {account_id} is not one of a known version.") from error


def _first_key(first: _FirstRecord) -> Key:
    account = first.account
    return main_key_row(account.id, first.api_key_hash, "", account.api_key_sealed, SYSTEM, account.created_at)


def marks_of(backup: Backup) -> Marks:
    """Return the marks of a backup as the catalog has it."""
    return Marks(backup.name, backup.is_locked, backup.locked_until, backup.note, backup.deleted_at)


def store_marks(instance: Instance, backup: Backup) -> None:
    """Write a backup's marks. Raises StoreError."""
    sealed = instance.master_key.wrap(msgspec.msgpack.encode(marks_of(backup)), f"marks:{backup.id}")
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
    """Hold the account's record: the last to write must be the last who read, or an older state would win."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held_in_turn(instance, f"record-{account_id}"))
        except OSError as error:
            raise _not_locked(instance, error) from error
        yield


def _not_locked(instance: Instance, error: OSError) -> StoreError:
    return StoreError(
        f"The record of the account is not in the store yet, as the folder {instance.run} of locks cannot be used "
        f"({error.strerror or error}); check its disk, and try again."
    )
