"""Rows for the catalog's tests, with only what a test cares about spelled out."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from holdfast.catalog.accounts.apps import insert_app
from holdfast.catalog.accounts.rows import insert_account
from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.run import finish_backup, start_backup
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.people.records import Key
from holdfast.catalog.records import SYSTEM, Account, App, Backup, State

SECOND = 1_000_000_000


def key_hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def account(catalog: Catalog, name: str = "ana") -> Account:
    """An account that is in the catalog, with the key `key_hash(name)`."""
    made = Account(
        id=name,
        email=f"{name}@example.com",
        plan="Silver",
        created_at=0,
        data_key_sealed=b"data\x00key",
        link_secret_sealed=b"link",
        vault_epoch=0,
    )
    insert_account(catalog, made, main_key(name, name), SYSTEM)
    return made


def main_key(account_id: str, name: str) -> Key:
    """The row of an account's main key, with the hash `key_hash(name)`."""
    return Key(
        id=key_hash(name).hex()[:32],
        account_id=account_id,
        hash=key_hash(name),
        name="main",
        start="hf_",
        sealed=b"api",
        person_id=None,
        made_by=SYSTEM,
        rights="main",
        app_ids=None,
        networks=None,
        created_at=0,
        ends_at=None,
    )


def app(catalog: Catalog, name: str = "bot", account_id: str = "ana") -> App:
    """An application that is in the catalog."""
    made = App(
        id=key_hash(account_id + name).hex()[:32],
        account_id=account_id,
        name=name,
        path="/srv/größe",
        node="main",
        created_at=0,
    )
    insert_app(catalog, made, SYSTEM)
    return made


def backup(of: App, number: int, name: str | None = None) -> Backup:
    """A queued backup, not in the catalog yet; `number` makes its id and its time."""
    return Backup(
        id=f"{number:032x}",
        account_id=of.account_id,
        app_id=of.id,
        name=name or f"backup {number}",
        state=State.QUEUED,
        origin="manual",
        created_at=number * SECOND,
        finished_at=None,
        zip_bytes=0,
        tar_bytes=0,
        digest=None,
        files=0,
        content_bytes=0,
        stored_bytes=0,
        is_locked=False,
        locked_until=None,
        error_code=None,
        error_message=None,
        warnings=(),
        progress=None,
        node="main",
        verified_at=None,
        restore_proved_at=None,
        idempotency_key=None,
        request_hash=None,
        commit_seq=None,
    )


def done(catalog: Catalog, of: App, number: int, name: str | None = None) -> Backup:
    """A successful backup that is in the catalog."""
    made = backup(of, number, name)
    insert_backup(catalog, made, SYSTEM)
    assert start_backup(catalog, made.id, "main", 1)
    finished_at = (number + 1) * SECOND
    values: dict[str, Any] = {
        "zip_bytes": 10**10 + number,
        "digest": bytes([number % 256]) * 32,
        "commit_seq": number,
    }
    assert finish_backup(catalog, made.id, 0, [], finished_at=finished_at, **values)
    return msgspec.structs.replace(made, state=State.SUCCESSFUL, finished_at=finished_at, **values)
