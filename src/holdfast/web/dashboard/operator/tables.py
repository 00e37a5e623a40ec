"""Lists as the operator's pages show them: a form that filters, a table, the way to the next page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from holdfast.service.language.texts import N_
from holdfast.web.http import request as inputs

ROWS = 50
"""Rows of one page."""


class Cell(NamedTuple):
    """A cell. `css`: of a tag around the text; `small`: a second line; `action`, `token`: of a form with one button."""

    text: str
    href: str = ""
    css: str = ""
    small: str = ""
    action: str = ""
    token: str = ""


class Field(NamedTuple):
    """A field of the form that filters. `choices`: (value, text); without any it is a text field."""

    name: str
    label: str
    value: str
    choices: Sequence[tuple[str, str]] = ()


class Table(NamedTuple):
    """A list. `next`, `file`: the addresses of its next page and of it as a file, empty for none.

    The name, the heads and `empty` are messages, which the page translates; `note` is told as it is.
    """

    name: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    fields: Sequence[Field] = ()
    next: str = ""
    file: str = ""
    empty: str = N_("Nothing is here.")
    note: str = ""


def whole_number(fields: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    """A whole number of the query; None when it is not there or empty. Raises INVALID_<FIELD>."""
    text = fields.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and low <= int(text) <= high):
        raise inputs.invalid(name, f"a whole number from {low} to {high}")
    return int(text)


def address(path: str, fields: Mapping[str, str], **more: str) -> str:
    """The address of a page with its filters; empty ones are left out."""
    query = urlencode({name: value for name, value in {**fields, **more}.items() if value})
    return f"{path}?{query}" if query else path
