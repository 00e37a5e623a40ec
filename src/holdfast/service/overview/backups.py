"""The backups of an application as its page lists them."""

from __future__ import annotations

from holdfast.catalog.backups import shown as rows
from holdfast.catalog.backups.shown import Choice
from holdfast.catalog.records import Backup
from holdfast.service.instance.home import Instance
from holdfast.service.registry.backups import check_after

__all__ = ["Choice", "newest_backups"]


def newest_backups(
    instance: Instance,
    account_id: str,
    app_id: str,
    *,
    choice: Choice = Choice.ALL,
    part: str = "",
    after: str | None = None,
    limit: int,
) -> list[Backup]:
    """Return backups of an account's application, the newest first, with `part` in their names.

    `after`: only those that are older than the one with this id. Raises Invalid (AFTER).
    """
    check_after(instance, after, account_id, app_id)
    return rows.shown_backups(instance.catalog, app_id, choice, part, after, limit)
