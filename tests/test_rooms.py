"""The rooms: packages of 2 to 15 modules, no cycle between sibling rooms, files with one subject, short functions."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "holdfast"
MODULES_MAX = 15
MODULES_MIN = 2
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
ANY_SIZE = {"cli", "catalog/database/migrations", "catalog/database/migrations/versions"}
"""Packages whose modules are entries of a list: commands, and one migration after the other."""
LONG_FILES = {
    "restorer/staging.py": "gives way to the native engine's writer",
    "vault/archiver/ingest.py": "gives way to the native engine",
    "vault/archiver/manifest_writer.py": "gives way to the native engine",
}
"""Files over the limit, each with its reason."""
LONG_FUNCTIONS = {
    "catalog/database/migrations/versions/m0001_first.py:upgrade": "a list of tables",
    "catalog/database/migrations/versions/m0010_who_may_what.py:_add_tables": "a list of tables",
    "cli/restore.py:restore": "a list of options",
    "service/integrity/trial_restore.py:_compare": "one comparison after the other",
    "service/notify/messages.py:compose": "a table of sentences",
    "web/api/openapi/backups.py:paths": "a list of paths",
    "web/api/openapi/browsing.py:paths": "a list of paths",
    "web/api/openapi/jobs.py:paths": "a list of paths",
    "web/api/openapi/webhooks.py:paths": "a list of paths",
    "web/api/backups.py:backup_routes": "a list of handlers",
    "web/api/jobs.py:job_routes": "a list of handlers",
    "web/api/webhooks.py:webhook_routes": "a list of handlers",
}
"""Functions over the limit (`file:name`), each with its reason."""


def packages() -> list[Path]:
    """All packages below the source, the root not among them."""
    return sorted(page.parent for page in SOURCE.rglob("__init__.py") if page.parent != SOURCE)


def named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def modules_of(package: Path) -> list[Path]:
    """The modules and C files that stand in a package itself."""
    found = [*package.glob("*.py"), *package.glob("*.c")]
    return [path for path in found if path.name != "__init__.py"]


def rooms_of(package: Path) -> list[Path]:
    return [child for child in packages() if child.parent == package]


@pytest.mark.parametrize("package", packages(), ids=named)
def test_a_package_has_2_to_15_modules(package: Path) -> None:
    if named(package) in ANY_SIZE:
        return
    count = len(modules_of(package))
    assert count <= MODULES_MAX, f"{named(package)} has {count} modules; give their subjects rooms of their own"
    assert count + len(rooms_of(package)) >= MODULES_MIN, f"{named(package)} has {count} modules; merge it"


@cache
def imported(path: Path) -> list[str]:
    """The dotted names of ours that a module imports, wherever in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.startswith("holdfast.")]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "holdfast":
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def rooms_imported(package: Path) -> dict[str, set[str]]:
    """Each room and module right below a package, and which of its siblings it imports."""
    prefix = ".".join(("holdfast", *package.relative_to(SOURCE).parts)).rstrip(".") + "."
    siblings = {path.name if path.is_dir() else path.stem for path in (*modules_of(package), *rooms_of(package))}
    arrows: dict[str, set[str]] = defaultdict(set)
    for path in package.rglob("*.py"):
        below = path.relative_to(package).parts
        room = below[0].removesuffix(".py")
        if room not in siblings:
            continue
        for name in imported(path):
            to = name.removeprefix(prefix).split(".")[0] if name.startswith(prefix) else room
            if to != room and to in siblings:
                arrows[room].add(to)
    return arrows


def cycle_in(arrows: dict[str, set[str]]) -> list[str]:
    """One cycle of a graph, its first node again at its end; empty where there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for to in sorted(arrows.get(node, ())):
            found = walk(to, [*path, node])
            if found:
                return found
        done.add(node)
        return []

    return next((found for node in sorted(arrows) if (found := walk(node, []))), [])


def test_a_cycle_would_be_found() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}}) == []


@pytest.mark.parametrize("package", [SOURCE, *packages()], ids=named)
def test_siblings_form_no_cycle(package: Path) -> None:
    found = cycle_in(rooms_imported(package))
    assert not found, " -> ".join(found)


def test_files_have_one_subject() -> None:
    over = {
        named(path)
        for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.c")]
        if len(path.read_text().splitlines()) > FILE_LINES_MAX
    }
    assert over == set(LONG_FILES)


def test_functions_are_short() -> None:
    over = {
        f"{named(path)}:{node.name}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert over == set(LONG_FUNCTIONS)
