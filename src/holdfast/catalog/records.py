"""Records: rows of the catalog as frozen structs. Times are integers, nanoseconds since 1970; sizes are bytes."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from holdfast.sources.databases.spec import DatabaseSpec
from holdfast.units import DAY_NS
from holdfast.vault.control import TimedProgress as TimedProgress

Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]

TRASH_NS = DAY_NS
"""A deleted backup stays in the trash this long."""

IMPORTED = "imported"
"""Origin of a backup that was made of an uploaded archive."""

CANCELLED = "CANCELLED"
"""The error code of a backup that somebody cancelled."""


def new_id(now_ns: int) -> str:
    """Return the id of a new backup, job or delivery: 32 hex digits, the time in milliseconds, then random digits.

    Ids sort as what they name was made.
    """
    return f"{now_ns // 1_000_000:012x}{secrets.token_hex(10)}"


class State(StrEnum):
    """The state of a backup."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DELETING = "deleting"
    TRASHED = "trashed"
    """Deleted, until the trash is emptied; it was successful."""


class ActorKind(StrEnum):
    """The kind of who does something."""

    PERSON = "person"
    KEY = "key"
    SCHEDULE = "schedule"
    HOST = "host"
    OPERATOR = "operator"
    SYSTEM = "system"


class Actor(msgspec.Struct, frozen=True):
    """Who does something, as the audit has it. `id`: of a person or key; of an operator at the shell his uid."""

    kind: ActorKind
    id: str
    name: str
    ip: str | None = None


SYSTEM = Actor(ActorKind.SYSTEM, "", "Holdfast")
"""The actor of what the program does by itself."""

SCHEDULE = Actor(ActorKind.SCHEDULE, "", "schedule")
"""The actor of scheduled backups."""


class Account(msgspec.Struct, frozen=True):
    """One customer of the host."""

    id: str
    email: str
    plan: str
    created_at: int
    data_key_sealed: bytes
    link_secret_sealed: bytes
    vault_epoch: int
    external_id: str | None = None
    """The host's own id of it."""
    name: str | None = None
    is_suspended: bool = False
    """True: its keys and people may list and download, and change nothing."""
    ended_at: int | None = None
    """Set: the host has ended it; nobody but the operator and the host reaches it."""


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shell command of the operator's that runs before or after the copy."""

    command: str
    timeout_seconds: int = 60


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The rules for keeping backups of an application: any rule keeps its backups. Without rules all are kept.

    `keep_last`: number of newest ones; `keep_hourly` to `keep_yearly`: the newest of each of so many hours, days, weeks
    (ISO), months, years that have any; `keep_within`: all that are not older than that, as `36h`, `30d`, `8w`.
    """

    keep_last: Count = 0
    keep_hourly: Count = 0
    keep_daily: Count = 0
    keep_weekly: Count = 0
    keep_monthly: Count = 0
    keep_yearly: Count = 0
    keep_within: Annotated[str, msgspec.Meta(pattern=r"^([1-9][0-9]{0,4}[hdw])?\Z")] = ""


class Shrunk(msgspec.Struct, frozen=True):
    """The backup with which an application had shrunk. `at`: its end, nanoseconds; `order`: its number in the order of
    commits; `files`, `bytes`: of its content; `..._before`: of the good backup before it."""

    backup_id: str
    at: int
    order: int
    files: int
    bytes: int
    files_before: int
    bytes_before: int


class RestoredFolder(msgspec.Struct, frozen=True):
    """A folder that a restore made in an application's own. `mark`: the value of its attribute, as long as it is it."""

    path: str
    mark: str


class AppSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings of an application's backups and retention. `ignore`: patterns in gitignore syntax, one a line."""

    ignore: tuple[str, ...] = ()
    databases: tuple[DatabaseSpec, ...] = ()
    before: Hook | None = None
    after: Hook | None = None
    cron: str = ""
    """The schedule of automatic backups: a cron expression in the instance's time zone; empty: never."""
    retention: Retention = Retention()
    restored: tuple[RestoredFolder, ...] = ()
    """Folders that restores put beside the data, and backups leave out."""
    hooks: str = ""
    """The name of commands in `holdfast.toml` that the host gave the application; empty: none."""
    named_databases: tuple[str, ...] = ()
    """The names of databases in `holdfast.toml` that the host gave it."""
    shrunk: Shrunk | None = None
    """Set: retention rests until a person says that the size is right. It is here, and so in the account's record, that
    a rebuild of the catalog does not end the rest."""


class App(msgspec.Struct, frozen=True):
    """One application of an account. `path`: absolute, without symbolic links."""

    id: str
    account_id: str
    name: str
    path: str
    node: str
    created_at: int
    settings: AppSettings = AppSettings()
    external_id: str | None = None
    """The host's own id of it."""
    ended_at: int | None = None
    keep_until: int | None = None
    """With `ended_at`: the host has ended it; until then its backups stay."""


class Warned(msgspec.Struct, frozen=True):
    """One warning of a backup."""

    path: str
    code: str
    message: str


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
    files: int
    content_bytes: int
    stored_bytes: int
    is_locked: bool
    locked_until: int | None
    error_code: str | None
    error_message: str | None
    warnings: tuple[Warned, ...]
    progress: TimedProgress | None
    node: str
    verified_at: int | None
    restore_proved_at: int | None
    idempotency_key: str | None
    request_hash: str | None
    commit_seq: int | None
    damage: tuple[Warned, ...] = ()
    """The files that can't be read any more, as the last check found them; empty when all can."""
    zip_layout: int = 1
    """The version of the layout of its zip, as in its root."""
    is_operators: bool = False
    """True if the operator requested it by hand: the plan's limits do not count it as one of the customer's."""
    deleted_at: int | None = None
    """When it was put into the trash."""
    reference: str | None = None
    """The caller's own id of it."""
    note: str | None = None
    """Its owner's own words about it."""
    zip_sha256: bytes | None = None
    """None until all of it was read back once."""
    error_detail: str | None = None
    """Why it failed, for the operator; `error_message` is for the customer."""

    @property
    def reason(self) -> str | None:
        """Why it failed, as the operator reads it."""
        return self.error_detail or self.error_message

    @property
    def gone_at(self) -> int | None:
        """When the trash lets it go; None unless it is in it."""
        return None if self.deleted_at is None else self.deleted_at + TRASH_NS


class Day(msgspec.Struct, frozen=True):
    """The counts of an application on a day, `YYYY-MM-DD`. Sizes in bytes.

    `good`, `failed`, `cancelled`: backups that ended so, imported ones left out; `missed`: how often it became
    overdue; `damaged`: backups in which something wrong was found; `proved`: backups of which a test restore matched.
    `added_bytes`: what its good and imported backups added to the store; `content_bytes`: of the last good one;
    `stored_bytes`: what all its backups had added that were kept, the trash left out, after the day's last change.
    """

    day: str
    good: int = 0
    failed: int = 0
    cancelled: int = 0
    missed: int = 0
    damaged: int = 0
    proved: int = 0
    added_bytes: int = 0
    content_bytes: int = 0
    stored_bytes: int = 0


PRIVATE = "operator"
"""The name in an entry's data of what only the operator may read: paths and nodes of his machines."""


class AuditFilter(msgspec.Struct, frozen=True):
    """The entries that somebody asks for. None asks for all; `actor`: a kind, an id or a name; `since`: nanoseconds.

    `action`: one, or with a dot at its end all of a noun, as `backup.`.
    """

    account_id: str | None = None
    app_id: str | None = None
    app_ids: Collection[str] | None = None
    actor: str | None = None
    action: str | None = None
    since: int | None = None


class AuditEntry(msgspec.Struct, frozen=True):
    """A change, and who made it. `account_id`: None for one of the instance itself; `data`: what JSON can hold."""

    seq: int
    at: int
    account_id: str | None
    actor: Actor
    action: str
    app_id: str | None
    backup_id: str | None
    job_id: str | None
    data: dict[str, Any]


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_JOBS = (JobState.QUEUED, JobState.RUNNING)


class Job(msgspec.Struct, frozen=True):
    """A long operation on one backup: `kind` is `restore`, `verify` or `prove`.

    `app_id`: for a restore the application that is written to. `request`, `result`: JSON, as their operation writes it.
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
    progress: TimedProgress | None
    cancel_asked: bool
    node: str
    created_at: int
    finished_at: int | None
    error_detail: str | None = None
    """As of a backup."""
    is_hidden: bool = False
    """The operator's own doing, which the account is not shown: a restore to a folder or a database of theirs."""

    @property
    def reason(self) -> str | None:
        """Why it failed, as the operator reads it."""
        return self.error_detail or self.error_message


class Work(Job, frozen=True):
    """A job; or a backup in the form of one: its `kind` is `backup`, its `backup_id` its own id."""


class EventKind(StrEnum):
    """The kind of an event."""

    BACKUP_QUEUED = "backup.queued"
    BACKUP_STARTED = "backup.started"
    BACKUP_FINISHED = "backup.finished"
    BACKUP_FAILED = "backup.failed"
    BACKUP_DELETED = "backup.deleted"
    BACKUP_UNDELETED = "backup.undeleted"
    BACKUP_GONE = "backup.gone"
    BACKUP_UNLOCKED = "backup.unlocked"
    BACKUP_OVERDUE = "backup.overdue"
    BACKUP_SHRUNK = "backup.shrunk"
    BACKUP_EXPIRED = "backup.expired"
    STORAGE_NEARLY_FULL = "storage.nearly_full"
    RESTORE_STARTED = "restore.started"
    RESTORE_FINISHED = "restore.finished"
    VERIFY_STARTED = "verify.started"
    VERIFY_FINISHED = "verify.finished"
    VERIFY_FAILED = "verify.failed"
    PROVE_STARTED = "prove.started"
    PROVE_FINISHED = "prove.finished"


class Event(msgspec.Struct, frozen=True):
    """Something that happened. `seq`: its number, never used twice; `at`: nanoseconds; `data`: what JSON can hold."""

    seq: int
    account_id: str
    app_id: str | None
    backup_id: str | None
    job_id: str | None
    kind: EventKind
    at: int
    data: dict[str, Any]
