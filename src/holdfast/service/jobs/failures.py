"""Failures: the code and the two texts recorded with a failed backup or job, the customer's and the operator's."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.catalog.database.engine import CatalogUnreachable
from holdfast.service.errors import ServiceError
from holdfast.service.jobs.sentences import OWN, sentence_of
from holdfast.vault.errors import SourceFailed, VaultError
from holdfast.vault.paths import shown

INTERNAL_ERROR = "INTERNAL_ERROR"
"""An unexpected error: the log has the traceback."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why it failed. `code`: for programs; `message`: for the customer, with nothing of the operator's machine."""

    code: str
    message: str
    detail: str = ""
    """For the operator: all that is known. Empty: the message is all."""

    def columns(self) -> dict[str, str]:
        """Return it as the rows of backups and jobs have it."""
        return {"error_code": self.code, "error_message": self.message, "error_detail": self.detail or self.message}


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures of one kind of operation (`operation`: "The restore").

    `codes`: of errors whose message is the operator's text, the first that fits counts. `interrupted`: the sentence for
    one whose process was told to end. `disk`: code and beginning of the text when the system says why; None: nobody
    expects that.
    """

    operation: str
    codes: tuple[tuple[type[BaseException], str], ...]
    interrupted: str
    disk: tuple[str, str] | None = None

    def of(self, error: BaseException) -> Failure:
        """Return the failure that an error stands for."""
        if isinstance(error, ServiceError):
            return Failure(error.code, error.message, error.detail)
        if isinstance(error, CatalogUnreachable):
            return self.with_code("CATALOG_UNREACHABLE", error)
        for kind, code in self.codes:
            if isinstance(error, kind):
                return self.with_code(code, error)
        if isinstance(error, SourceFailed):
            return self.with_code(error.code, error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return Failure("CANCELLED", self.interrupted)
        if isinstance(error, OSError) and self.disk is not None:
            code, what = self.disk
            where = f": {error.filename}" if error.filename else ""
            return Failure(code, sentence_of(code, self.operation), f"{what} ({error.strerror or error}{where}).")
        detail = f"{self.operation} failed unexpectedly ({type(error).__name__}); the server's log has the details."
        return Failure(INTERNAL_ERROR, sentence_of(INTERNAL_ERROR, self.operation), detail)

    def with_code(self, code: str, error: BaseException) -> Failure:
        """Return the failure with a code whose detail is the error's own text."""
        detail = str(error)
        if code in OWN:
            return Failure(code, detail)
        if isinstance(error, VaultError) and error.path is not None:
            message = (
                f"{self.operation} failed, as the file {shown(error.path)} of the backup {error.backup} is lost or "
                "damaged; use another backup, or leave that file out."
            )
            return Failure(code, message, detail)
        return Failure(code, sentence_of(code, self.operation, getattr(error, "database", "")), detail)
