"""Paging: read one row more than requested, to see if there is a next page."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlencode

from holdfast.catalog.records import Backup, Work
from holdfast.web.http.envelope import Headers

T = TypeVar("T", Backup, Work)


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
