"""The language that is spoken, and its messages: gettext over the catalogues that were compiled at the build.

It must never raise for a message that a catalogue lacks: that one is told in English.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

ENGLISH = "en"
_BUILT = Path(__file__).parent / "built"
_ASKED_CHARACTERS_MAX = 500
_ASKED_MAX = 20
"""Of the header Accept-Language: the rest is not looked at."""


class Patterns(msgspec.Struct, frozen=True):
    """The ways in which a language writes dates, spans, numbers and lists; `hatch_languages.py` makes them from CLDR.

    `days` begin with Monday. Dates are templates of `{weekday}`, `{day}`, `{month}`, `{year}`. `spans`, `past` and
    `future` have, by unit, a template for each plural form of the catalogue. `series`: how a list goes on, how its last
    one is joined to more than one, and to one.
    """

    name: str
    months: tuple[str, ...]
    months_alone: tuple[str, ...]
    months_short: tuple[str, ...]
    days: tuple[str, ...]
    days_short: tuple[str, ...]
    dates: dict[str, str]
    decimal: str
    group: str
    spans: dict[str, tuple[str, ...]]
    past: dict[str, tuple[str, ...]]
    future: dict[str, tuple[str, ...]]
    series: tuple[str, str, str]


@dataclass(frozen=True)
class Language:
    """A language: its tag, its messages, the English sentences that it can tell (`recognised.py`), its patterns."""

    tag: str
    texts: gettext.NullTranslations
    sentences: dict[str, str]
    patterns: Patterns

    def plural(self, count: int) -> int:
        """Return the number of the plural form that a count takes."""
        form = getattr(self.texts, "plural", None)  # a catalogue that was read has one, which no stub names
        return int(count != 1) if form is None else int(form(count))


@cache
def languages() -> dict[str, Language]:
    """Return the languages that this installation speaks, by their tags."""
    return {path.stem: _read(path.stem) for path in sorted(_BUILT.glob("*.json")) if "." not in path.stem}


def _read(tag: str) -> Language:
    path = _BUILT / f"{tag}.sentences.json"
    sentences = msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}
    patterns = msgspec.json.decode((_BUILT / f"{tag}.json").read_bytes(), type=Patterns)
    return Language(tag, _messages(_BUILT / f"{tag}.mo"), sentences, patterns)


def _messages(path: Path) -> gettext.NullTranslations:
    if not path.exists():  # English: a message is its own text
        return gettext.NullTranslations()
    with path.open("rb") as file:
        return gettext.GNUTranslations(file)


_spoken: ContextVar[Language | None] = ContextVar("spoken", default=None)


def spoken() -> Language:
    """Return the language that is spoken now."""
    return _spoken.get() or languages()[ENGLISH]


@contextmanager
def speaking(tag: str) -> Iterator[None]:
    """Speak a language meanwhile; one that is not known is English."""
    token = _spoken.set(languages().get(tag))
    try:
        yield
    finally:
        _spoken.reset(token)


def speak(tag: str | None) -> None:
    """Speak another language until the `speaking` around it ends. Empty, or one that is not known: nothing changes."""
    found = languages().get(tag or "")
    if found is not None:
        _spoken.set(found)


def best_of(asked: str) -> str:
    """Return the tag of the language that a browser wants most, by its Accept-Language; English without one."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(asked[:_ASKED_CHARACTERS_MAX].split(",")[:_ASKED_MAX]):
        tag, _, weight = part.partition(";")
        weighed = _weight(weight.strip())
        if weighed > 0:
            wanted.append((-weighed, place, tag.strip().lower()))
    for *_, tag in sorted(wanted):
        if (found := _closest(tag)) is not None:
            return found
    return ENGLISH


def _weight(text: str) -> float:
    if not text:
        return 1.0
    try:
        return float(text.removeprefix("q=")) if text.startswith("q=") else 0.0
    except ValueError:
        return 0.0


def _closest(tag: str) -> str | None:
    """Return the language of a tag, or one with the same beginning: `pt-PT` is read by who gets `pt-BR`."""
    same = next((known for known in languages() if known.lower() == tag), None)
    start = tag.partition("-")[0]
    return same or next((known for known in languages() if known.lower().partition("-")[0] == start), None)


def N_(message: str) -> str:
    """Mark a message of a constant: `_` translates it where it is used. (Named as the tools of gettext know it.)"""
    return message


def _(message: str, /, **values: object) -> str:
    """Return a message in the language that is spoken, with its placeholders filled in (`%(name)s`)."""
    text = spoken().texts.gettext(message)
    return text % values if values else text


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """Return the message for a count. `%(num)s` is the count, unless `num` is given: as it is to be written."""
    text = spoken().texts.ngettext(one, many, count)
    return text % {"num": count, **values}
