"""The web process's log: one JSON object per line on stderr.

What it must never do: write an API key or a download's key. Callers log paths without queries; besides, every line is
searched for what looks like a key, because tracebacks and other people's messages are written by nobody here.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, BinaryIO

import msgspec
import structlog

_KEYS = re.compile(rb"\bhf_[0-9A-Za-z]{8,}|\b[0-9a-f]{40}\b")
_SAID_BY_US = "ASGI callable returned without completing response."


def _render(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> bytes:
    return redact(msgspec.json.encode(event, enc_hook=repr))


def redact(line: bytes) -> bytes:
    """The line with everything in it that looks like an API key or a download's key made unreadable."""
    return _KEYS.sub(b"[redacted]", line)


class _ToStructlog(logging.Handler):
    """Hands on what libraries log (uvicorn above all), so that the log has one form."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() != _SAID_BY_US:  # a download that was cut, logged already with its request's id
            structlog.get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def configure_logs(level: int = logging.INFO, stream: BinaryIO | None = None) -> None:
    """Set up the log of this process, on stderr if no `stream` is given; called once by whoever owns the process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog()]
    root.setLevel(max(level, logging.WARNING))
