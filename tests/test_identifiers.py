"""Words that the field does not know are refused in identifiers; ARCHITECTURE.md's glossary has the ones to use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "holdfast"
FILES = sorted([*SOURCE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")])

RETIRED = re.compile(
    r"(?:^|_)(?:deeds?|desk|crews?|pumps?|tally|tallies|tamed?|afresh|messengers?|noting|looking)(?:_|$)"
)
"""In no identifier, whatever its case."""
SPOKEN = re.compile(r"(?:^|_)(?:looks?|looked|says?|said|tells?|told)(?:_|$)")
"""In no identifier of the sources: nothing there looks or speaks."""
RETIRED_NAMES = {"hub", "hot", "turn", "turns", "keep", "reach", "feed", "fresh", "trial", "known", "figures"}
"""Not as the name of a module or of a class."""


def words(identifier: str) -> str:
    """An identifier in snake case: `ThreadPump` is `thread_pump`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower()


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Every name that a module defines, uses or imports, but for those of tests, which are sentences."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if not name.startswith("test_"):
                    yield name
            case ast.alias(name=name, asname=alias):
                yield from (alias or name).split(".")


def test_a_retired_word_would_be_found() -> None:
    tree = ast.parse("class ThreadPump: pass\nfrom a import desk\ndef f(small_deed): tally_of = 1")
    assert {name for name in identifiers(tree) if RETIRED.search(words(name))} == {
        "ThreadPump",
        "desk",
        "small_deed",
        "tally_of",
    }


def test_identifiers_are_words_of_the_field() -> None:
    refused = {str(path.relative_to(ROOT)): found for path in FILES if (found := refused_in(path))}
    assert not refused


def refused_in(path: Path) -> set[str]:
    """The names of a file that it may not have."""
    tree = ast.parse(path.read_text())
    names = {path.stem, *identifiers(tree)}
    refused = {name for name in names if is_retired(name)}
    if SOURCE in path.parents:
        refused |= {name for name in names if is_spoken(name)}
    classes = {words(node.name).lstrip("_") for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    return refused | ({path.stem, *classes} & RETIRED_NAMES)


@cache
def is_retired(name: str) -> bool:
    return RETIRED.search(words(name)) is not None


@cache
def is_spoken(name: str) -> bool:
    return SPOKEN.search(words(name)) is not None
