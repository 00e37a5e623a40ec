"""Text for a terminal: nothing of it moves the cursor, writes the clipboard or turns text around.

Names of files are a tenant's, and may have any byte but zero and a slash; so may what quotes them. Control characters
are shown as `\\u001b`, which is also how JSON writes them. All that a command prints goes through `guard`; a line that
has a tenant's text in it goes through `escaped` too, as there a line feed is a control character like any other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO, cast

_TURNING = (0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that change the direction of text, or begin a line (Unicode Standard Annex 9)."""

_ALL = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), *_TURNING)}
_OUTSIDE_LINES = {code: text for code, text in _ALL.items() if code not in (ord("\n"), ord("\t"))}


def escaped(text: str) -> str:
    """Return text as one line without control characters."""
    return text.translate(_ALL)


class OutputFailed(Exception):
    """Standard output cannot be written, for a reason of the system's; a reader that has gone is a BrokenPipeError."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"The output cannot be written ({error.strerror}); make room, or send it to another place.")


@contextmanager
def _output_errors() -> Iterator[None]:
    """Tell an error of standard output from any other of the system. Raises OutputFailed, BrokenPipeError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFailed(error) from None


class _Guarded:
    """A stream of text that escapes all control characters but those between lines; otherwise as `stream`."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        with _output_errors():
            self.stream.write(text.translate(_OUTSIDE_LINES))
        return len(text)

    def flush(self) -> None:
        with _output_errors():
            self.stream.flush()

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def guard() -> None:
    """Have standard output and standard error escape control characters, for as long as this process lives."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of another encoding lacks most characters
    sys.stdout = cast(TextIO, _Guarded(unguarded(sys.stdout)))
    sys.stderr = cast(TextIO, _Guarded(unguarded(sys.stderr)))


def write_bytes(pieces: Iterable[bytes | memoryview]) -> None:
    """Write pieces of a file to standard output. Raises OutputFailed, BrokenPipeError, and what `pieces` raises."""
    out = sys.stdout.buffer
    for piece in pieces:
        with _output_errors():
            out.write(piece)
    with _output_errors():
        out.flush()


def unguarded(stream: TextIO) -> TextIO:
    """Return the stream behind a guarded one, for what draws with control characters of its own."""
    return stream.stream if isinstance(stream, _Guarded) else stream
