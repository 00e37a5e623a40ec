"""Read a form with a file (multipart/form-data, RFC 7578) while it arrives, so that nothing of the file is kept here.

The fields of a form come in its order: those before the file are read first, and small. It must never take a body that
broke off for a whole one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from litestar.types import Scope
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from holdfast.web.http.errors import BadRequest
from holdfast.web.http.request import header
from holdfast.web.http.uploads import Body, body_pieces

FIELDS_MAX = 8
"""Of the form, the file among them."""

FIELD_BYTES_MAX = 4096
AROUND_BYTES_MAX = 64 * 1024
"""A body is larger than its file by no more than this."""

_BOUNDARY_CHARACTERS_MAX = 70
_HEADERS_MAX = 4
_HEADER_BYTES_MAX = 2048


class UploadedForm:
    """A form on its way in. `fields`: those that came before the file, once `read_fields` has returned."""

    def __init__(self, scope: Scope, body: Body) -> None:
        """Raises ApiError (INVALID_BODY) for a body of another kind."""
        kind, options = parse_options_header(header(scope, b"content-type") or "")
        boundary = options.get("boundary", "")
        if kind != "multipart/form-data" or not 1 <= len(boundary) <= _BOUNDARY_CHARACTERS_MAX:
            raise _no_form()
        self.fields: dict[str, str] = {}
        self.file_name = ""
        """As the browser has it; empty when no file was chosen."""
        self._events = _events(boundary, body)

    async def read_fields(self, file_field: str) -> None:
        """Read up to the beginning of the file. Raises ApiError (INVALID_BODY), also for a form without one."""
        name, value, is_open = "", bytearray(), False
        async for event in self._events:
            if event is None:
                self.fields[name], is_open = _text(value), False
            elif isinstance(event, MultipartSegment):
                if event.name == file_field and event.filename is not None:
                    self.file_name = event.filename
                    return
                name, value, is_open = event.name or "", bytearray(), True
            else:
                value += event
                if not is_open or len(value) > FIELD_BYTES_MAX:
                    raise _no_form()
        raise _no_form()

    async def file_pieces(self) -> AsyncGenerator[bytes | bytearray]:
        """The bytes of the file, as they come; it ends when the whole form is there. Raises ApiError (INVALID_BODY)."""
        is_open = True
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                raise _no_form()  # the file is the last field of our forms
            if event is None:
                is_open = False
            else:
                yield event
        if is_open:
            raise _no_form()


async def _events(boundary: str, body: Body) -> AsyncGenerator[Any]:
    """The parts of a form: the head of each, the bytes of it, None at its end."""
    try:
        # Its strict mode refuses the line break behind the last boundary when that comes in a piece of its own.
        parser = PushMultipartParser(
            boundary,
            max_header_size=_HEADER_BYTES_MAX,
            max_header_count=_HEADERS_MAX,
            max_segment_count=FIELDS_MAX,
        )
        is_first = True
        async for piece in body_pieces(body):
            if is_first and not piece.startswith(b"--" + boundary.encode()):
                raise _no_form()
            is_first, is_empty = False, True
            for event in parser.parse(piece):
                yield event
                is_empty = False
            if is_empty and len(piece) > AROUND_BYTES_MAX:
                raise _no_form()
        parser.close()
    except (MultipartError, UnicodeError):
        raise _no_form() from None


def _text(value: bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _no_form() from None


def _no_form() -> BadRequest:
    return BadRequest("INVALID_BODY", "The body must be a form as browsers send it.")
