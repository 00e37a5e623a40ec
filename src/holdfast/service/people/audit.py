"""The audit: read it, write it as a file, and let old entries go.

The file is CSV as RFC 4180 has it. A program for tables takes a cell that begins with `=`, `+`, `-` or `@` for a
formula; such a cell gets an apostrophe before it, so that nobody's name of a backup runs in somebody's table.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Generator, Iterable, Iterator, Sequence

import msgspec

from holdfast.catalog import records
from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.events import audit as rows
from holdfast.catalog.events.audit import Change as Change
from holdfast.catalog.records import AuditFilter
from holdfast.schemas.audit import AuditEntry, OperatorAuditEntry, entry_of, operator_entry_of
from holdfast.service.instance.home import Instance
from holdfast.units import DAY_NS
from holdfast.vault.control import NEVER, ControlOf

KEPT_NS = 400 * DAY_NS
FILE_ROWS_MAX = 10_000
"""At most this many entries are in one file; the answer's Link leads to the next."""

_FORGET_AT_ONCE = 5_000
_log = logging.getLogger(__name__)
_COLUMNS = (
    "seq",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "ip",
    "action",
    "app_id",
    "backup_id",
    "job_id",
    "data",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def entries(instance: Instance, wanted: AuditFilter, limit: int, after: int | None = None) -> list[records.AuditEntry]:
    """Return entries, newest first, behind the one with the number `after`."""
    return rows.entries(instance.catalog, wanted, limit, after)


def record(instance: Instance, change: Change) -> None:
    """Enter a change of something outside the catalog, as it is now."""
    rows.record_change(instance.catalog, change, instance.clock.now_ns())


def record_downloads(instance: Instance, downloads: Sequence[tuple[int | None, Change, int]]) -> list[int] | None:
    """Enter downloads: with the number of the entry, if there is one, the change and when it began; return numbers.

    Return None when the catalog cannot be written, which is only logged: they are tried again.
    """
    try:
        return rows.store_downloads(instance.catalog, downloads)
    except CatalogError as error:
        _log.warning("downloads cannot be entered into the audit now: %s", error)
        return None


def entered_download(instance: Instance, change: Change, pieces: Iterator[memoryview]) -> Generator[memoryview]:
    """Pass the pieces of a download on, and enter it with the bytes that were taken when it ends or breaks off.

    As for downloads over HTTP, a catalog that cannot be written stops no download. Close the generator to stop early.
    """
    began_at, taken = instance.clock.now_ns(), 0
    try:
        for piece in pieces:
            yield piece
            taken += len(piece)
    finally:
        data = {"bytes": taken, "requests": 1, **change.data}
        record_downloads(instance, [(None, msgspec.structs.replace(change, data=data), began_at)])


def shown_entries(instance: Instance, found: Iterable[records.AuditEntry]) -> list[AuditEntry]:
    """Entries as their account sees them."""
    return [entry_of(one, instance.zone) for one in found]


def operator_entries(instance: Instance, found: Iterable[records.AuditEntry]) -> list[OperatorAuditEntry]:
    """Entries as the operator sees them."""
    return [operator_entry_of(one, instance.zone) for one in found]


def as_csv(shown: Iterable[AuditEntry]) -> str:
    """Entries as a file, with a line of heads; those of the operator begin with the account."""
    found = list(shown)
    is_operators = any(isinstance(one, OperatorAuditEntry) for one in found)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*(("account_id",) if is_operators else ()), *_COLUMNS))
    for one in found:
        account = (one.account_id,) if isinstance(one, OperatorAuditEntry) else ()
        who = (one.actor.kind, one.actor.id, one.actor.name, one.ip)
        ids = (one.app_id, one.backup_id, one.job_id)
        data = msgspec.json.encode(one.data).decode()
        writer.writerow([safe_cell(value) for value in (*account, one.seq, one.at, *who, one.action, *ids, data)])
    return text.getvalue()


def safe_cell(value: str | int | None) -> str:
    """Return a value as a cell of a file that no program takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def forget_old(instance: Instance, control: ControlOf[object] = NEVER) -> int:
    """Remove entries that are older than 400 days, some at a time; return their number. A cancel ends it early."""
    before, done = instance.clock.now_ns() - KEPT_NS, 0
    while not control.is_cancelled():
        gone = rows.forget_audit(instance.catalog, before, _FORGET_AT_ONCE)
        done += gone
        if gone < _FORGET_AT_ONCE:
            break
    return done
