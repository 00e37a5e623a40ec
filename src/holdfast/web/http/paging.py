"""Paging: one more row than asked for tells whether there is a next page."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlencode

from holdfast.catalog.backups.rows import backup_by_id
from holdfast.catalog.records import Backup, Work
from holdfast.service.errors import backup_not_found
from holdfast.service.instance.home import Instance
from holdfast.web.http.envelope import Headers

T = TypeVar("T", Backup, Work)


def check_after(instance: Instance, after: str | None, account_id: str, app_id: str | None = None) -> None:
    """Raise BACKUP_NOT_FOUND unless there is such a backup (of this account, of this application).

    An empty page in its place would look like the end to a client whose backup was deleted between two pages.
    """
    if after is None:
        return
    backup = backup_by_id(instance.catalog, after)
    if backup is None or backup.account_id != account_id or app_id not in (None, backup.app_id):
        raise backup_not_found()


def cut_page(
    found: list[T], limit: int | None, base_url: str, path: str, fields: dict[str, str]
) -> tuple[list[T], Headers]:
    """The page of at most `limit` out of up to `limit + 1` found, and the Link header to the next if there is one.

    The link has the same query (`fields`), after the last id of this page. Without a limit the page is all.
    """
    if limit is None or len(found) <= limit:
        return found, []
    page = found[:limit]
    return page, link_to_next(base_url, path, {**fields, "limit": str(limit), "after": page[-1].id})


def link_to_next(base_url: str, path: str, fields: dict[str, str]) -> Headers:
    """The Link header to the next page, which has the query `fields`."""
    return [(b"link", f'<{base_url.rstrip("/")}{path}?{urlencode(fields)}>; rel="next"'.encode("ascii"))]
