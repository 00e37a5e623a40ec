"""Each command starts with what it needs, and nothing else: a library that is not imported costs no time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from kit.command import Run

HEAVY = ("numpy", "isal", "pydantic", "rich", "alembic", "litestar", "dbos", "sqlalchemy.dialects.postgresql")
"""Libraries that only some commands need."""


def imported(words: list[str], home: object) -> set[str]:
    """The modules that a command has imported when it ends."""
    program = (
        "import sys\nfrom holdfast.cli import entry\nsys.argv[1:] = " + repr(words) + "\n"
        "try:\n    entry.main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    environment = {**os.environ, "HOLDFAST_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("words", ["backup list bot", "account list", "app list", "audit"])
def test_a_command_that_lists_imports_no_engine(words: str, bot: tuple[str, str], run: Run, tmp_path: object) -> None:
    assert not {*HEAVY} & imported(words.split(), f"{tmp_path}/home")


@pytest.mark.parametrize("words", ["--help", "backup --help", "restore --help", "--version"])
def test_help_imports_no_catalog(words: str, tmp_path: object) -> None:
    assert not {*HEAVY, "sqlalchemy", "msgspec", "cryptography"} & imported(words.split(), tmp_path)
