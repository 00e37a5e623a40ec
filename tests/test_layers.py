"""The layers: who reads and writes the catalog, what schemas/ stands on, and what web/http knows of the operations."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "holdfast"
RECORDS = (
    "holdfast.catalog.records",
    "holdfast.catalog.people.records",
    "holdfast.catalog.host.records",
    "holdfast.catalog.events.records",
)
SCHEMAS_IMPORT = (*RECORDS, "holdfast.vault.paths", "holdfast.units", "holdfast.schemas")


def imported(folder: str) -> Iterator[tuple[Path, str]]:
    """Each module of ours that a file below a folder imports, wherever in it."""
    for path in sorted((SOURCE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("holdfast"):
                for alias in node.names:
                    whole = SOURCE.joinpath(*node.module.split(".")[1:], alias.name)
                    is_module = whole.with_suffix(".py").exists() or whole.is_dir()
                    yield path, f"{node.module}.{alias.name}" if is_module else node.module
            elif isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names if alias.name.startswith("holdfast"))


def test_schemas_stand_on_records_only() -> None:
    wrong = [(p, name) for p, name in imported("schemas") if not name.startswith(SCHEMAS_IMPORT)]
    assert not wrong


def test_web_and_cli_reach_the_catalog_through_service() -> None:
    wrong = [
        (path, name)
        for folder in ("web", "cli")
        for path, name in imported(folder)
        if name.startswith("holdfast.catalog")
        and name not in ("holdfast.catalog.records", "holdfast.catalog.events.records")
    ]
    assert not wrong


def test_web_http_knows_only_the_errors_of_the_operations() -> None:
    wrong = [
        (path, name)
        for path, name in imported("web/http")
        if name.startswith("holdfast.service") and name != "holdfast.service.errors"
    ]
    assert not wrong


def test_schemas_alone_name_the_fields_of_an_answer() -> None:
    """No route and no command makes an object of its own: neither `print_json` nor a route's answer gets a dict."""
    shows = {"print_json", "print_json_line", "success"}
    wrong = []
    for folder in ("web/api", "cli"):
        for path in sorted((SOURCE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name | ast.Attribute)
                    and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) in shows
                    and any(isinstance(part, ast.Dict | ast.DictComp) for one in node.args for part in ast.walk(one))
                ):
                    wrong.append((path.name, node.lineno))
    assert not wrong
