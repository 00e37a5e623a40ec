"""The route of the audit: as JSON page by page, or as a file."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import AuditFilter
from holdfast.service.instance.home import Instance
from holdfast.service.people import audit
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, Headers, success
from holdfast.web.http.paging import link_to_next

PAGE_DEFAULT = 50
_AUDIT = "/v3/audit"
_FILTER_CHARACTERS_MAX = 320
CSV_HEADERS: Headers = [
    (b"content-type", b"text/csv; charset=utf-8; header=present"),
    (b"content-disposition", b'attachment; filename="audit.csv"'),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cache-control", b"private, no-store"),
]


def audit_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""

    @get(_AUDIT, opt=needs(Right.AUDIT_READ, is_filtered=True))
    async def list_audit(request: Request[Any, Any, Any]) -> Answer:
        caller = require_caller(context, request.scope)
        fields = inputs.query(request.scope, "app_id", "actor", "action", "after", "limit")
        is_file = _asks_for_file(inputs.header(request.scope, b"accept") or "")
        return await context.call(_listed, context.instance, caller, fields, is_file=is_file)

    return [list_audit]


def _asks_for_file(accept: str) -> bool:
    """True if a client names CSV among what it accepts, and not JSON before it."""
    names = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return next((name == "text/csv" for name in names if name in ("text/csv", "application/json")), False)


def _listed(instance: Instance, caller: Caller, fields: dict[str, str], *, is_file: bool) -> Answer:
    app_id = fields.get("app_id")
    if app_id is not None:
        if not inputs.is_id(app_id):
            raise inputs.invalid("app_id")
        caller.require(Right.AUDIT_READ, app_id)
    for name in ("actor", "action"):
        if not 0 < len(fields.get(name, "x")) <= _FILTER_CHARACTERS_MAX:
            raise inputs.invalid(name, f"text of 1 to {_FILTER_CHARACTERS_MAX} characters")
    wanted = AuditFilter(caller.account.id, app_id, caller.grant.app_ids, fields.get("actor"), fields.get("action"))
    limit = inputs.page_limit(fields) or (audit.FILE_ROWS_MAX if is_file else PAGE_DEFAULT)
    found = audit.entries(instance, wanted, limit + 1, entry_number(fields))
    page, link = found[:limit], list[tuple[bytes, bytes]]()
    if len(found) > limit:
        more = {**fields, "after": str(page[-1].seq)}
        link = link_to_next(instance.config.base_url, _AUDIT, more)
    shown = audit.shown_entries(instance, page)
    if is_file:
        return Answer(200, audit.as_csv(shown).encode(), [*CSV_HEADERS, *link])
    return success(shown, headers=link)


def entry_number(fields: dict[str, str]) -> int | None:
    """The number of the entry behind which a page begins; None for the first page."""
    text = fields.get("after")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise inputs.invalid("after", "the number of an entry, as its seq has it")
    return int(text)
