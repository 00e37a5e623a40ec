"""The texts of a page that people see or hear: text nodes, and attributes that are read out or shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

ATTRIBUTES = frozenset(
    {"aria-label", "title", "placeholder", "alt", "data-text", "data-auto", "data-light", "data-dark"}
)
_UNSEEN = frozenset({"script", "style", "pre", "code", "kbd", "bdi", "svg"})
"""Elements whose text is no message: what is typed or was written by a machine, names of files, drawings."""

_WITHIN = frozenset({"time"})
"""Elements within a sentence, which goes on through them."""

_VOID = frozenset({"input", "meta", "link", "img", "br", "hr", "use", "path", "rect", "line", "circle"})
OPEN, CLOSE = "\u27e6", "\u27e7"
"""The marks around each message of the language that tests make."""


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._stack: list[bool] = []
        """For each element that is open: True if its texts count."""
        self._goes_on = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._goes_on = tag in _WITHIN and self._goes_on
        counts = (not self._stack or self._stack[-1]) and tag not in _UNSEEN
        counts = counts and not {"mono", "rights", "letter"} & set((given.get("class") or "").split())
        read = [value for name, value in attrs if name in ATTRIBUTES and value]
        self.found[len(self.found) - self._goes_on : len(self.found) - self._goes_on] = read
        if tag not in _VOID:
            self._stack.append(counts)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and self._stack:
            self._stack.pop()
        self._goes_on = tag in _WITHIN and self._goes_on

    def handle_data(self, data: str) -> None:
        if data.strip() and (not self._stack or self._stack[-1]):
            self.found[-1:] = [self.found[-1] + data] if self._goes_on else [*self.found[-1:], data]
            self._goes_on = True


def texts_of(page: str) -> list[str]:
    """The visible texts of a page, in their order."""
    parser = _Texts()
    parser.feed(page)
    return [" ".join(text.split()) for text in parser.found]


def outside_marks(text: str) -> str:
    """The part of a text that is in none of the marks, which may be nested."""
    kept, depth = [], 0
    for letter in text:
        depth += (letter == OPEN) - (letter == CLOSE)
        if depth == 0 and letter not in (OPEN, CLOSE):
            kept.append(letter)
    return "".join(kept)


def words_of(text: str) -> Iterator[str]:
    """The words of a text that could be a message's: of three letters or more."""
    yield from re.findall(r"[^\W\d_]{3,}", text)
