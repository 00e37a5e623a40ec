"""Import: an uploaded archive becomes a backup.

The upload comes first and the backup's row last, so that a slow upload does not keep the application from being backed
up. When `queue` returns, the archive is durable and its backup queued; from there `take.run_backup` takes over.
"""

from __future__ import annotations

import errno
import os
import threading
from types import TracebackType

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups.found import backups_in
from holdfast.catalog.records import IMPORTED, Account, Actor, App, Backup, State, new_id
from holdfast.service.errors import Conflict, InvalidArchive, TooLarge, Unavailable, app_ended, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.instance.import_scratch import archive_path, lock_folder, remove_scratch, scratch_folder
from holdfast.service.policy import limits
from holdfast.service.registry.accounts import get_account, plan_of
from holdfast.service.registry.backups import check_name
from holdfast.service.take.request import request_backup
from holdfast.service.take.source import import_limits
from holdfast.sources.archive.errors import ArchiveRefused, ArchiveTooLarge
from holdfast.sources.archive.scratch import DiskWatch
from holdfast.sources.archive.source import check_archive
from holdfast.stores.durable import sync_folder


class Upload:
    """One archive on its way in. A context: what was not queued when it ends leaves nothing."""

    def __init__(
        self, instance: Instance, app_id: str, by: Actor, name: str | None = None, *, is_limited: bool = False
    ) -> None:
        """Make room for it. `name`: of the backup; `is_limited`: the plan's limits count.

        Raises NotFound, Invalid (NAME), Conflict, LimitReached, Unavailable.
        """
        app = app_by_id(instance.catalog, app_id)
        if app is None:
            raise app_not_found()
        if name is not None:
            check_name(name)
        _check_free(instance, app)
        if is_limited:
            limits.check(instance, app)  # better before the upload than behind it; `queue` has the last word
        self._is_limited = is_limited
        self._instance = instance
        self._app = app
        self._by = by
        self._name = name
        self._limits = import_limits(instance, get_account(instance, app.account_id))
        self.bytes_max = self._limits.content_bytes_max
        """An archive that is itself larger than its contents may be need not be looked at."""
        self._size = 0
        self.backup_id = new_id(instance.clock.now_ns())
        self._fd = self._lock = -1
        self._is_queued = False
        # A request that is cut off closes this while a thread may still be writing; its descriptor must not be reused.
        self._busy = threading.Lock()
        try:
            folder = scratch_folder(instance, self.backup_id)
            folder.mkdir(mode=0o700)
            lock = lock_folder(folder)
            assert lock is not None
            self._lock = lock
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(archive_path(instance, self.backup_id), flags, 0o600)
            self._disk = DiskWatch(str(folder))
        except OSError as error:
            self.close()
            raise _disk_trouble(error) from error

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add bytes. Raises TooLarge, Unavailable (no room on the disk)."""
        self._size += len(data)
        if self._size > self.bytes_max:
            raise self.too_large()
        try:
            with self._busy, memoryview(data) as view:
                self._disk.wrote(len(data))
                at = 0
                while at < len(view):
                    at += os.write(self._fd, view[at:])
        except OSError as error:
            raise _disk_trouble(error) from error

    def too_large(self) -> TooLarge:
        """The error for an archive of more than `bytes_max`."""
        return TooLarge(
            f"The archive is larger than the {self.bytes_max:,} bytes that this account may import; "
            "import less, or ask for a larger plan."
        )

    def queue(self) -> Backup:
        """All bytes are there: make them durable, look at them and enter the backup as queued.

        Raises Invalid (ARCHIVE), TooLarge, Conflict (BACKUP_IN_PROGRESS), LimitReached, Invalid (NAME), Unavailable.
        """
        with self._busy:
            return self._queue()

    def _queue(self) -> Backup:
        folder = scratch_folder(self._instance, self.backup_id)
        try:
            os.fsync(self._fd)
            os.fsync(self._lock)
            sync_folder(folder.parent)
            if not self._size:
                raise InvalidArchive("The body has no archive; send the bytes of a zip or a tar.")
            check_archive(archive_path(self._instance, self.backup_id), self._limits)
        except ArchiveTooLarge as error:
            raise TooLarge(str(error)) from None
        except ArchiveRefused as error:
            raise InvalidArchive(str(error)) from None
        except OSError as error:
            raise _disk_trouble(error) from error
        backup, _ = request_backup(
            self._instance,
            self._app.id,
            self._by,
            name=self._name,
            origin=IMPORTED,
            backup_id=self.backup_id,
            is_limited=self._is_limited,
        )
        self._is_queued = True
        return backup

    def close(self) -> None:
        """End it; unless it was queued, nothing of it stays."""
        with self._busy:
            if not self._is_queued:
                remove_scratch(self._instance, self.backup_id)
            for fd in (self._fd, self._lock):
                if fd >= 0:
                    os.close(fd)
            self._fd = self._lock = -1

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def takes_archives(instance: Instance, account: Account, app: App) -> bool:
    """Return True for an application that an archive may be imported into: of a plan with backups, and not ended."""
    return app.ended_at is None and plan_of(instance, account).api_backups


def _check_free(instance: Instance, app: App) -> None:
    """Raise Conflict for an application that has ended or is being backed up: better before the upload than behind."""
    if app.ended_at is not None:
        raise app_ended()
    for backup in backups_in(instance.catalog, [State.QUEUED, State.RUNNING]):
        if backup.app_id == app.id:
            raise Conflict("BACKUP_IN_PROGRESS", "A backup of this application is already running; wait for it.")


def _disk_trouble(error: OSError) -> Unavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable("The server has no room for the archive at the moment; its operator must free some.")
    return Unavailable(f"The archive cannot be written on the server ({error.strerror or error}); see its disk.")
