"""The download of a backup: `/{account_id}_{name}.zip?{key}` and `.tar.gz`, GET and HEAD, from any byte on.

Terms: the *link* is the parts of the request (account, name, key, format). A *cut* is a connection closed before the
promised length, which tells the client that the rest is unavailable.

This is a plain ASGI application, not a route of Litestar: it reads the raw path (a name may contain an encoded slash)
and passes the buffers on as they come. What it must never do: let the answer, or the time it takes, reveal which part
of a link is wrong; send a byte that the vault has not verified; keep a thread for a client that does not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from litestar.types import HTTPScope, Receive, Send

from holdfast.service.access.download import Download, find_download, find_signed_download
from holdfast.web.auth import shows_key_of
from holdfast.web.context import Context
from holdfast.web.http.errors import MethodRefused, RouteMissing
from holdfast.web.places import Downloader
from holdfast.web.streaming import send_thing

Format = Literal["zip", "tar.gz"]

_SIGNED = re.compile(rb"expires=([0-9]{1,11})&signature=([0-9a-f]{64})")

_SUFFIXES: tuple[tuple[str, Format], ...] = ((".zip", "zip"), (".tar.gz", "tar.gz"))


@dataclass(frozen=True, slots=True)
class Link:
    """A download's address, decoded; nothing of it is known to be right yet."""

    account_id: str
    name: str
    key: str
    format: Format
    end: tuple[int, str] | None = None
    """Of a link with an end: when it ends, in seconds since 1970, and its signature; it has these instead of a key."""


def parse_link(raw_path: bytes, query: bytes) -> Link | None:
    """The link in a raw path and query; None when it can't be one.

    One segment, percent-encoded UTF-8; account ids have no `_`, so the first one ends the account's. Some clients
    write a bare query as `?key=`; the sign does not belong to the key.
    """
    segment = raw_path[1:]
    if b"/" in segment:
        return None
    text = unquote(segment.decode("latin-1"), errors="replace")
    for suffix, format_ in _SUFFIXES:
        if text.endswith(suffix):
            account_id, underscore, name = text.removesuffix(suffix).partition("_")
            if not underscore or not name:
                return None
            key = unquote(query.decode("latin-1"), errors="replace").removesuffix("=")
            signed = _SIGNED.fullmatch(query)
            end = None if signed is None else (int(signed[1]), signed[2].decode("ascii"))
            return Link(account_id, name, key, format_, end)
    return None


async def serve_download(
    context: Context, link: Link, scope: HTTPScope, receive: Receive, send: Send, request_id: str
) -> None:
    """Answer one request for a link. Raises ApiError, or what the vault raised before the first byte."""
    if scope["method"] not in ("GET", "HEAD"):
        raise MethodRefused("METHOD_NOT_ALLOWED", "A download knows only GET and HEAD.", [(b"allow", b"GET, HEAD")])
    context.require_store()
    download = await context.call(_find, context, link)
    if download is None:
        refusal = RouteMissing("BACKUP_NOT_FOUND", "No such backup exists, or the key belongs to another one.")
        raise context.refuse_after_failure(context.link_throttle, scope, refusal)
    backup = download.backup
    is_keyed = shows_key_of(context, scope, backup.account_id)
    caller = Downloader(backup.account_id, context.addresses.capped(scope), backup.id, is_keyed)
    await send_thing(context, download, caller, scope, receive, send, request_id)


def _find(context: Context, link: Link) -> Download | None:
    instance = context.instance
    if link.end is None:
        return find_download(instance, link.account_id, link.name, link.key, link.format)
    return find_signed_download(instance, link.account_id, link.name, *link.end, link.format)
