"""Commands run within the test's process, with what they print."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import NamedTuple

from holdfast.cli.command_line.declared import Exit
from holdfast.cli.main import run


class Done(NamedTuple):
    """A command that has ended. `output`: what it printed; `error`: what it said on standard error."""

    exit_code: int
    output: str
    error: str
    exception: Exception | None


def run_command(words: Sequence[str]) -> Done:
    """Run a command; an exception that the program would make a sentence of is returned with exit code 1."""
    code, exception = 0, None
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, "utf-8", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as error:
        try:
            run(words)
        except Exit as ended:
            code = ended.code
        except Exception as failed:
            code, exception = 1, failed
    return Done(code, raw.getvalue().decode(), error.getvalue(), exception)
