"""Fields of the queries of the host's routes, and the pages of their lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from litestar.types import Scope

from holdfast.service.instance.home import Instance
from holdfast.service.policy.standing import Kind
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.paging import link_to_next

PAGE_DEFAULT = 100
_ID = re.compile(r"[a-z0-9]{1,32}")


def truth(fields: dict[str, str], field: str) -> bool:
    """A field of the query that is `true` or `false`; not there: false."""
    text = fields.get(field, "false")
    if text not in ("true", "false"):
        raise inputs.invalid(field)
    return text == "true"


def standing_kind(fields: dict[str, str]) -> Kind | None:
    """The kind of standing that a query asks for; None for all."""
    text = fields.get("standing")
    if text is None:
        return None
    if text not in tuple(Kind):
        raise inputs.invalid("standing", f"one of {', '.join(Kind)}")
    return Kind(text)


def account_after(fields: dict[str, str]) -> str | None:
    """The id of the account that a page begins behind."""
    after = fields.get("after")
    if after and not _ID.fullmatch(after):
        raise inputs.invalid("after", "the id of what is listed, lower-case letters and digits")
    return after


def external_id(scope: Scope) -> str:
    """Return the external id in the path."""
    return inputs.path_segment(scope, inputs.HOST_ID_SEGMENT)


def page_of_ids(
    instance: Instance,
    scope: Scope,
    path: str,
    find: Callable[[Instance, str, int, int | None, Kind | None], tuple[Sequence[Any], str | None]],
    after_of: Callable[[dict[str, str]], str | None],
) -> Answer:
    """A page of what `find(instance, after, limit, updated_after, standing)` returns, and the link to the next one."""
    fields = inputs.query(scope, "limit", "after", "updated_after", "standing")
    limit, after = inputs.page_limit(fields) or PAGE_DEFAULT, after_of(fields) or ""
    since = fields.get("updated_after")
    updated_after = None if since is None else inputs.moment("updated_after", since)
    found, next_after = find(instance, after, limit, updated_after, standing_kind(fields))
    if next_after is None:
        return success(found)
    more = {**fields, "limit": str(limit), "after": next_after}
    return success(found, headers=link_to_next(instance.config.base_url, path, more))
