"""The shape of an operation: its parameters, its answers and its errors."""

from __future__ import annotations

from holdfast.schemas.fields import ID_PATTERN
from holdfast.web.api.openapi.components import NEVER_EMPTY
from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.http.request import PAGE_MAX

_ERRORS = {
    400: "A field is not what it must be; `code` names it: `INVALID_<FIELD>`, `INVALID_JSON_BODY`.",
    401: "`ACCESS_DENIED`: no API key, or one that is not known.",
    402: "`UPGRADE_REQUIRED`: the account's plan doesn't include this.",
    403: "`PERMISSION_DENIED`: the key or the person lacks the right that the message names.",
    404: "No such thing, or not yours: `APP_NOT_FOUND`, `BACKUP_NOT_FOUND`, `PATH_NOT_FOUND`, `JOB_NOT_FOUND`, "
    "`WEBHOOK_NOT_FOUND`, `KEY_NOT_FOUND`, `LINK_NOT_FOUND`, `MEMBER_NOT_FOUND`.",
    405: "`METHOD_NOT_ALLOWED`; the `Allow` header has the methods.",
    409: "In the wrong state; nothing was changed: `BACKUP_IN_PROGRESS`, `RESTORE_IN_PROGRESS`, `BACKUP_LOCKED`.",
    410: "`LINK_EXPIRED`: the link is rightly signed and has ended.",
    412: "`PRECONDITION_FAILED`: it is not the one that If-Match or If-Unmodified-Since names.",
    413: "`PAYLOAD_TOO_LARGE`",
    416: "`RANGE_NOT_SATISFIABLE`: the range lies outside; `Content-Range` has the length.",
    422: "`IDEMPOTENCY_KEY_REUSED`: the same key came with another request within 24 h.",
    429: "`KEEP_CALM` or a limit of the plan; wait as long as `Retry-After` says.",
    500: "`INTERNAL_SERVER_ERROR`, with a request id that the operator's log has too.",
    503: "`UNAVAILABLE`: shutting down, or the catalog or the store can't be reached.",
}
_ERROR_HEADERS: dict[int, Json] = {
    405: {"Allow": {"schema": {"type": "string"}}},
    416: {"Content-Range": {"schema": {"type": "string", "pattern": r"^bytes \*/\d+$"}}},
    429: {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
}
ETAG: Json = {"ETag": {"schema": {"type": "string"}, "description": "Strong; send it back in If-None-Match."}}
LINK: Json = {"Link": {"schema": {"type": "string"}, "description": 'With rel="next" while there is another page.'}}
APP_ID: Json = {
    "name": "app_id",
    "in": "path",
    "required": True,
    "description": "The application's id, as in the URL of its dashboard page.",
    "schema": {"type": "string", "pattern": ID_PATTERN},
}
BACKUP_REF: Json = {
    "name": "backup",
    "in": "path",
    "required": True,
    "description": "The backup's `id`, or, percent-encoded, its `name` or `ref:<reference>`.",
    "schema": {"type": "string", "minLength": 1},
}
IF_NONE_MATCH: Json = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}


def query(name: str, schema: Json, description: str) -> Json:
    """A parameter in the query."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


PAGE_SIZE = query("limit", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX}, "How many at most.")


def json_of(schema: Json) -> Json:
    """The content of an answer or a body that is JSON."""
    return {"application/json": {"schema": schema}}


def _error(status: int) -> Json:
    answer: Json = {"description": _ERRORS[status], "content": json_of(ref("Error"))}
    if status in _ERROR_HEADERS:
        answer["headers"] = _ERROR_HEADERS[status]
    return answer


def answered(schema: Json, description: str, status: int = 200, *, location_of: str = "") -> dict[int, Json]:
    """A good answer with an object; `location_of`: what its `Location` header is the address of."""
    answer: Json = {"description": description, "content": json_of(enveloped(schema))}
    if location_of:
        answer["headers"] = {"Location": {"schema": {"type": "string"}, "description": f"{location_of} own address."}}
    return {status: answer}


def operation(
    name: str,
    summary: str,
    ok: dict[int, Json],
    errors: tuple[int, ...] = (),
    *,
    parameters: tuple[Json, ...] = (),
    body: str | None = None,
    open_to_all: bool = False,
    description: str | None = None,
) -> Json:
    """A method of a route: `ok` are its good answers, `errors` the statuses it has besides those that all have."""
    always = (400, 500, 503) if open_to_all else (400, 401, 403, 429, 500, 503)
    answers = {status: _error(status) for status in {*errors, *always}}
    described: Json = {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {str(status): answer for status, answer in sorted({**answers, **ok}.items())},
    }
    if description:
        described["description"] = description
    if open_to_all:
        described["security"] = []
    if body is not None:
        described["requestBody"] = {"required": body in NEVER_EMPTY, "content": json_of(ref(body))}
    return described


def got(schema: Json, description: str, headers: Json | None = None) -> dict[int, Json]:
    """A GET's answers: the thing with its ETag, or 304."""
    return {
        200: {
            "description": description,
            "content": json_of(enveloped(schema)),
            "headers": {**ETAG, **(headers or {})},
        },
        304: {"description": "Unchanged: If-None-Match names the ETag.", "headers": ETAG},
    }
