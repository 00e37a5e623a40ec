"""The words of code and pages: docstrings begin as an engineer's do, and phrases of the old language are refused."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "holdfast").rglob("*.py"))
C_SOURCES = sorted((ROOT / "src" / "holdfast").rglob("*.[ch]"))
PAGES = [
    path
    for path in [
        *sorted((ROOT / "docs").glob("*.md")),
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
    ]
    if path.exists()
]

_FIRST_WORDS = re.compile(r"\s*(What|Whether|Where|How|So)\b")
_PHRASES = re.compile(r"\bis no (?!longer\b)|\bin the making\b|\bnobody thought of\b|\bmend its\b", re.IGNORECASE)


def test_the_rules_find_what_they_refuse() -> None:
    assert all(map(_FIRST_WORDS.match, ("So many may wait.", "How far it is.")))
    assert not any(map(_FIRST_WORDS.match, ("Some of it.", "However it ends.")))
    assert all(map(_PHRASES.search, ("It is no file.", "a pack in the making")))
    assert not any(map(_PHRASES.search, ("It is no longer a file.", "This node is not here.")))


def test_words_of_the_modules() -> None:
    wrong = [f"{path.relative_to(ROOT)}:{one}" for path in SOURCES for one in _wrong(path)]
    assert not wrong, "\n".join(wrong)


def _wrong(path: Path) -> Iterator[str]:
    """Line and words of all that is refused in a module."""
    text = path.read_text()
    nodes = [*ast.walk(ast.parse(text))]
    for line, doc in _docstrings(nodes):
        if (found := _FIRST_WORDS.match(doc)) is not None:
            yield f"{line}: begins with {found[1]}: {doc[:60]!r}"
    for line, words in _words(text, nodes):
        if (found := _PHRASES.search(words)) is not None:
            yield f"{line}: {found[0]!r}"


@pytest.mark.parametrize("path", [*C_SOURCES, *PAGES], ids=lambda path: path.name)
def test_words_of_a_page_or_of_c(path: Path) -> None:
    text = " ".join(path.read_text().split())
    wrong = [text[max(0, found.start() - 40) : found.end() + 40] for found in _PHRASES.finditer(text)]
    assert not wrong, "\n".join(wrong)


def _docstrings(nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line and text of the docstrings of modules, classes and functions, and of strings after assignments."""
    for node in nodes:
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.lineno, value.value


def _words(text: str, nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string and comment; parts of f-strings and of joined strings one by one."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split()) + " "
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
