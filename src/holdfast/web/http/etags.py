"""ETags of JSON answers, and 304 for clients that have the current answer."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from litestar.types import Scope

from holdfast.web.http.envelope import JSON_HEADERS, Answer
from holdfast.web.http.ranges import matches_any
from holdfast.web.http.request import header


@dataclass(frozen=True, slots=True)
class Tagged:
    """An answer with its strong ETag (a hash of its bytes), which stands in its headers too."""

    answer: Answer
    etag: str

    def for_request(self, scope: Scope) -> Answer:
        """The answer, or 304 when If-None-Match names it."""
        none_match = header(scope, b"if-none-match")
        if none_match is None or not matches_any(none_match, self.etag):
            return self.answer
        kept = [pair for pair in self.answer.headers if pair not in JSON_HEADERS or pair[0] == b"cache-control"]
        return Answer(304, b"", kept)


def tagged(answer: Answer) -> Tagged:
    etag = f'"{sha256(answer.body).hexdigest()[:32]}"'
    return Tagged(Answer(answer.status, answer.body, [*answer.headers, (b"etag", etag.encode("ascii"))]), etag)


def with_etag(answer: Answer, scope: Scope) -> Answer:
    """The answer with a strong ETag, or 304."""
    return tagged(answer).for_request(scope)
