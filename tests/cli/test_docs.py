"""The documents are true: every command, setting and route stands in them, and what stands in them is there.

No command is run and no server started: examples are parsed as the program parses them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.codes import raised_codes

from holdfast.cli.command_line.parsing import CommandLine
from holdfast.cli.tree import NAME, Found, find, leaves
from holdfast.service.instance.config import Config, ConfigError, overridden_config
from holdfast.service.instance.plans import PricePlan
from holdfast.web.api.openapi.document import document

TREE = Path(__file__).parents[2]
README, OPERATING, API, NEW_MACHINE, HOST = (
    (TREE / name).read_text()
    for name in ("README.md", "docs/operating.md", "docs/api.md", "docs/new-machine.md", "docs/host.md")
)
DOCUMENTS = sorted((*TREE.glob("*.md"), *TREE.glob("docs/*.md")))
EVERYWHERE = {"--help", "--home", "--json"}
"""Options that are explained once for all commands."""


def chapter(title: str, text: str = OPERATING) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def command_lines(text: str) -> Iterator[str]:
    """The lines of indented blocks that begin with `holdfast`, with those that go on below them, without comments."""
    for line in re.findall(r"^    holdfast (.*(?:\n {8,}\S.*)*)", text, re.M):
        yield re.sub(r"\s+# .*", "", line).replace("\n", " ")


def find_command(words: list[str]) -> tuple[str, Found]:
    """The command that words begin with, and its name. AssertionError when there is none."""
    found = find(words)
    is_named = not found.commands or not found.rest or found.rest[0].startswith(("[", "-"))
    assert is_named, f"no command {' '.join(words)}"
    return found.path.removeprefix(NAME).strip(), found


def options_of(command: Found) -> set[str]:
    """Its options, those that stand everywhere apart."""
    if command.function is None:
        return set()
    return {name for one in CommandLine(command.path, command.function).parameters for name in one.names} - EVERYWHERE


def options_in(line: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"'[^']*'|\"[^\"]*\"", "", line)))


def test_the_operators_guide_lists_every_command_with_all_its_options() -> None:
    listed: dict[str, set[str]] = {}
    for line in command_lines(chapter("Commands")):
        name, found = find_command(line.split())
        listed.setdefault(name, set()).update(options_in(" ".join(found.rest)))
    assert listed == {name: options_of(find(name.split())) for name, _ in leaves()}


@pytest.mark.parametrize(
    "line",
    dict.fromkeys(
        line
        for text in (README, OPERATING.replace(chapter("Commands"), ""), NEW_MACHINE, HOST)
        for line in command_lines(text)
    ),
)
def test_an_example_is_understood(line: str) -> None:
    _, found = find_command(shlex.split(line))
    assert found.function is not None
    # Raises for options and arguments that are not there, or are missing.
    CommandLine(found.path, found.function).values(found.rest)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TREE)))
def test_commands_in_sentences_exist_with_their_options(path: Path) -> None:
    for line in re.findall(r"`holdfast ([^`]*)`", path.read_text().replace("\n", " ")):
        words = [word for word in line.split() if word not in ("--home", "DIR")]
        if words and re.fullmatch("[a-z-]+", words[0]):
            _, found = find_command(words)
            assert options_in(" ".join(found.rest)) <= options_of(found) | EVERYWHERE, line


def table_of(title: str) -> dict[str, str]:
    """The first table of a chapter: names in its first column, and what stands in the second."""
    cells = re.findall(r"^\| (`.*?) \| (.*?) \|", chapter(title), re.M)
    return {name: second for names, second in cells for name in re.findall(r"`(.*?)`", names)}


def test_every_setting_stands_in_the_guide_with_its_default() -> None:
    shown = table_of("holdfast.toml")
    named = {"[plans.NAME]": "plans", "[[databases]]": "databases", "[hooks.NAME]": "hooks"}
    assert {named.get(name, name) for name in shown} == set(Config.__struct_fields__)
    fresh = Config()
    wrong = {name: cell for name, cell in shown.items() if cell.isdigit() and int(cell) != getattr(fresh, name)}
    assert not wrong


def test_every_limit_of_a_plan_stands_in_the_guide() -> None:
    shown = {name for name in table_of("Plans") if not re.search("[A-Z]", name)}
    assert shown == set(PricePlan.__struct_fields__)


def test_what_the_environment_overrides_stands_in_the_guide() -> None:
    def overrides(name: str) -> bool:
        try:
            return overridden_config({}, "", {name: "!"}) != Config()
        except ConfigError:
            return True

    variables = {f"HOLDFAST_{name.upper()}" for name in Config.__struct_fields__}
    assert set(re.findall(r"`(HOLDFAST_\w+)`", chapter("holdfast.toml"))) == set(filter(overrides, variables))


def test_every_route_has_an_example() -> None:
    shown = set()
    for line in re.findall(r"^    curl (.*)", API, re.M):
        method = re.search(r"-X ([A-Z]+)", line)
        path = re.search(r'\$BASE(/[^\s"?]*)|("\$URL")', line)
        assert path, line
        shown.add((method[1] if method else "POST" if " -d " in line else "GET", path[1] or "/$FILE"))
    served = {
        (method.upper(), path)
        for path, operations in document("http://a.test", "http://a.test")["paths"].items()
        for method in operations
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert {(m, re.sub(r"\$[A-Z]+", "{}", p)) for m, p in shown} == {
        (m, re.sub(r"\{\w+\}", "{}", p) if p != "/file" else "/{}") for m, p in served
    }


def test_error_codes_have_the_status_that_the_table_says() -> None:
    rows = re.findall(r"^\| (`[A-Z].*?) \| (\d{3}) \|", API, re.M)
    said = {code: int(status) for codes, status in rows for code in re.findall(r"`([A-Z_]+)`", codes)}
    raised = raised_codes()
    # Of no class of their own: the server's answer to noise, the answer to a fault, the field of an upload.
    answered = {"INVALID_HTTP_REQUEST": 400, "INTERNAL_SERVER_ERROR": 500, "INVALID_ARCHIVE": 400}
    assert {code: status for code, status in said.items() if code not in answered} == {
        code: status for code, status in raised.items() if status != 500
    }
    assert answered.items() <= said.items()
    described = str(document("http://a.test", "http://a.test")["paths"])
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", described)) <= said.keys()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(TREE)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target
