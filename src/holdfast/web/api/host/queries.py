"""Fields of the queries of the host's routes, and the pages of their lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from litestar.types import Scope

from holdfast.service.instance.home import Instance
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


def page_of_ids(
    instance: Instance, scope: Scope, path: str, find: Callable[[Instance, str, int, int | None], Sequence[Any]]
) -> Answer:
    """A page of what `find(instance, after, limit, updated_after)` returns in the order of ids."""
    fields = inputs.query(scope, "limit", "after", "updated_after")
    limit, after = inputs.page_limit(fields) or PAGE_DEFAULT, fields.get("after", "")
    if after and not _ID.fullmatch(after):
        raise inputs.invalid("after", "the id of what is listed, lower-case letters and digits")
    since = fields.get("updated_after")
    found = find(instance, after, limit + 1, None if since is None else inputs.moment("updated_after", since))
    if len(found) <= limit:
        return success(found)
    page = found[:limit]
    more = {**fields, "limit": str(limit), "after": page[-1].id}
    return success(page, headers=link_to_next(instance.config.base_url, path, more))
