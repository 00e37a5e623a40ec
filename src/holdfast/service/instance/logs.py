"""The log of a process: one event per line on stderr, as JSON, or as text for people at a terminal.

Our code and libraries log through `logging`, with the fields of an event as `extra`; structlog formats the line. Every
line has `timestamp`, `level`, `event` and `process` (`web` or `jobs`).

It must never write an API key or a download's key. Callers log paths without queries; in addition, everything
in a line that looks like a key is removed, because tracebacks and the messages of libraries are not ours.
"""

from __future__ import annotations

import logging
import math
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, BinaryIO, Literal

import msgspec

from holdfast.catalog.database.engine import CatalogError
from holdfast.service.errors import ServiceError
from holdfast.service.instance.config import ConfigError
from holdfast.service.instance.home import InstanceError
from holdfast.sources.port import SourceError
from holdfast.stores.port import StoreError
from holdfast.vault.errors import VaultError

Format = Literal["json", "text"]
Level = Literal["debug", "info", "warning", "error"]

FORESEEN = (ServiceError, CatalogError, StoreError, VaultError, SourceError, ConfigError, InstanceError)
"""Errors whose message is a sentence for a person: where they are logged, a traceback says nothing more."""

_KEYS = re.compile(rb"\bhf_[0-9A-Za-z]{8,}|\b[0-9a-f]{40}\b")
_CUT_DOWNLOAD = "ASGI callable returned without completing response."
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_OF_DBOS = frozenset(("applicationID", "applicationVersion", "executorID", "operationUUID", "traceId"))
_FIRST = ("timestamp", "level", "process", "event")

_SELDOM_SECONDS = 60
_KNOWN_MAX = 200

Event = MutableMapping[str, Any]

_events = logging.getLogger("holdfast.journal")
# A command that does an operation in its own process reports it in its own way: without `configure_logs` nobody hears.
_events.addHandler(logging.NullHandler())


def event(name: str, fields: Mapping[str, object], level: int = logging.INFO) -> None:
    """Log an event of an operation, with its ids and sizes as fields. All else is logged by a module's `_log`."""
    _events.log(level, name, extra=dict(fields))


def redact(line: bytes) -> bytes:
    """The line with everything in it that looks like an API key or a download's key made unreadable."""
    return _KEYS.sub(b"[redacted]", line)


def configure_logs(process: str, level: Level = "info", form: Format = "json", stream: BinaryIO | None = None) -> None:
    """Set up the log of this process, on stderr if no `stream` is given; called once by whoever owns the process."""
    import structlog  # 0.1 s that a command, which configures no log, does not need

    number = logging.getLevelNamesMapping()[level.upper()]

    def name_process(_logger: Any, _method: str, event: Event) -> Event:
        event["process"] = process
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            name_process,
            structlog.processors.format_exc_info,
            _RENDERERS[form],
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog(structlog.get_logger)]
    root.setLevel(max(number, logging.WARNING))
    logging.getLogger("holdfast").setLevel(number)
    # DBOS puts a handler of its own on its logger when it is imported, and keeps it from ours.
    dbos = logging.getLogger("dbos")
    dbos.handlers[:] = [logging.NullHandler()]
    dbos.propagate = True
    dbos.filters[:] = [_Seldom()]


class _Seldom(logging.Filter):
    """Lets the queue say the same thing once a minute.

    While its database cannot be reached it says so a dozen times a second, with whole tracebacks: 60 MB an hour.
    """

    def __init__(self) -> None:
        super().__init__()
        self._logged_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if 0 <= record.created - self._logged_at.get(text, -math.inf) < _SELDOM_SECONDS:
            return False
        if len(self._logged_at) >= _KNOWN_MAX:
            self._logged_at.clear()
        self._logged_at[text] = record.created
        return True


class _ToStructlog(logging.Handler):
    """Hands on what is logged the standard way, with its extra fields, so that the log has one form."""

    def __init__(self, get_logger: Callable[[str], Any]) -> None:
        super().__init__()
        self._get_logger = get_logger

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == _CUT_DOWNLOAD:  # logged already, with its request's id
            return
        fields = {k: v for k, v in vars(record).items() if k not in _OF_EVERY_RECORD and k not in _OF_DBOS}
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, FORESEEN):
            fields["reason"] = str(error)
        elif error is not None:
            fields["exc_info"] = record.exc_info
        self._get_logger(record.name).log(record.levelno, record.getMessage(), **fields)


def _as_json(_logger: Any, _method: str, event: Event) -> bytes:
    ordered = {**{name: event[name] for name in _FIRST if name in event}, **event}
    return redact(msgspec.json.encode(ordered, enc_hook=repr))


def _as_text(_logger: Any, _method: str, event: Event) -> bytes:
    stamp, level, process, event_name = (event.pop(name, "") for name in _FIRST)
    trace = event.pop("exception", "")
    fields = "".join(f" {name}={_plain(value)}" for name, value in event.items())
    line = f"{str(stamp)[:19]}Z {level:7} {process:4} {_one_line(str(event_name))}{fields}"
    return redact((f"{line}\n{trace}" if trace else line).encode(errors="replace"))


def _plain(value: Any) -> str:
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(" \"='") else repr(text)


def _one_line(text: str) -> str:
    """A line is an event: what somebody else wrote must not begin one of its own."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


_RENDERERS: dict[Format, Callable[[Any, str, Event], bytes]] = {"json": _as_json, "text": _as_text}
