"""Applications: their standing, their schedules, what their patterns leave out, and what retention would remove."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Annotated, ClassVar, Literal

import msgspec

from holdfast.catalog import records
from holdfast.schemas.fields import BackupState, Body, Bytes, Count, Id, Note, Origin, Progress, Shown, Time
from holdfast.schemas.times import iso

RuleCount = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Within = Annotated[
    str, msgspec.Meta(description="Like 36h, 30d or 8w.", extra_json_schema={"pattern": "^([1-9][0-9]{0,4}[hdw])?$"})
]
Cron = Annotated[
    str | None,
    msgspec.Meta(
        description="Five fields, or `@daily` and the like, in the instance's time zone. Null: never.",
        examples=["0 3 * * *"],
    ),
]


class Shrunk(Shown, frozen=True):
    """The backup with under half of the files or bytes of the one before. Sizes: bytes of the files."""

    backup_id: Id
    since: Time
    files: Count
    size: Bytes
    files_before: Count
    size_before: Bytes


OrShrunk = (
    Annotated[
        Shrunk,
        msgspec.Meta(
            description="Only while retention rests, until somebody says that the application is right as it is."
        ),
    ]
    | msgspec.UnsetType
)


StandingKind = Literal[
    "proved",
    "good",
    "empty",
    "first_running",
    "running",
    "failed",
    "warnings",
    "overdue",
    "damaged",
    "over_limit",
    "plan_too_low",
    "restoring",
    "restore_failed",
]


class StandingFacts(Shown, frozen=True):
    """The facts around a standing, whatever its kind; null or 0: it is not so."""

    last_good_backup_id: Id | None
    last_good_backup_at: Time | None
    next_backup_at: Time | None
    restore_proved_at: Annotated[Time | None, msgspec.Meta(description="When a test restore last matched.")]
    next_proof_at: Time | None
    running_backup_id: Id | None
    restore_job_id: Annotated[Id | None, msgspec.Meta(description="Of a restore that runs, or else that failed.")]
    progress: Annotated[Progress | None, msgspec.Meta(description="Of the restore, or else of the backup.")]
    failed_backup_id: Annotated[Id | None, msgspec.Meta(description="Of the newest backup, if that failed.")]
    failed_since: Annotated[
        Time | None, msgspec.Meta(description="When the first backup after the last good one failed.")
    ]
    error: Annotated[
        Note | None,
        msgspec.Meta(description="Why the restore failed, where `kind` is `restore_failed`; else of the backup."),
    ]
    overdue_since: Time | None
    notified_at: Annotated[
        Time | None, msgspec.Meta(description="When a webhook of the account first took the notice that it is overdue.")
    ]
    host_notified_at: Annotated[Time | None, msgspec.Meta(description="When the host was first told of that.")]
    node_silent_since: Annotated[
        Time | None, msgspec.Meta(description="When the machine that backs it up was last heard of; null: lately.")
    ]
    warnings: Annotated[Count, msgspec.Meta(description="Of the last good backup.")]
    damaged_backups: Count
    damaged_backup_id: Annotated[Id | None, msgspec.Meta(description="The newest of them.")]
    limit: Annotated[str | None, msgspec.Meta(description="The code with which a backup by hand is refused.")]
    limit_ends_at: Annotated[Time | None, msgspec.Meta(description="Null: when a backup is deleted or unlocked.")]
    plan: Annotated[str | None, msgspec.Meta(description="The account's plan, where it has no backups in the API.")]


class Standing(Shown, frozen=True):
    """The standing of an application: what its owner must know first."""

    kind: StandingKind
    code: Annotated[str | None, msgspec.Meta(description="Why; null: the kind says it all.")]
    since: Time | None
    facts: StandingFacts


class App(Shown, frozen=True):
    """An application."""

    id: Id
    name: str
    created_at: Time
    last_good_backup_at: Time | None
    next_backup_at: Annotated[Time | None, msgspec.Meta(description="Null: the application has no schedule.")]
    overdue_since: Annotated[Time | None, msgspec.Meta(description="Null: it is not overdue.")]
    storage: Annotated[Bytes, msgspec.Meta(description="Bytes that its backups added to the store.")]
    standing: Standing
    shrunk: OrShrunk = msgspec.UNSET


class Rules(Shown, frozen=True):
    """The rules of retention, all of them."""

    keep_last: RuleCount
    keep_hourly: RuleCount
    keep_daily: RuleCount
    keep_weekly: RuleCount
    keep_monthly: RuleCount
    keep_yearly: RuleCount
    keep_within: Within


class RetainedBackup(Shown, frozen=True):
    """A backup, with why it stays or goes."""

    id: Id
    name: str
    created_at: Time
    state: BackupState
    origin: Origin
    goes: bool
    kept_by: Annotated[Sequence[str], msgspec.Meta(description="Why it stays.")]
    goes_by: Annotated[str | None, msgspec.Meta(description="Why it goes; null: it stays.")]


class RetentionPreview(Shown, frozen=True):
    """The decisions that retention would take on an application's backups."""

    rules: Rules
    backups: Sequence[RetainedBackup]
    kept: Count
    going: Count
    shrunk: OrShrunk = msgspec.UNSET


class MatchedBy(Shown, frozen=True):
    """One pattern and what it leaves out, all below matched folders included.

    `source`: `settings` or `.backupignore`; `line`: its number there, from 1.
    """

    pattern: str
    source: str
    line: Count
    files: Count
    bytes: Bytes


class MatchedPath(Shown, frozen=True):
    """A path that is left out; of a folder with all below it. `kind`: `file`, `folder`, `symlink`."""

    path: str
    kind: str
    files: Count
    bytes: Bytes
    pattern: str


class Ignored(Shown, frozen=True):
    """The files that patterns leave out now. `files`, `bytes`: of all of it; `total_*`: of the whole folder.

    `patterns`: in their order, those that match nothing too. `paths`: the largest, largest first; `more_paths`: how
    many others there are, with `more_files` and `more_bytes`. `notices`: what of `.backupignore` is not used, and why.
    """

    patterns: list[MatchedBy]
    paths: list[MatchedPath]
    more_paths: Count
    more_files: Count
    more_bytes: Bytes
    files: Count
    bytes: Bytes
    total_files: Count
    total_bytes: Bytes
    notices: list[str]


class Schedule(Shown, frozen=True):
    """The schedule of an application's backups, and their retention."""

    cron: Cron
    retention: Rules
    ignore: Annotated[Sequence[str], msgspec.Meta(description="In gitignore syntax.")]
    next_runs: Sequence[Time]
    time_zone: str
    ignored: Annotated[
        Ignored | None,
        msgspec.Meta(
            description="What the patterns, and those of `.backupignore`, leave out of the folder as it is now."
        ),
    ]
    ignored_error: Annotated[Note | None, msgspec.Meta(description="Why that is not known.")]
    notices: Annotated[Sequence[str], msgspec.Meta(description="Sentences for whoever sets it.")]


class NewSchedule(Body):
    """Body of PUT .../schedule; it replaces the whole of it."""

    EXAMPLE: ClassVar = {"cron": "0 3 * * *", "retention": {"keep_daily": 7, "keep_weekly": 4}, "ignore": ["*.log"]}

    cron: Cron | msgspec.UnsetType = msgspec.UNSET
    retention: records.Retention = records.Retention()
    ignore: Annotated[list[str], msgspec.Meta(description="In gitignore syntax.")] = msgspec.field(default_factory=list)


def rules_of(retention: records.Retention) -> Rules:
    """All rules of a retention, those too that keep nothing."""
    return Rules(*(getattr(retention, name) for name in Rules.__struct_fields__))


def shrunk_of(record: records.App, zone: tzinfo) -> OrShrunk:
    """The backup with which an application had shrunk, so that its retention rests; UNSET when it does not."""
    shrunk = record.settings.shrunk
    if shrunk is None:
        return msgspec.UNSET
    before = (shrunk.files_before, shrunk.bytes_before)
    return Shrunk(shrunk.backup_id, iso(shrunk.at, zone), shrunk.files, shrunk.bytes, *before)


def app_of(record: records.App, zone: tzinfo, stored_bytes: int, standing: Standing) -> App:
    """An application as it is shown."""
    facts = standing.facts
    return App(
        record.id,
        record.name,
        iso(record.created_at, zone),
        facts.last_good_backup_at,
        facts.next_backup_at,
        facts.overdue_since,
        stored_bytes,
        standing,
        shrunk_of(record, zone),
    )


class Day(Shown, frozen=True):
    """The backups of an application on a day of the instance's time zone, imported ones left out.

    `missed`: how often it became overdue; `damaged`: backups in which something wrong was found; `proved`: backups of
    which a test restore matched; `added_size`: what its backups, imported ones too, added to the store; `content_size`:
    of the last good one until then; `stored_size`: what those that were kept at its end had added.
    """

    day: str
    good: int
    failed: int
    cancelled: int
    missed: int
    damaged: int
    proved: int
    added_size: Bytes
    content_size: Bytes
    stored_size: Bytes


def day_of(record: records.Day) -> Day:
    """A day as it is shown."""
    ends = record.good, record.failed, record.cancelled, record.missed, record.damaged, record.proved
    return Day(record.day, *ends, record.added_bytes, record.content_bytes, record.stored_bytes)
