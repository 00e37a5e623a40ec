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


SLOW_TO_IMPORT = {"structlog", "redis", "psycopg", "dbos", "litestar", "uvicorn", "apprise", "httpcore", "rich"}


@pytest.mark.parametrize("module", ["holdfast.service.take.run", "holdfast.service.restore.files"])
def test_an_operation_imports_only_what_it_needs(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    names = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not SLOW_TO_IMPORT & set(names.split())


def test_a_worker_starts_without_numpy() -> None:
    """Each large backup starts several; NumPy alone would double what that costs."""
    program = "import sys, holdfast.vault.archiver.worker; print('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
