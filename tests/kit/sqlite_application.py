"""An application with a database, in a process of its own: locks are a process's, and closing a file drops them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType

_PROGRAM = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=float(sys.argv[2]))
for line in sys.stdin:
    try:
        print(repr(database.execute(line).fetchall()), flush=True)
    except sqlite3.OperationalError as error:
        print(error, flush=True)
"""


class Application:
    """Runs statements on a database that it keeps open. Use as a context; leaving it kills it, as a crash does."""

    def __init__(self, path: Path, wait_seconds: float = 0) -> None:
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(path), str(wait_seconds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Application:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def sql(self, *statements: str) -> str:
        """Run statements; return the rows of the last one, or its error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answer = ""
        for statement in statements:
            self._process.stdin.write(statement + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline().strip()
        return answer
