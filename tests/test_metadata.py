"""The package's metadata: ranges for whoever installs it, pins in the lock; what `pip` and type checkers need."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORTED_AS = {"argon2-cffi": "argon2", "backports.zstd": "backports", "prometheus-client": "prometheus_client"}
NOT_IMPORTED = {
    "httptools": "uvicorn reads HTTP with it",
    "uvloop": "uvicorn runs on it",
    "swagger-ui-py": "its bundled pages are served, read as data",
    "tzdata": "zoneinfo reads it where the system has no time zones",
}


def requirement(text: str) -> str:
    """The name alone: `psycopg[binary]>=3.3; python_version < "4"` is `psycopg`."""
    for sign in "[<>=!~; ":
        text = text.split(sign)[0]
    return text


def test_dependencies_are_ranges() -> None:
    pinned = [text for text in PROJECT["dependencies"] if "==" in text.split(";")[0]]
    assert not pinned, "pins belong into uv.lock"


def test_the_lock_pins_every_dependency() -> None:
    locked = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    assert {requirement(text).lower().replace(".", "-") for text in PROJECT["dependencies"]} <= locked


def test_every_dependency_is_used() -> None:
    imported = {
        name.split(".")[0]
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    names = {requirement(text) for text in PROJECT["dependencies"]} - set(NOT_IMPORTED)
    assert {name for name in names if IMPORTED_AS.get(name, name) not in imported} == set()


def test_types_are_given_away() -> None:
    assert (ROOT / "src/holdfast/py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]
    assert {"Source", "Issues", "Documentation", "Changelog"} <= set(PROJECT["urls"])


def test_the_package_caches_lie_in_the_checkout() -> None:
    database = subprocess.run(
        ["make", "--no-print-directory", "-n", "-p", "build"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR"):
        assert f"{name} := {ROOT}/.cache/" in database
