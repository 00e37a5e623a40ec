"""The backup that a page of files is about, and the others that can be chosen instead."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from holdfast.catalog.records import Backup
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.service.overview.backups import Choice, newest_backups
from holdfast.service.people.callers import Caller
from holdfast.service.registry.backups import find_backup
from holdfast.web.dashboard import words
from holdfast.web.dashboard.viewer import zone_of

LISTED = 100
"""At most this many backups can be chosen; older ones have their own pages."""


def good_backups(instance: Instance, caller: Caller, app_id: str) -> list[Backup]:
    """Return the newest good backups of an application, the newest first."""
    return newest_backups(instance, caller.account.id, app_id, choice=Choice.GOOD, limit=LISTED)


def newest_id(instance: Instance, caller: Caller, app_id: str) -> str:
    """Return the id of the newest good backup; nothing when there is none."""
    found = newest_backups(instance, caller.account.id, app_id, choice=Choice.GOOD, limit=1)
    return found[0].id if found else ""


def chosen_backup(instance: Instance, caller: Caller, app_id: str, ref: str) -> Backup:
    """Return the backup that is asked for, or without any the newest good one. Raises NotFound."""
    wanted = ref or newest_id(instance, caller, app_id)
    if not wanted:
        raise NotFound("BACKUP_NOT_FOUND", _("The application has no good backup yet, so no files can be shown."))
    return find_backup(instance, app_id, wanted)


def options(instance: Instance, good: list[Backup], chosen: Backup) -> list[dict[str, Any]]:
    """Return the backups of a list to choose from; `chosen` is among them, however old."""
    shown = good if any(one.id == chosen.id for one in good) else [*good, chosen]
    return [
        {
            "id": one.id,
            "name": words.name(one.name, one.created_at, zone_of(instance)),
            "is_newest": bool(good) and one.id == good[0].id,
            "is_chosen": one.id == chosen.id,
        }
        for one in shown
    ]


def address(app_id: str, page: str, **fields: str) -> str:
    """Return the address of a page of files; fields without a value are left out."""
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"/apps/{app_id}/{page}" + (f"?{query}" if query else "")


def field_of(path: str) -> str:
    """Return a path as the value of a field of a form.

    Browsers write the end of a line in a value as CR LF, whatever it was; escaped, as bytes
    are that are not UTF-8, it is read back as it was.
    """
    if "\n" not in path and "\r" not in path:
        return path
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")


def trail(app_id: str, backup_id: str, path: str) -> list[tuple[str, str]]:
    """Return the folders that lead to a path, as (name, address); the last one is the path's own."""
    parts = [part for part in path.split("/") if part]
    folders = [(part, "/".join(parts[: number + 1])) for number, part in enumerate(parts)]
    return [(name, address(app_id, "files", backup=backup_id, path=folder)) for name, folder in folders]
