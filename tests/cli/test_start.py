"""A command starts quickly: it imports no library that it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW_TO_IMPORT = {"structlog", "redis", "psycopg", "dbos", "litestar", "uvicorn", "apprise", "httpcore", "rich"}


@pytest.mark.parametrize("module", ["holdfast.service.take.run", "holdfast.service.restore.files"])
def test_an_operation_imports_only_what_it_needs(module: str) -> None:
    program = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not SLOW_TO_IMPORT & set(imported.split())


def test_a_worker_starts_without_numpy() -> None:
    """Each large backup starts several; NumPy alone would double what that costs."""
    program = "import sys, holdfast.vault.archiver.worker; print('numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
