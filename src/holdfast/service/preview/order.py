"""The order for the process of a preview and its reply, as JSON on its standard input and output."""

from __future__ import annotations

import msgspec

from holdfast.catalog.database.engine import CatalogError, CatalogUnreachable
from holdfast.schemas.apps import Ignored
from holdfast.service.errors import Conflict, Invalid, NotFound, ServiceError, Unavailable
from holdfast.service.instance.config import Config
from holdfast.service.restore.plan import Preview, Wanted
from holdfast.sources.port import SourceError, SourceMissing, SourceTooLarge
from holdfast.stores.port import StoreError, StoreUnreachable
from holdfast.vault.errors import DamagedError, VaultError


class IgnoredOrder(msgspec.Struct, frozen=True, tag="ignored"):
    """For the paths that patterns leave out of an application's folder. `patterns`: in place of the settings' own."""

    app_id: str
    patterns: tuple[str, ...] | None


class RestoreOrder(msgspec.Struct, frozen=True, tag="restore"):
    """For the changes that a restore would make in the folder of an application."""

    backup_id: str
    app_id: str
    wanted: Wanted


class Order(msgspec.Struct, frozen=True):
    """One preview. `seconds`: after this long the process ends itself."""

    home: str
    config: Config
    what: IgnoredOrder | RestoreOrder
    seconds: float


class Refusal(msgspec.Struct, frozen=True):
    """An error that is foreseen. `kind`: its class; `code`, `field`, `detail`: of a ServiceError."""

    kind: str
    message: str
    code: str = ""
    field: str = ""
    detail: str = ""


class Reply(msgspec.Struct, frozen=True):
    """The answer: one of these."""

    ignored: Ignored | None = None
    restore: Preview | None = None
    refusal: Refusal | None = None


_PLAIN: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        SourceTooLarge,
        SourceMissing,
        SourceError,
        StoreUnreachable,
        StoreError,
        DamagedError,
        VaultError,
        CatalogUnreachable,
        CatalogError,
    )
}
_SERVICE: dict[str, type[ServiceError]] = {kind.__name__: kind for kind in (NotFound, Conflict)}


def refusal_of(error: Exception) -> Refusal | None:
    """Return the refusal for an error; None for one that nobody foresees."""
    if isinstance(error, Invalid):
        return Refusal("Invalid", error.message, error.code, error.field)
    for kind in type(error).__mro__:
        if kind.__name__ in _SERVICE and isinstance(error, ServiceError):
            return Refusal(kind.__name__, error.message, error.code, detail=error.detail)
        if kind.__name__ in _PLAIN:
            return Refusal(kind.__name__, str(error))
    return None


def error_of(refusal: Refusal) -> Exception:
    """Return the error that a refusal stands for."""
    if refusal.kind == "Invalid":
        return Invalid(refusal.field, refusal.message)
    if refusal.kind in _SERVICE:
        return _SERVICE[refusal.kind](refusal.code, refusal.message, refusal.detail)
    return _PLAIN[refusal.kind](refusal.message) if refusal.kind in _PLAIN else Unavailable(refusal.message)
