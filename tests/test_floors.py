"""The architecture: a module imports only from its own floor and those below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "holdfast"
FLOORS = {
    "native": 0,
    "stores": 0,
    "vault": 1,
    "sources": 2,
    "restorer": 3,
    "catalog": 4,
    "schemas": 4,
    "service": 5,
    "worker": 6,
    "cli": 7,
    "web": 7,
}

# Which floors may use which library: knowledge that is kept in one place.
ONLY_IN = {
    "sqlalchemy": {"catalog", "worker"},
    "alembic": {"catalog"},
    "dbos": {"worker"},
    "litestar": {"web"},
    "multipart": {"web"},
    "uvicorn": {"web"},
    "rich": {"cli"},
    "psycopg": {"sources"},
    "redis": {"sources"},
    "anycrc": {"sources"},
    "isal": {"vault"},
    "backports": {"sources"},
    "pyfastcdc": {"vault"},
    "cronsim": {"service"},
    "cryptography": {"vault"},
    "blake3": {"vault"},
    "prometheus_client": {"service", "web"},
    "structlog": {"service", "web"},
    "argon2": {"service"},
    "pyotp": {"service"},
    "segno": {"web"},
    "webauthn": {"service"},
    "joserfc": {"service"},
    "httpcore": {"service"},
    "apprise": {"service"},
}
MODULES = sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_go_down() -> None:
    for path in MODULES:
        check_imports(path)


def check_imports(path: Path) -> None:
    """Fail for an import from above, or of a library that belongs to others."""
    parts = path.relative_to(SOURCE).parts
    if len(parts) == 1:
        # Below every floor: they import nothing of ours, and every floor may import them.
        assert not [name for name in imports(path) if name.split(".")[0] == "holdfast"], path
        return
    floor = parts[0]
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "holdfast" and rest and rest[0] in FLOORS:
            assert FLOORS[rest[0]] <= FLOORS[floor], f"{path} imports {name} from above"
            assert (
                floor not in ("cli", "web") or rest[0] not in ("cli", "web") or rest[0] == floor or (floor == "cli")
            ), f"{path} imports {name}"
        if top in ONLY_IN:
            assert floor in ONLY_IN[top], f"{path} imports {name}, which belongs to {sorted(ONLY_IN[top])}"


def test_every_folder_is_a_floor() -> None:
    folders = {p.name for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders == set(FLOORS)
    assert {p.name for p in SOURCE.glob("*.py")} == {"__init__.py", "isolation.py", "units.py"}


def test_no_room_without_a_name() -> None:
    bad = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}
    assert not [p for p in MODULES if p.stem.strip("_") in bad]


def test_the_lowest_floors_know_no_sql_and_no_http() -> None:
    for floor in ("native", "stores", "vault", "sources", "restorer"):
        for path in (SOURCE / floor).rglob("*.py"):
            if path.parent == SOURCE / "sources" / "sqlite" and path.stem in ("copier", "holder", "opening"):
                continue  # a program of its own, whose only subject is SQLite
            for name in imports(path):
                if name.startswith("urllib.parse"):
                    continue  # takes URLs apart, and talks to nobody
                assert name.split(".")[0] not in {"sqlite3", "sqlalchemy", "http", "urllib", "asyncio"}, path
