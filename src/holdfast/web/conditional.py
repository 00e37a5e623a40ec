"""ETags of JSON answers, and 304 for those who have the same already."""

from __future__ import annotations

from hashlib import sha256

from litestar.types import Scope

from holdfast.web.envelope import JSON_HEADERS, Answer
from holdfast.web.inputs import header
from holdfast.web.ranges import matches_any


def with_etag(answer: Answer, scope: Scope) -> Answer:
    """The answer with a strong ETag (a hash of its bytes), or 304 when If-None-Match names it."""
    etag = f'"{sha256(answer.body).hexdigest()[:32]}"'
    tag = (b"etag", etag.encode("ascii"))
    none_match = header(scope, b"if-none-match")
    if none_match is not None and matches_any(none_match, etag):
        kept = [pair for pair in answer.headers if pair not in JSON_HEADERS or pair[0] == b"cache-control"]
        return Answer(304, b"", [*kept, tag])
    return Answer(answer.status, answer.body, [*answer.headers, tag])
