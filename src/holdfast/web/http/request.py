"""Read a request strictly: query, JSON body, path, headers.

Every refusal names the field and what it must be: `INVALID_<FIELD>`. Litestar's own parsing is not used for this,
because its errors name neither in a form that API.md could promise.
"""

from __future__ import annotations

import asyncio
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from litestar import Request
from litestar.types import HTTPScope, Scope

from holdfast.schemas.backups import NAME_CHARACTERS_MAX, NOTE_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX
from holdfast.schemas.fields import Body
from holdfast.units import SECOND_NS
from holdfast.web.http.errors import ApiError, BadRequest, invalid_host

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS_MAX = 30.0
"""A body of JSON, which is small, comes in this time."""

APP_SEGMENT = 2
"""The place of the application's id in the path `/v3/apps/{app_id}/...`."""

HOST_ID_SEGMENT = 3
"""The place of the external id in the path `/v3/admin/accounts/{external_id}`, or `apps`."""

PAGE_MAX = 200
WAIT_SECONDS_MAX = 90
IDEMPOTENCY_KEY_CHARS_MAX = 255
QUERY_FIELDS_MAX = 50

CURSOR_PATTERN = r"([A-Za-z0-9_\-]{4})*([A-Za-z0-9_\-]{2}==|[A-Za-z0-9_\-]{3}=)?"
"""A path in base64, as URLs have it."""

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{0,5})?")
_ID = re.compile(r"[0-9a-f]{32}")
_FIELD_OF_PATH = re.compile(r"`\$\.(\w+)")
_UNKNOWN_FIELD = re.compile(r"unknown field `(.*)`")
_NEXT_WORD = re.compile("(?<=[a-z])(?=[A-Z])")
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e][\x20-\x7e]*")


_NS_MAX = (2**63 - 1) // SECOND_NS * SECOND_NS
"""The last whole second that the catalog can hold: in April 2262."""

_RULES = {
    "name": f"text of 1 to {NAME_CHARACTERS_MAX} characters",
    "is_locked": "true or false",
    "final": "true or false",
    "trash": "true or false",
    "locked_until": "a time like 2024-12-07T22:07:11+01:00, or null",
    "note": f"text of at most {NOTE_CHARACTERS_MAX} characters, or null for none",
    "reference": f"text of 1 to {REFERENCE_CHARACTERS_MAX} characters, or null for none",
    "with": "the id or name of the backup to compare with",
    "paths": "a list of at least one path in the backup; leave it out to restore everything",
    "target_app_id": "the id of an application",
    "into": "the path of a new folder below the application's own, as text",
    "mode": "'mirror' or 'overlay'",
    "dry_run": "true or false",
    "safety_backup": "true or false",
    "cron": "a cron expression, or null for no backups by itself; it can't be left out",
    "retention": (
        "an object with any of keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly and keep_yearly (whole "
        "numbers from 0 to 100000) and keep_within (like 36h, 30d or 8w)"
    ),
    "ignore": "a list of patterns in gitignore syntax",
    "url": "the address of a webhook or an apprise URL, as text",
    "events": "a list of names of events",
    "label": "text",
    "is_enabled": "true or false",
    "group": "the name of a group of rights, as text",
    "rights": "a list of names of rights",
    "app_ids": "a list of ids of the account's applications, or null for all of them",
    "networks": "a list of networks like 192.0.2.0/24, or null for everywhere",
    "expires_in": "a whole number of seconds",
    "overlap_seconds": "a whole number of seconds",
    "email": "an e-mail address, as text",
    "format": "'zip' or 'tar.gz'",
    "plan": "the name of a plan, as text",
    "is_suspended": "true or false",
    "account": "the external id of an account, as text",
    "path": "the path of a folder, as text",
    "node": "the name of a machine, as text",
    "schedule": "a cron expression, or null for no backups by itself",
    "databases": "a list of names of databases that the operator configured",
    "hooks": "the name of hooks that the operator configured, or null",
    "keep_days": "a whole number of days from 0 to 3650",
    "updated_after": "a time like 2024-12-07T22:07:11+01:00",
    "app": "the external id of an application, as text",
    "person": "an object with email and, optionally, name",
    "return_to": "a path of this site, as text",
    "erase": "true or false",
    "end_missing": "true or false",
    "force": "true or false",
    "now": "true or false",
    "app_id": "the id of an application, 32 lower-case hex digits",
    "limit": f"a whole number from 1 to {PAGE_MAX}",
    "after": "an id of what is listed, 32 lower-case hex digits",
    "view": "'full', or left out",
    "wait": f"a whole number of seconds from 0 to {WAIT_SECONDS_MAX}",
    "snapshotId": "the name of a snapshot, as the list has it",
    "versionId": "the version_id of a snapshot, as the list has it",
    "scope": "'applications' or 'databases', or left out",
    "idempotency_key": f"1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters",
}

B = TypeVar("B", bound=Body)


def invalid(field: str, rule: str | None = None) -> ApiError:
    """The error that names a field of ours and what it must be; `rule`: where that is not as everywhere."""
    named = _NEXT_WORD.sub("_", field).upper()  # a field of the neighbouring API is written snapshotId
    return BadRequest(f"INVALID_{named}", f"{field} must be {rule or _RULES[field]}.")


def require_change(body: Body) -> None:
    """Raise ApiError for the body of a change that has none of the fields that can be changed."""
    if all(getattr(body, name) is msgspec.UNSET for name in body.__struct_fields__):
        known = ", ".join(body.__struct_fields__)
        raise BadRequest("INVALID_BODY", f"The body changes nothing; give at least one of {known}.")


def check_host(scope: HTTPScope) -> None:
    """Raise ApiError unless a request has one valid Host; one of HTTP/1.0 needs none (RFC 9112, section 3.2)."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if not hosts and scope["http_version"] == "1.0":
        return
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise invalid_host()


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None


def query(scope: Scope, *known: str) -> dict[str, str]:
    """The query's fields that a route knows; others are passed over, a known one that comes twice is refused."""
    raw = scope["query_string"]
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        raise BadRequest("INVALID_QUERY", f"The query must have at most {QUERY_FIELDS_MAX} fields.") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in known:
            if name in fields:
                raise invalid(name)
            fields[name] = value
    return fields


def query_lists(scope: Scope, most: int, *known: str) -> dict[str, list[str]]:
    """The query's fields that a page knows, each with all its values; at most so many of all kinds."""
    try:
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=most)
    except ValueError:
        raise BadRequest("INVALID_QUERY", f"The query must have at most {most} fields; choose folders.") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in known:
            fields.setdefault(name, []).append(value)
    return fields


def integer(fields: dict[str, str], field: str, low: int, high: int) -> int | None:
    """A whole number of the query within its bounds; None when it isn't there."""
    text = fields.get(field)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
        raise invalid(field)
    return int(text)


def flag(fields: dict[str, str], field: str) -> bool:
    """True or false of the query; false when it isn't there."""
    text = fields.get(field, "false")
    if text not in ("true", "false"):
        raise invalid(field)
    return text == "true"


def page_limit(fields: dict[str, str]) -> int | None:
    return integer(fields, "limit", 1, PAGE_MAX)


def page_after(fields: dict[str, str]) -> str | None:
    after = fields.get("after")
    if after is not None and not _ID.fullmatch(after):
        raise invalid("after")
    return after


def cursor(fields: dict[str, str]) -> bytes:
    """The path behind which an answer begins, as the Link header of the one before has it; empty for the first."""
    text = fields.get("after", "")
    if not re.fullmatch(CURSOR_PATTERN, text):
        raise invalid("after", "as the Link header of the answer before has it")
    return urlsafe_b64decode(text)


def cursor_text(path: bytes) -> str:
    """The text of a cursor, for a Link header."""
    return urlsafe_b64encode(path).decode("ascii")


def event_number(last_event_id: str | None, after: str | None) -> int | None:
    """The event to go on after: of the header that a client sends when it connects again, else of the query."""
    for field, text in (("last_event_id", last_event_id), ("after", after)):
        if text is not None:
            if not (text.isascii() and text.isdigit() and len(text) <= 18):
                raise BadRequest(f"INVALID_{field.upper()}", f"{field} must be the number of an event.")
            return int(text)
    return None


def full_view(fields: dict[str, str]) -> bool:
    view = fields.get("view")
    if view not in (None, "full"):
        raise invalid("view")
    return view is not None


def idempotency_key(scope: Scope) -> str | None:
    key = header(scope, b"idempotency-key")
    if key is not None and not (len(key) <= IDEMPOTENCY_KEY_CHARS_MAX and _VISIBLE_ASCII.fullmatch(key)):
        raise invalid("idempotency_key")
    return key


def path_segment(scope: Scope, index: int) -> str:
    """Return a segment of the path, percent-decoded by itself: an encoded slash in a backup's name is part of the
    name.
    """
    segments = [segment for segment in scope["raw_path"].split(b"/") if segment]
    return unquote_to_bytes(segments[index]).decode("utf-8", errors="replace")


def routing_path(raw_path: bytes) -> str:
    """The path for the router: decoded, but for encoded slashes, which must not make new segments."""
    decoded = unquote_to_bytes(re.sub(rb"%2[fF]", b"%25", raw_path))
    return decoded.decode("utf-8", errors="replace")


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _number(text: str) -> float | int:
    """Return a number with a point or exponent; a whole one is an integer, as JSON Schema has it: `60.0` is 60."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= _WHOLE_MAX else value


_WHOLE_MAX = 2**53
"""Beyond it a float no longer tells whole numbers from each other."""

_body = msgspec.json.Decoder(float_hook=_number)


async def _whole_body(request: Request[Any, Any, Any]) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await request.body()
    except TimeoutError:
        raise BadRequest(
            "INVALID_BODY", f"The body was not whole after {BODY_SECONDS_MAX:.0f} s; send it again."
        ) from None


async def form_body(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The fields of a form as a browser posts it; of one that comes twice the last counts."""
    raw = await _whole_body(request)
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
    except ValueError:  # a UnicodeDecodeError is one too
        raise BadRequest("INVALID_BODY", "The body must be a form as browsers send it.") from None


async def json_body(request: Request[Any, Any, Any], kind: type[B]) -> B:
    """The request's body as `kind`; no body at all counts as `{}`. Bodies over BODY_BYTES_MAX never get here."""
    raw = await _whole_body(request)
    if not raw.strip():
        return kind()
    try:
        value = _body.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("INVALID_JSON_BODY", "The body must be JSON.") from None
    if not isinstance(value, dict):
        raise BadRequest("INVALID_JSON_BODY", "The body must be a JSON object.")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _refused(str(error), kind) from None


def _refused(complaint: str, kind: type[Body]) -> ApiError:
    known = ", ".join(kind.__struct_encode_fields__)
    if (path := _FIELD_OF_PATH.search(complaint)) is not None:
        return invalid(path[1])
    if (unknown := _UNKNOWN_FIELD.search(complaint)) is not None:
        return BadRequest(
            "INVALID_JSON_BODY", f"The body has the unknown field {unknown[1][:64]!r}; known are {known}."
        )
    return BadRequest("INVALID_JSON_BODY", f"The body must be a JSON object with any of {known}.")


def moment(field: str, text: str) -> int:
    """A time of ISO 8601 with its UTC offset, in ns since 1970; what 64 bits can't hold: the nearest they can."""
    try:
        time = datetime.fromisoformat(text.upper())
    except ValueError:
        raise invalid(field) from None
    if time.tzinfo is None:
        raise invalid(field)
    return max(0, min(int(time.timestamp()) * SECOND_NS, _NS_MAX))
