"""Successful backups as clients of the neighbouring API see them: snapshots."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from holdfast.catalog.backups.downloadable import Downloadable, downloadable_of_account, downloadable_of_app
from holdfast.catalog.records import Backup
from holdfast.schemas.compat.snapshots import NewSnapshot, Snapshot, snapshot_of
from holdfast.service.errors import backup_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.registry.backups import download_place, download_url, find_backup
from holdfast.service.registry.link_keys import LinkKeys

SNAPSHOTS_MAX = 10_000
"""At most this many snapshots of an account in one answer, about 5 MB. Clients of that API know no pages."""


def app_snapshots(instance: Instance, app_id: str, *, with_keys: bool) -> list[Snapshot]:
    """All of an application's snapshots, oldest first. Raises KeyMismatch."""
    return _shown(instance, downloadable_of_app(instance.catalog, app_id), with_keys)


def account_snapshots(
    instance: Instance, account_id: str, after: str | None, app_ids: Collection[str] | None, *, with_keys: bool
) -> tuple[list[Snapshot], str | None]:
    """An account's snapshots, newest first, behind the backup `after`; of some of its applications, if given.

    Also returns the id behind which the next ones begin; None when these are the last. Raises KeyMismatch.
    """
    found = downloadable_of_account(instance.catalog, account_id, SNAPSHOTS_MAX + 1, after, app_ids)
    page = found[:SNAPSHOTS_MAX]
    return _shown(instance, page, with_keys), page[-1].id if len(found) > len(page) else None


def new_snapshot(instance: Instance, backup: Backup, *, with_keys: bool) -> NewSnapshot:
    """The download of a backup that has just succeeded. Raises KeyMismatch."""
    if not with_keys:
        return NewSnapshot(None, "")
    return NewSnapshot(download_url(instance, backup), LinkKeys(instance).of(backup))


def find_snapshot(instance: Instance, app_id: str, name: str, version_id: str) -> Backup:
    """The backup that is a snapshot of an application. Raises NotFound unless name and version are of the same one."""
    backup = find_backup(instance, app_id, version_id)
    if (backup.id, backup.name) != (version_id, name):
        raise backup_not_found()
    return backup


def _shown(instance: Instance, backups: Iterable[Downloadable], with_keys: bool) -> list[Snapshot]:
    keys, zone, shown = LinkKeys(instance), instance.zone, []
    for one in backups:
        key = keys.key(one.account_id, one.digest) if with_keys else ""
        url = f"{download_place(instance, one, 'zip')}?{key}" if key else None
        finished_at = one.created_at if one.finished_at is None else one.finished_at
        shown.append(snapshot_of(one.id, one.name, one.zip_bytes, finished_at, one.origin, key, url, zone))
    return shown
