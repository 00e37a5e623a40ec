"""Records: rows of the catalog as frozen structs. Times are integers, nanoseconds since 1970; sizes are bytes."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from holdfast.sources.databases.spec import DatabaseSpec

IMPORTED = "imported"
"""Origin of a backup that was made of an uploaded archive."""


class State(StrEnum):
    """Where a backup stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DELETING = "deleting"


class Account(msgspec.Struct, frozen=True):
    """One customer of the host."""

    id: str
    email: str
    plan: str
    created_at: int
    data_key_sealed: bytes
    link_secret_sealed: bytes
    api_key_sealed: bytes
    vault_epoch: int


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shell command of the operator's that runs before or after the copy."""

    command: str
    timeout_seconds: int = 60


class AppSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an application is backed up. `ignore`: patterns in gitignore syntax, one a line."""

    ignore: tuple[str, ...] = ()
    databases: tuple[DatabaseSpec, ...] = ()
    before: Hook | None = None
    after: Hook | None = None


class App(msgspec.Struct, frozen=True):
    """One application of an account. `path`: absolute, without symbolic links."""

    id: str
    account_id: str
    name: str
    path: str
    node: str
    created_at: int
    settings: AppSettings = AppSettings()


class Warned(msgspec.Struct, frozen=True):
    """One warning of a backup."""

    path: str
    code: str
    message: str


class Progressed(msgspec.Struct, frozen=True):
    """How far a running backup is."""

    files: int
    bytes: int
    total_files: int
    total_bytes: int


class Backup(msgspec.Struct, frozen=True):
    """One backup, in whatever state."""

    id: str
    account_id: str
    app_id: str
    name: str
    state: State
    origin: str
    created_at: int
    finished_at: int | None
    zip_bytes: int
    tar_bytes: int
    digest: bytes | None
    link_key: str
    files: int
    content_bytes: int
    stored_bytes: int
    is_locked: bool
    locked_until: int | None
    error_code: str | None
    error_message: str | None
    warnings: tuple[Warned, ...]
    progress: Progressed | None
    node: str
    verified_at: int | None
    restore_proved_at: int | None
    idempotency_key: str | None
    request_hash: str | None
    commit_seq: int | None
    damage: tuple[Warned, ...] = ()
    """What of it can't be read any more, as the last check found it; empty when all can."""


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_JOBS = (JobState.QUEUED, JobState.RUNNING)


class Job(msgspec.Struct, frozen=True):
    """A deed on one backup that takes its time: `kind` is `restore` or `verify`.

    `app_id`: for a restore the application that is written to. `request`, `result`: JSON, as their deed writes it.
    """

    id: str
    account_id: str
    app_id: str
    backup_id: str
    kind: str
    state: JobState
    request: str
    result: str | None
    error_code: str | None
    error_message: str | None
    progress: Progressed | None
    cancel_asked: bool
    node: str
    created_at: int
    finished_at: int | None
