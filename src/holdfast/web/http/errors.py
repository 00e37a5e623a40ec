"""Turn exceptions of any floor into answers for the client.

It must never show a client an exception whose text was not written for it. An unknown exception becomes
INTERNAL_SERVER_ERROR with the request's id, and its traceback goes to the log only.
"""

from __future__ import annotations

import math

from litestar.exceptions import HTTPException, InternalServerException

from holdfast.service.errors import LimitReached, ServiceError, unavailable_of
from holdfast.web.http.envelope import Answer, Headers, failure

UNAVAILABLE_RETRY_SECONDS = 5


class ApiError(Exception):
    """An error that this floor finds itself: `code` of docs/api.md, one sentence, headers that belong to it.

    `http_status` is the class's; an answer to a `ServiceError` takes the status of that error.
    """

    http_status = 500

    def __init__(self, code: str, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers or []


class Processing(ApiError):
    """It goes on behind this answer, which the neighbouring API calls an error all the same."""

    http_status = 202


class BadRequest(ApiError):
    """A request, or a field of it, is not what it must be."""

    http_status = 400


class KeyRefused(ApiError):
    """No API key, or not a good one."""

    http_status = 401


class CrossSite(ApiError):
    """A form that no page of ours sent."""

    http_status = 403


class RouteMissing(ApiError):
    """There is nothing at this path."""

    http_status = 404


class MethodRefused(ApiError):
    """The route does not have this method."""

    http_status = 405


class ConditionFailed(ApiError):
    """The thing is not the one that a header names."""

    http_status = 412


class BodyTooLarge(ApiError):
    """The body is larger than the route takes."""

    http_status = 413


class RangeOutside(ApiError):
    """The range lies outside of the thing."""

    http_status = 416


class KeepCalm(ApiError):
    """Too much or too often."""

    http_status = 429


class Fault(ApiError):
    """Something that was not foreseen."""

    http_status = 500


class OutOfService(ApiError):
    """The server, the catalog or the store cannot be reached now."""

    http_status = 503


def route_not_found() -> ApiError:
    return RouteMissing("ROUTE_NOT_FOUND", "No such route exists; the documentation at /docs lists all of them.")


def cross_site() -> ApiError:
    return CrossSite(
        "CROSS_SITE_REQUEST",
        "This form must come from this site: open its page again and send it from there.",
    )


def invalid_host() -> ApiError:
    return BadRequest("INVALID_HOST", "The Host header must be a host name, with a port if it is not the usual.")


def unavailable(message: str, seconds: int = UNAVAILABLE_RETRY_SECONDS) -> ApiError:
    return OutOfService("UNAVAILABLE", message, [(b"retry-after", b"%d" % seconds)])


def keep_calm(seconds: float, what: str = "Too many failed attempts from this address") -> ApiError:
    """Too much of `what`; `seconds` until the next one counts."""
    wait = max(1, math.ceil(seconds))
    return KeepCalm("KEEP_CALM", f"{what}; wait {wait} s.", [(b"retry-after", b"%d" % wait)])


def allowed_methods(error: HTTPException) -> Headers:
    """The Allow header of Litestar's 405, with HEAD, which we answer wherever there is a GET."""
    methods = {*(error.headers or {}).get("allow", "").split(", "), "OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    return [(b"allow", ", ".join(sorted(methods - {""})).encode("ascii"))]


def known_error(error: BaseException) -> ApiError | None:
    """Return what an exception means to a client; None when it is a fault of ours."""
    if (refusal := unavailable_of(error)) is not None:
        return unavailable(refusal.message)
    match error:
        case ApiError():
            return error
        case LimitReached():
            seconds = max(1, math.ceil(error.retry_after))
            return KeepCalm(error.code, error.message, [(b"retry-after", b"%d" % seconds)])
        case ServiceError() if error.http_status != 500:
            answered = ApiError(error.code, error.message)
            answered.http_status = error.http_status
            return answered
        case HTTPException(status_code=404):
            return route_not_found()
        case HTTPException(status_code=405):
            message = "This route doesn't have that method; the Allow header says which it has."
            return MethodRefused("METHOD_NOT_ALLOWED", message, allowed_methods(error))
        case HTTPException(status_code=413):
            return BodyTooLarge(
                "PAYLOAD_TOO_LARGE", "The body is larger than this route takes.", [(b"connection", b"close")]
            )
        case HTTPException(status_code=400, detail="Invalid host header"):
            return invalid_host()
        case _:
            return None


def has_left(error: BaseException) -> bool:
    """True if an exception says that the client went away before its request was whole."""
    return isinstance(error, InternalServerException) and error.detail == "client disconnected prematurely"


def answer_error(error: ApiError, extra: Headers | None = None) -> Answer:
    return failure(error.http_status, error.code, error.message, [*error.headers, *(extra or [])])


def internal_error(request_id: str) -> Answer:
    """The answer for what we did not foresee; the log has the rest under the same id."""
    message = f"Something went wrong on our side; the operator finds it in the log under the request id {request_id}."
    return failure(Fault.http_status, "INTERNAL_SERVER_ERROR", message)
