"""Answers of commands alone: `--json` of what no route shows, or shows with fields that only the operator sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from holdfast.schemas.apps import App, OrShrunk, RetainedBackup, Rules, Standing
from holdfast.schemas.events import Event
from holdfast.schemas.fields import Bytes, Count, Id, Shown, Time
from holdfast.schemas.jobs import Job
from holdfast.schemas.webhooks import Webhook

ShownT = TypeVar("ShownT", bound=Shown)


def extended(kind: type[ShownT], shown: Shown, *more: object) -> ShownT:
    """Return what the API shows, with the fields that its subclass `kind` has after those."""
    return kind(*msgspec.structs.astuple(shown), *more)


# `id` is a thing's own, as in the API. `account_id` and `app_id` of the same value beside it go with the next version.


class NewInstance(Shown, frozen=True):
    """An instance that was made, and the fingerprint of its master key."""

    home: str
    key_id: str


class MasterKey(Shown, frozen=True):
    """A recovery sheet: the master key in hexadecimal."""

    key_id: str
    master_key: str


class OperatorAccount(Shown, frozen=True):
    """An account in the operator's list. `backups`: their count; `external_id`: the host's own, null without one."""

    id: str
    account_id: str
    email: str
    plan: str
    created_at: Time
    backups: Count
    storage: Bytes
    external_id: str | None


class AccountErasure(Shown, frozen=True):
    """An account, and when it is erased; null: it is not."""

    id: str
    erase_at: Time | None


class AccountPlan(Shown, frozen=True):
    """The plan that an account was given."""

    id: str
    account_id: str
    plan: str


class AccountEmail(Shown, frozen=True):
    """The e-mail address that an account was given."""

    id: str
    email: str


class AccountKey(Shown, frozen=True):
    """A new API key."""

    id: str
    account_id: str
    api_key: str


class ErasedAccount(Shown, frozen=True):
    """An account that is gone, and the bytes deleted with it."""

    id: str
    account_id: str
    deleted_size: Bytes


class NewApp(Shown, frozen=True):
    """An application that was made."""

    id: Id
    app_id: Id


class OperatorApp(App, frozen=True):
    """An application in the operator's list. `external_id`: the host's own, null without one."""

    account_id: str = ""
    path: str = ""
    external_id: str | None = None


class RemovedApp(Shown, frozen=True):
    """An application that is gone, and the number of its backups."""

    id: Id
    app_id: Id
    backups_removed: Count


class IgnorePatterns(Shown, frozen=True):
    """An application's ignore patterns, in their order."""

    app_id: Id
    ignore: Sequence[str]


class HookCommand(Shown, frozen=True):
    """A command that runs before or after a copy."""

    command: str
    timeout_seconds: int


class AppHook(Shown, frozen=True):
    """The hook of an application on one side of the copy. `when`: before or after."""

    app_id: Id
    when: str
    hook: HookCommand | None


class Database(Shown, frozen=True, rename={"defined_in": "from"}):
    """A database of an application. `password`: the place it comes from; `from`: holdfast.toml or settings."""

    name: str
    kind: str
    dsn: str
    password: str
    path: str
    defined_in: str


class NewDatabase(Database, frozen=True, rename={"defined_in": "from"}):
    """A database that became a source, with the server and the tool that its check found; null: not checked."""

    server: str | None
    tool: str | None


class GoodDatabase(Shown, frozen=True):
    """A database that can be dumped: its server, the tool for it, and what its owner should know."""

    name: str
    server: str
    tool: str
    notes: Sequence[str]


class BadDatabase(Shown, frozen=True):
    """A database that can't be reached or dumped, and why."""

    name: str
    code: str
    message: str


class CheckedDatabases(Shown, frozen=True):
    """The databases of an application, checked."""

    good: Sequence[GoodDatabase]
    bad: Sequence[BadDatabase]


class RemovedDatabase(Shown, frozen=True):
    """A database that was taken out of the sources."""

    app_id: Id
    name: str


class DownloadedFile(Shown, frozen=True):
    """A download that stands in a file."""

    file: str
    size: Bytes


class BackupLogLines(Shown, frozen=True):
    """The log of a backup, with the operator's lines."""

    id: Id
    log: Sequence[str]


class FreedBackup(Shown, frozen=True):
    """A deleted backup, and the bytes that pruning frees once it is gone. `gone_at`: null: it is not in the trash."""

    id: Id
    freed_size: Bytes
    gone_at: Time | None


class RetainedApp(Shown, frozen=True):
    """The retention of one application, as the API previews it. `gone`: ids of the backups that went."""

    app_id: Id
    app: str
    rules: Rules
    backups: Sequence[RetainedBackup]
    kept: Count
    going: Count
    gone: Sequence[Id]
    shrunk: OrShrunk = msgspec.UNSET


class PlannedPrune(Shown, frozen=True):
    """The packs and bytes that pruning an account's vault would free. `trash_size`: what only the trash needs."""

    account_id: str
    packs: Count
    freed_size: Bytes
    unknown_backups: Sequence[Id]
    damaged_packs: Sequence[str]
    trash_size: Bytes


class PrunedAccount(Shown, frozen=True):
    """The packs and bytes that pruning an account's vault freed. `waiting_size`: kept for downloads that run;
    `trash_size`: what only the trash needs."""

    account_id: str
    packs: Count
    freed_size: Bytes
    deleted_size: Bytes
    waiting_size: Bytes
    unknown_backups: Sequence[Id]
    damaged_packs: Sequence[str]
    trash_size: Bytes


class RebuiltAccount(Shown, frozen=True):
    """An account that came back from the store. `problems`: sentences about what did not, and why."""

    account_id: str
    email: str
    apps: Count
    packs: Count
    backups: Count
    dropped_backups: Count
    problems: Sequence[str]


class MissingFolder(Shown, frozen=True):
    """An application whose folder is not on the new machine. `backup`: its newest good one."""

    app: str
    path: str
    backup: str | None


class InstanceFromStore(Shown, frozen=True):
    """An instance made from a store. `other_nodes`: those with applications that `node` does not back up."""

    home: str
    store: str
    key_id: str
    base_url: str
    time_zone: str
    node: str
    other_nodes: Sequence[str]
    accounts: Sequence[RebuiltAccount]
    missing_folders: Sequence[MissingFolder]


class CheckedAccounts(Shown, frozen=True):
    """The findings of a check, one for each account."""

    is_clean: bool
    accounts: Sequence[msgspec.Struct]


class OperatorJob(Job, frozen=True):
    """A job in the operator's list."""

    account_id: str
    node: str


class OperatorEvent(Event, frozen=True):
    """An event in the operator's log."""

    account_id: str


class OperatorEndpoint(Webhook, frozen=True):
    """An endpoint in the operator's list; of no account: the operator's own."""

    account_id: str | None


class NewEndpoint(OperatorEndpoint, frozen=True):
    """An endpoint that was made, with its secret: the only object that has it."""

    secret: str | None


class RemovedEndpoint(Shown, frozen=True):
    """An endpoint that is gone."""

    id: Id


class Proof(Shown, frozen=True):
    """When backups of an application were last verified and proved, and when the next proof is due."""

    app_id: Id
    app: str
    verified_at: Time | None
    restore_proved_at: Time | None
    next_proof_at: Time | None


class DoctorLine(Shown, frozen=True):
    """One check of the doctor. `level`: ok, warning or problem; `command`: what to run then, or nothing."""

    check: str
    level: str
    message: str
    command: str


class AppStatus(Shown, frozen=True):
    """The standing of an application, for the operator: its words, and its `level` as in DoctorLine."""

    app_id: Id
    app: str
    account_id: str
    level: str
    headline: str
    message: str
    command: str
    standing: Standing


class Status(Shown, frozen=True):
    """The applications that were asked for, the worst first, and how many of all have problems and warnings."""

    problems: Count
    warnings: Count
    apps: Sequence[AppStatus]


class Diagnosis(Shown, frozen=True):
    """The doctor's lines, and how many of all are problems and warnings."""

    problems: Count
    warnings: Count
    checks: Sequence[DoctorLine]
