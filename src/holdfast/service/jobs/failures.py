"""Failures: the code and the sentence recorded with a failed backup or job."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.catalog.database.engine import CatalogUnreachable
from holdfast.service.errors import ServiceError

INTERNAL_ERROR = "INTERNAL_ERROR"
"""An unexpected error: the log has the traceback."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why it failed: a code for programs, a sentence for a person."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures of one kind of operation (`operation`: "The restore").

    `codes`: of errors whose message is the sentence, the first that fits counts. `interrupted`: the sentence for one
    whose process was told to end. `disk`: code and beginning of the sentence when the system says why; None: nobody
    expects that.
    """

    operation: str
    codes: tuple[tuple[type[BaseException], str], ...]
    interrupted: str
    disk: tuple[str, str] | None = None

    def of(self, error: BaseException) -> Failure:
        """Return the failure that an error stands for."""
        if isinstance(error, ServiceError):
            return Failure(error.code, error.message)
        if isinstance(error, CatalogUnreachable):
            # Not its own sentence: that says where the catalog is, and this one is for customers.
            message = f"{self.operation} failed, as the catalog of the backups could not be reached; try again."
            return Failure("CATALOG_UNREACHABLE", message)
        for kind, code in self.codes:
            if isinstance(error, kind):
                return Failure(code, str(error))
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return Failure("CANCELLED", self.interrupted)
        if isinstance(error, OSError) and self.disk is not None:
            code, what = self.disk
            return Failure(code, f"{what} ({error.strerror or error}).")
        message = f"{self.operation} failed unexpectedly; the server's log has the details."
        return Failure(INTERNAL_ERROR, message)
