"""A file of a backup, or a folder as a zip, as the answer to a request."""

from __future__ import annotations

import secrets
from typing import cast

from litestar.types import HTTPScope, Receive, Scope, Send

from holdfast.catalog.records import Actor
from holdfast.service.access import browse
from holdfast.web.context import Context
from holdfast.web.download_audit import Downloaded
from holdfast.web.places import Downloader
from holdfast.web.streaming import send_thing


class Streamed:
    """A thing that is sent as it is read; itself an ASGI application, so that a handler can return it."""

    def __init__(self, context: Context, content: browse.Content, by: Actor, path: str) -> None:
        self._by = by
        self._path = path
        self._context = context
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or the part that is asked for."""
        caller = Downloader(
            self._content.backup.account_id, self._context.addresses.capped(scope), link=None, is_keyed=True
        )
        http = cast("HTTPScope", scope)
        backup = self._content.backup
        of = Downloaded(self._by, backup.account_id, backup.app_id, backup.id)
        request_id = secrets.token_hex(8)
        await send_thing(self._context, self._content, caller, of, http, receive, send, request_id, self._path or "/")
