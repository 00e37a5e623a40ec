"""Choose a backup's source: the application's folder, or the archive of an import. No other module does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.catalog.backups.found import latest_successful
from holdfast.catalog.records import IMPORTED, Account, App, Backup
from holdfast.service.instance.home import Instance
from holdfast.service.instance.import_scratch import archive_path, contents_path
from holdfast.service.instance.locks import held
from holdfast.service.registry.accounts import get_account
from holdfast.service.registry.apps import excluded_paths, is_here
from holdfast.service.registry.databases import DUMPS_LABEL, databases_of, dumps_label, missing_databases
from holdfast.service.registry.restored_folders import left_out
from holdfast.sources.archive.errors import Limits, ScratchFailed
from holdfast.sources.archive.source import unpack
from holdfast.sources.databases.client import Patience
from holdfast.sources.databases.errors import DatabaseFailed
from holdfast.sources.databases.source import FOLDER_PATH, WithDumps
from holdfast.sources.directory.live import LiveSource
from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.sqlite.check_due import CheckDue
from holdfast.vault.control import Control
from holdfast.vault.source import Source
from holdfast.vault.vault import TakeResult

DATABASE_FINDINGS = ("DATABASE_DAMAGED", "DATABASE_NOTE")
"""Codes of warnings after which a database is checked with the next backup again."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A source, and how a backup of it is made."""

    source: Source
    is_incremental: bool
    """True if files that did not change since the last backup need not be read."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels of the backup's root beside those that all have."""
    files: int | None = None
    """The number of files there must be in the end; None where the source may change while it is read."""

    def check_whole(self, result: TakeResult) -> None:
        """Raises ScratchFailed when files are missing that nobody but us can have lost."""
        if self.files is not None and result.files != self.files:
            raise ScratchFailed("On the server unpacked files were lost; see its disk, and import the archive again.")


@contextmanager
def chosen_source(
    instance: Instance,
    app: App,
    backup: Backup,
    control: Control,
    *,
    log: Callable[[str], None] = lambda line: None,
    on_read: Callable[[], None] = lambda: None,
) -> Iterator[Chosen]:
    """The source of a backup, for as long as it is used. Raises Cancelled, SourceError.

    `log` gets a line for each thing worth one; `on_read` is called when the application may do as it likes again.
    """
    if backup.origin != IMPORTED:
        if missing := missing_databases(instance, app):
            raise DatabaseFailed(
                f"No database named {missing[0]} is in holdfast.toml any more, so no copy was made; put it back, or "
                "name others for the application."
            )
        specs = databases_of(instance, app)
        excluded = (*excluded_paths(instance, app), *([FOLDER_PATH] if specs else []))
        restored = left_out(app)
        for pattern in restored:
            log(f"Left out, as a restore put it there: {pattern}")
        folder = DirectorySource(
            Path(app.path), excluded, (*restored, *app.settings.ignore), instance.config.tree_bounds
        )
        with LiveSource(
            folder,
            copies_folder(instance, backup.id),
            wait_seconds=instance.config.sqlite_wait_seconds,
            control=control,
            log=log,
            on_read=on_read,
            due=_check_due(instance, app),
        ) as live:
            if not specs:
                yield Chosen(live, is_incremental=True)
                return
            patience = Patience(instance.config.database_silence_seconds, control)
            scratch = live.scratch / "dumps"  # goes with the copies
            dumping = WithDumps(live, specs, scratch, instance.clock.now_ns(), patience)
            yield Chosen(dumping, is_incremental=True, labels={DUMPS_LABEL: dumps_label(specs)})
        return

    source = unpack(
        archive_path(instance, backup.id),
        contents_path(instance, backup.id),
        import_limits(instance, get_account(instance, backup.account_id)),
        owner=_owner(app) if is_here(instance, app) else (0, 0),
        control=control,
    )
    yield Chosen(source, is_incremental=False, files=source.files)


def _check_due(instance: Instance, app: App) -> CheckDue:
    """Return which databases of an application SQLite checks, by its newest good backup."""
    now_ns = instance.clock.now_ns()
    before = latest_successful(instance.catalog, app.id)
    if before is None:
        return CheckDue(now_ns)
    suspected = {warning.path for warning in before.warnings if warning.code in DATABASE_FINDINGS}
    return CheckDue(now_ns, before.created_at, suspected)


def copies_folder(instance: Instance, backup_id: str) -> Path:
    """Return the folder of a backup's database copies while it runs."""
    return instance.run.resolve() / f"copies-{backup_id}"


def sweep_copies(instance: Instance) -> None:
    """Remove copies that dead processes of this node left."""
    for folder in instance.run.glob("copies-*"):
        with held(instance, f"take-{folder.name.removeprefix('copies-')}") as is_ours:
            if is_ours:
                shutil.rmtree(folder, ignore_errors=True)


def import_limits(instance: Instance, account: Account) -> Limits:
    """Return the limits of an account's archive: those of its plan, and never more than the instance allows."""
    config = instance.config
    plan = config.plans.get(account.plan)
    allowed = plan.storage_bytes if plan is not None else 0
    return Limits(content_bytes_max=min(allowed or config.import_bytes_max, config.import_bytes_max))


def _owner(app: App) -> tuple[int, int]:
    """Return the owner of files for which an archive names none (zip): that of the application's folder, if here."""
    try:
        found = os.stat(app.path)
    except OSError:
        return 0, 0
    return found.st_uid, found.st_gid
