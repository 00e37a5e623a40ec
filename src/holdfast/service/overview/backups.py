"""The backups of an application as its page lists them."""

from __future__ import annotations

from holdfast.catalog.backups import shown as rows
from holdfast.catalog.backups.shown import Choice, Shown
from holdfast.catalog.records import Backup
from holdfast.service.instance.home import Instance
from holdfast.service.registry.backups import check_after

__all__ = ["Choice", "Shown", "newest_backups", "page_of_backups"]


def newest_backups(
    instance: Instance,
    account_id: str,
    app_id: str,
    *,
    choice: Choice = Choice.ALL,
    after: str | None = None,
    limit: int,
) -> list[Backup]:
    """Return backups of an account's application, the newest first.

    `after`: only those that are older than the one with this id. Raises NotFound (BACKUP_NOT_FOUND) when that is gone.
    """
    return page_of_backups(instance, account_id, app_id, choice=choice, after=after, limit=limit).backups


def page_of_backups(
    instance: Instance,
    account_id: str,
    app_id: str,
    *,
    choice: Choice,
    part: str = "",
    after: str | None,
    limit: int,
    trashed_id: str | None = None,
    is_after_there: bool = False,
) -> Shown:
    """Return what `newest_backups` does of those with `part` in their names.

    `trashed_id`: and the backup in the trash that has this id; `is_after_there`: the caller has seen the one `after`.
    """
    found = rows.shown_backups(instance.catalog, app_id, choice, part, after, limit, trashed_id)
    if not found.backups and not is_after_there:  # nothing is older than one that is gone
        check_after(instance, after, account_id, app_id)
    return found
