"""English sentences of operations, told in the language that is spoken: of errors, failures, warnings and findings.

Operations say what happened in English, as the API passes it on, and failures are kept so in the catalog. A page has
only that text. It is recognised here by the form of its sentence, whose values are then put into the translation. The
catalogue `sentences` has the forms: `make messages` reads them from the sources.

It must never raise, and never lose anything: a text that is not recognised is told as it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from holdfast.service.language.texts import Language, languages, spoken

CHARACTERS_MAX = 4000
"""A longer text is told as it is."""

_DEPTH_MAX = 3
"""A value may be a sentence itself, and so may one of that."""

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z0-9])")


class _Form(NamedTuple):
    """A sentence: its literal parts, and between them the names of its values. `weight`: of its literal characters."""

    message: str
    parts: tuple[str, ...]
    names: tuple[str, ...]
    weight: int


def translated(text: str) -> str:
    """Return an English text of an operation in the language that is spoken."""
    language = spoken()
    if not text or not language.sentences or len(text) > CHARACTERS_MAX:
        return text
    return _translated(language.tag, text, 0)


@lru_cache(maxsize=4096)
def _translated(tag: str, text: str, depth: int) -> str:
    language = languages()[tag]
    found = _recognised(language, text, depth)
    if found is not None:
        return found
    sentences = _END_OF_SENTENCE.split(text)
    if len(sentences) == 1 or depth >= _DEPTH_MAX:
        return text
    return " ".join(_translated(tag, sentence, depth + 1) for sentence in sentences)


def _recognised(language: Language, text: str, depth: int) -> str | None:
    by_word, others = _forms(language.tag)
    found = max(
        filter(None, (_first(forms, text) for forms in (by_word.get(text.partition(" ")[0], ()), others))),
        key=lambda one: one[0].weight,
        default=None,
    )
    if found is None:
        return None
    form, values = found
    if depth < _DEPTH_MAX:
        values = {
            name: _translated(language.tag, value, depth + 1) if " " in value else value
            for name, value in values.items()
        }
    return language.sentences[form.message] % values


def _first(forms: Sequence[_Form], text: str) -> tuple[_Form, dict[str, str]] | None:
    """The first sentence that a text is, with its values."""
    return next(((form, values) for form in forms if (values := _values(form, text)) is not None), None)


@cache
def _forms(tag: str) -> tuple[dict[str, list[_Form]], list[_Form]]:
    """The sentences that a language can tell, by their first word; and those that begin with a value.

    Of each kind come those first that say the most by themselves.
    """
    by_word: dict[str, list[_Form]] = defaultdict(list)
    others: list[_Form] = []
    for message in languages()[tag].sentences:
        pieces = _PLACEHOLDER.split(message)
        parts = tuple(piece.replace("%%", "%") for piece in pieces[::2])
        form = _Form(message, parts, tuple(pieces[1::2]), sum(map(len, parts)))
        word, space, _rest = parts[0].partition(" ")
        (by_word[word] if space or len(parts) == 1 else others).append(form)
    for forms in (*by_word.values(), others):
        forms.sort(key=lambda form: -form.weight)
    return dict(by_word), others


def _values(form: _Form, text: str) -> dict[str, str] | None:
    """The values with which a sentence is a text; None when it is another one. Each part is looked for once."""
    first, *others = form.parts
    if not text.startswith(first):
        return None
    if not others:
        return {} if text == first else None
    last = others[-1]
    if not text.endswith(last):
        return None
    values: dict[str, str] = {}
    at, end = len(first), len(text) - len(last)
    for place, (name, part) in enumerate(zip(form.names, others, strict=True), start=1):
        stop = end if place == len(others) else text.find(part, at, end)
        if stop < at:
            return None
        value = text[at:stop]
        if values.setdefault(name, value) != value:
            return None
        at = stop + len(part)
    return values
