"""The codes that are raised anywhere in the source, with the status of the class that carries each."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path

from holdfast.service.errors import Invalid, ServiceError
from holdfast.web.http.errors import ApiError

SOURCE = Path(__file__).parents[2] / "src" / "holdfast"


@cache
def raised_codes() -> dict[str, int]:
    """HTTP status by code; without those that name a field (`INVALID_<FIELD>`)."""
    codes: dict[str, int] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if path.parts[len(SOURCE.parts)] not in ("service", "web", "worker", "cli"):
            continue
        tree = ast.parse(path.read_text())
        module = ".".join(("holdfast", *path.relative_to(SOURCE).with_suffix("").parts))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for call in ast.walk(node):
                    if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
                        _enter(codes, module, node.name, call)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                _enter(codes, module, node.func.id, node)
    return codes


def _enter(codes: dict[str, int], module: str, name: str, call: ast.Call) -> None:
    if not call.args or not isinstance(call.args[0], ast.Constant):
        return
    code = call.args[0].value
    if not (isinstance(code, str) and re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", code)) and code != "UNAVAILABLE":
        return
    kind = getattr(importlib.import_module(module), name, None)
    if isinstance(kind, type) and issubclass(kind, ServiceError | ApiError) and not issubclass(kind, Invalid):
        assert codes.setdefault(code, kind.http_status) == kind.http_status, f"{code} has two statuses"
