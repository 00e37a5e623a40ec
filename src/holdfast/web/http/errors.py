"""From exceptions of any floor to the answer that the client gets.

What it must never do: tell a client anything of an exception that was not written for it. What is not known here is
an INTERNAL_SERVER_ERROR with the request's id, and its traceback goes to the log only.
"""

from __future__ import annotations

import math

from litestar.exceptions import HTTPException

from holdfast.catalog.database.engine import CatalogUnreachable
from holdfast.service.errors import LimitReached, ServiceError
from holdfast.stores.port import StoreUnreachable
from holdfast.web.http.envelope import Answer, Headers, failure, status_of

UNAVAILABLE_RETRY_SECONDS = 5


class ApiError(Exception):
    """An error that this floor finds itself: `code` of API.md, one sentence, headers that belong to it."""

    def __init__(self, code: str, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers or []


def route_not_found() -> ApiError:
    return ApiError("ROUTE_NOT_FOUND", "There is no such route; the documentation at /docs lists all of them.")


def unavailable(message: str) -> ApiError:
    return ApiError("UNAVAILABLE", message, [(b"retry-after", b"%d" % UNAVAILABLE_RETRY_SECONDS)])


def keep_calm(seconds: float, what: str = "Too many failed attempts from this address") -> ApiError:
    """Too much of `what`; `seconds` until the next one counts."""
    wait = max(1, math.ceil(seconds))
    return ApiError("KEEP_CALM", f"{what}; wait {wait} s.", [(b"retry-after", b"%d" % wait)])


def allowed_methods(error: HTTPException) -> Headers:
    """The Allow header of Litestar's 405, with HEAD, which we answer wherever there is a GET."""
    methods = {*(error.headers or {}).get("allow", "").split(", "), "OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    return [(b"allow", ", ".join(sorted(methods - {""})).encode("ascii"))]


def known_error(error: BaseException) -> ApiError | None:
    """What an exception means to a client; None when it is a fault of ours."""
    match error:
        case ApiError():
            return error
        case LimitReached():
            seconds = max(1, math.ceil(error.retry_after))
            return ApiError(error.code, error.message, [(b"retry-after", b"%d" % seconds)])
        case ServiceError() if error.code == "UNAVAILABLE":
            return unavailable(error.message)
        case ServiceError() if status_of(error.code) != 500:
            return ApiError(error.code, error.message)
        case CatalogUnreachable():
            return unavailable("The catalog of the backups can't be reached just now; try again.")
        case StoreUnreachable():
            return unavailable("The store of the backups can't be reached just now; try again.")
        case HTTPException(status_code=404):
            return route_not_found()
        case HTTPException(status_code=405):
            message = "This route doesn't have that method; the Allow header says which it has."
            return ApiError("METHOD_NOT_ALLOWED", message, allowed_methods(error))
        case HTTPException(status_code=413):
            return ApiError(
                "PAYLOAD_TOO_LARGE", "The body is larger than this route takes.", [(b"connection", b"close")]
            )
        case HTTPException(status_code=400, detail="Invalid host header"):
            return ApiError("INVALID_HOST", "The Host header must be a host name, with a port if it is not the usual.")
        case _:
            return None


def answer_error(error: ApiError, extra: Headers | None = None) -> Answer:
    return failure(error.code, error.message, [*error.headers, *(extra or [])])


def internal_error(request_id: str) -> Answer:
    """The answer for what we did not foresee; the log has the rest under the same id."""
    message = f"Something went wrong on our side; the operator finds it in the log under the request id {request_id}."
    return failure("INTERNAL_SERVER_ERROR", message)
