"""Every message of the sources is in the catalogue of every language: translated, with the same placeholders."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.messages import LANGUAGES, SOURCE, SUBJECTS, all_messages, catalogue, forms_of, po_text, untranslated, updated

from holdfast.service.language.recognised import translated
from holdfast.service.language.texts import languages, speaking

TAGS = sorted(path.name for path in LANGUAGES.iterdir() if path.is_dir())
MESSAGES = all_messages()


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s", text)) | ({"%"} if "%%" in text else set())


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("tag", TAGS)
def test_every_message_is_translated_with_its_placeholders(tag: str, subject: str) -> None:
    made = updated(tag, subject, MESSAGES[subject])
    assert not untranslated(made), "run `make messages`, then translate these in languages/"
    for one in made:
        wanted = {name for text in forms_of(one.id) for name in placeholders(text)}
        for form in forms_of(one.string) if one.id else ():
            optional = {"%(num)s"} if form is not forms_of(one.string)[-1] else set()  # one may be a word
            assert placeholders(form) | optional == wanted | optional, f"{one.id} → {form}"
            assert not re.search(r"%(?!\(\w+\)s|%)", form), f"{form}: a % is written as %%"
    assert po_text(made) == (LANGUAGES / tag / f"{subject}.po").read_bytes(), "run `make messages`"


def test_a_language_has_each_subject_and_another_text_than_english() -> None:
    for tag in TAGS:
        texts = catalogue(tag, "texts")
        same = [one.id for one in texts if one.id and one.id == one.string]
        assert len(same) < len(texts) / 20, f"{tag}: many messages are the English ones: {same[:20]}"


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_a_function_that_translates_uses_the_name_for_nothing_else() -> None:
    """`_` as a name for what is not used would hide the function."""
    found = []
    for path in sorted([*(SOURCE / "web" / "dashboard").rglob("*.py"), *(SOURCE / "service").rglob("*.py")]):
        for function in functions(path):
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == "_"]
            calls = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
            if any(isinstance(one.ctx, ast.Store) for one in names) and any(id(one) in calls for one in names):
                found.append(f"{path.relative_to(SOURCE)}: {function.name}")
    assert not found


@pytest.mark.parametrize(
    ("english", "portuguese"),
    [
        (
            "The backup failed, as the host's disk is full; your host has to see to it, and has the details.",
            "O backup falhou, pois o disco do provedor está cheio; "
            "o seu provedor precisa resolver isso, e tem os detalhes.",
        ),
        (
            "The restore failed, as the dump of the database shop broke off or is incomplete; "
            "try again, and tell your host if it stays so.",
            "A restauração falhou, pois o dump foi interrompido ou está incompleto (o banco de dados shop); "
            "tente de novo, e avise o seu provedor se continuar assim.",
        ),
        (
            "Another backup of this application is named a; b %(x)s; choose another name.",
            "Outro backup desta aplicação se chama a; b %(x)s; escolha outro nome.",
        ),
        (
            "It was cancelled. The import was cancelled.",
            "Foi cancelado. A importação foi cancelada.",
        ),
        ("Nobody has ever said this, and nobody will.", "Nobody has ever said this, and nobody will."),
        ("", ""),
        ("x" * 5000, "x" * 5000),
    ],
)
def test_a_sentence_of_an_operation_is_recognised_by_its_form(english: str, portuguese: str) -> None:
    assert translated(english) == english, "outside of a page"
    with speaking("pt-BR"):
        assert translated(english) == portuguese
        assert translated(translated(english)) == portuguese


def test_sentences_that_are_recognised_cost_no_more_than_their_length() -> None:
    """A tenant chooses the values: the names of his files and backups."""
    hostile = "Another backup of this application is named " + "; choose another name" * 180 + "."
    with speaking("pt-BR"):
        assert translated(hostile).startswith("Outro backup desta aplicação se chama")


def test_each_language_is_installed_as_the_repository_has_it() -> None:
    for tag in TAGS:
        language = languages()[tag]
        made: Any = catalogue(tag, "sentences")
        assert language.sentences == {one.id: one.string for one in made if one.id}
