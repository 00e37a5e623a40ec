"""The errors that operations raise, each with the API's code, its HTTP status and one sentence for a person."""

from __future__ import annotations

from typing import ClassVar

from holdfast.catalog.database.engine import CatalogError, CatalogUnreachable
from holdfast.stores.port import StoreUnreachable


class ServiceError(Exception):
    """An operation could not be done. `code`: UPPER_SNAKE, as in the API; `message`: one sentence.

    `detail`: what the operator gets in its place, where a customer may see the message and must not see all.
    `http_status` belongs to the class, never to the spelling of a code. Of an error that no request can meet it is 500.
    """

    http_status: ClassVar[int] = 500
    is_wrong_use: ClassVar[bool] = False
    """True for a request that can never be done, whatever the state of things; a command leaves with 2."""

    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail or message


class AccessDenied(ServiceError):
    """No such key."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__("ACCESS_DENIED", "This API key is not known, or it was replaced by a new one.")


class PasswordRefused(ServiceError):
    """Not the password; nothing tells a wrong one from an unknown address."""

    http_status = 401

    def __init__(self, message: str) -> None:
        super().__init__("PASSWORD_REFUSED", message)


class CodeRefused(ServiceError):
    """Not a code of the second factor, or one that was used."""

    http_status = 401

    def __init__(self, message: str) -> None:
        super().__init__("CODE_REFUSED", message)


class PasskeyRefused(ServiceError):
    """An answer of an authenticator that proves nothing."""

    http_status = 401

    def __init__(self, message: str) -> None:
        super().__init__("PASSKEY_REFUSED", message)


class SecondFactorMissing(ServiceError):
    """An operator comes from outside the machine by a password alone."""

    http_status = 403

    def __init__(self) -> None:
        super().__init__(
            "SECOND_FACTOR_REQUIRED",
            "From outside the machine an operator needs a passkey or an authenticator app. Run `holdfast operator "
            "link` with your address on the machine, open the link, set one up under Signing in, and sign in with it.",
        )


class UpgradeRequired(ServiceError):
    """The plan does not include it."""

    http_status = 402

    def __init__(self, plan: str) -> None:
        super().__init__(
            "UPGRADE_REQUIRED", f"The plan {plan} doesn't include backups in the API; upgrade to use them."
        )


class PermissionDenied(ServiceError):
    """The caller sees the thing and lacks a right for this; the message names it."""

    http_status = 403

    def __init__(self, right: str) -> None:
        super().__init__("PERMISSION_DENIED", f"This needs the right {right}, which this key or person does not have.")


class ScopeMissing(ServiceError):
    """The key of the host lacks a scope; the message names it."""

    http_status = 403

    def __init__(self, scope: str) -> None:
        super().__init__("PERMISSION_DENIED", f"This needs the scope {scope}, which this admin key does not have.")


class AccountSuspended(ServiceError):
    """The host has suspended the account: it may list and download, and change nothing."""

    http_status = 403

    def __init__(self) -> None:
        super().__init__(
            "ACCOUNT_SUSPENDED", "The account is suspended: backups can be listed and downloaded, and nothing changed."
        )


class NotFound(ServiceError):
    """No such thing, or not yours."""

    http_status = 404


class LinkExpired(ServiceError):
    """A link with an end, rightly signed, that has ended."""

    http_status = 410

    def __init__(self) -> None:
        super().__init__("LINK_EXPIRED", "This link has ended; ask for a new one where you got it.")


class Conflict(ServiceError):
    """The thing is in the wrong state; nothing was changed."""

    http_status = 409


class Invalid(ServiceError):
    """A value that cannot be. `field`: which one."""

    http_status = 400
    is_wrong_use = True

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"INVALID_{field.upper()}", message)
        self.field = field


class InvalidArchive(Invalid):
    """An archive with something in it that cannot be imported; to name it was right."""

    is_wrong_use = False

    def __init__(self, message: str) -> None:
        super().__init__("archive", message)


class TooLarge(ServiceError):
    """More than may be uploaded or unpacked."""

    http_status = 413

    def __init__(self, message: str) -> None:
        super().__init__("PAYLOAD_TOO_LARGE", message)


class IdempotencyKeyReused(ServiceError):
    """The same key came with another request."""

    http_status = 422

    def __init__(self) -> None:
        super().__init__("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used with another request; use a new one.")


class LimitReached(ServiceError):
    """Too much or too often. `retry_after`: seconds."""

    http_status = 429

    def __init__(self, code: str, message: str, retry_after: int) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class Unavailable(ServiceError):
    """Catalog or store cannot be reached now, or a disk of the server cannot be used."""

    http_status = 503

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__("UNAVAILABLE", message, detail)


def app_not_found() -> NotFound:
    """The error for an application that is not there."""
    return NotFound("APP_NOT_FOUND", "No such application exists.")


def app_ended() -> Conflict:
    """The error for work on the folder of an application that the host has ended."""
    return Conflict(
        "APP_ENDED", "The application has ended; its backups can still be downloaded, or restored into another one."
    )


def backup_not_found() -> NotFound:
    """The error for a backup that is not there."""
    return NotFound("BACKUP_NOT_FOUND", "This application has no such backup.")


def job_not_found() -> NotFound:
    """The error for a job that is not there."""
    return NotFound("JOB_NOT_FOUND", "No such job exists.")


def unavailable_of(error: BaseException) -> Unavailable | None:
    """The refusal that an unreachable catalog or store means to whoever asks; None for any other error."""
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, CatalogUnreachable):
        return Unavailable("The catalog of the backups cannot be reached at the moment; try again.")
    if isinstance(error, StoreUnreachable):
        return Unavailable("The store of the backups cannot be reached at the moment; try again.")
    return None


def is_catalog_error(error: BaseException) -> bool:
    """True for an error of the catalog that has a sentence for a person."""
    return isinstance(error, CatalogError)
