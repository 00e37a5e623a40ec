"""Results as text or JSON, errors as one sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

from holdfast.cli.command_line.declared import Option
from holdfast.cli.state import state
from holdfast.cli.terminal import OutputFailed, escaped

if TYPE_CHECKING:
    from msgspec import Struct


def _note_json(value: bool) -> bool:
    state.json = value
    return value


Json = Annotated[bool, Option("--json", help="Print JSON for programs.", convert=_note_json)]


def print_json(shown: Struct | Sequence[Struct]) -> None:
    """Print an answer, a struct of `schemas/` or a list of them, as JSON."""
    import msgspec

    print(json.dumps(msgspec.to_builtins(shown), indent=2, ensure_ascii=not _has_all_characters()))


def print_json_line(shown: Struct) -> None:
    """Print an answer as a line of JSON, at once."""
    import msgspec

    print(json.dumps(msgspec.to_builtins(shown), ensure_ascii=not _has_all_characters()), flush=True)


def _has_all_characters() -> bool:
    """True if standard output can have any character; JSON has its own way to write the others."""
    return (sys.stdout.encoding or "").lower().replace("_", "-") in ("utf-8", "utf8")


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows in columns; the last column may be as long as it likes."""
    cells = [[escaped(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


FAILED = 1
WRONG_USE = 2


class Failure(NamedTuple):
    """The code and the sentence of an error, and the exit code that it means."""

    code: str
    message: str
    exit_code: int = FAILED


def fail(code: str, message: str, exit_code: int = FAILED) -> int:
    """Say what went wrong on standard error; returns the exit code."""
    if state.json:
        print(json.dumps({"status": "error", "code": code, "message": message}), file=sys.stderr)
    else:
        print(escaped(message), file=sys.stderr)
    return exit_code


def warn(message: str) -> None:
    """Print a warning on standard error."""
    print(f"Warning: {escaped(message)}", file=sys.stderr)


def known_failure(error: Exception) -> Failure | None:
    """Return the failure that an error of the floors below means; None for a fault of the program."""
    from holdfast.service.errors import ServiceError, is_catalog_error
    from holdfast.service.instance.config import ConfigError
    from holdfast.service.instance.home import InstanceError
    from holdfast.stores.port import StoreError, StoreUnreachable
    from holdfast.vault.errors import VaultError

    if isinstance(error, OutputFailed):
        return Failure("OUTPUT", str(error))
    if isinstance(error, ServiceError):
        return Failure(error.code, error.detail, WRONG_USE if error.is_wrong_use else FAILED)
    if is_catalog_error(error):
        return Failure("CATALOG", str(error))
    for kind, code in (
        (InstanceError, "INSTANCE"),
        (ConfigError, "CONFIGURATION"),
        (StoreUnreachable, "STORE_UNREACHABLE"),
        (StoreError, "STORE"),
        (VaultError, "VAULT"),
    ):
        if isinstance(error, kind):
            return Failure(code, str(error))
    return None
