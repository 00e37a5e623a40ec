"""The house of the tests: what they share is `kit` and fixtures; they never import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
FILES = sorted(TESTS.rglob("*.py"))
OWN = {path.stem for path in TESTS.iterdir()} - {"kit"} | {"tests", "conftest"}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_test_files_import_kit_and_fixtures_never_each_other() -> None:
    for path in FILES:
        for name in imported(path):
            assert not name.startswith("."), f"{path}: {name} is a relative import"
            is_theirs = name.partition(".")[0] in OWN
            assert not is_theirs, f"{path}: {name} is a test file: what tests share belongs into tests/kit/"
