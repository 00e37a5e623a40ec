"""Compiles the catalogues and the patterns of the languages, when the package is built or installed.

A language is a folder of `languages/`, named by its tag, with one .po for each subject; English needs none, as each
message is its own text. Dates, spans, numbers and lists are CLDR's, by babel, which is needed here and never at run
time: what is written is a small file of templates. Its version is pinned in pyproject.toml.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path("src/holdfast/service/language/built")
SOURCES = Path("languages")
ENGLISH = "en"
SUBJECTS = ("texts", "sentences")
"""The files of a language."""

_CLDR = {ENGLISH: "en-GB"}
"""By tag: the locale that dates are taken from, where it is another: English has the day before the month."""

_DATES = {
    "short": ("MMMEd",),
    "short_year": ("yMMMEd",),
    "full": ("MMMMEEEEd", "MMMMEd"),
    "full_year": ("yMMMMEEEEd", "full"),
    "date": ("MMMd",),
    "date_year": ("yMMMd",),
    "month_year": ("yMMMM",),
}
"""By the name that `Patterns.dates` has: CLDR's skeletons, the first that the language has."""

_FIELDS = {"E": "weekday", "c": "weekday", "d": "day", "M": "month", "L": "month", "y": "year"}
_PART = re.compile(r"'([^']*)'|([EcdMLy]+)|([^'EcdMLy]+)")
_UNITS = ("day", "hour", "minute")
_NUMBERS = range(1000)


def make_languages(root: Path) -> None:
    """Write the patterns of each language, and its messages."""
    folder = root / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for tag in (ENGLISH, *sorted(path.name for path in (root / SOURCES).iterdir() if path.is_dir())):
        plural: Callable[[int], int] = lambda count: int(count != 1)  # noqa: E731
        count = 2
        if tag != ENGLISH:
            texts, sentences = (_catalogue(root / SOURCES / tag / f"{subject}.po", tag) for subject in SUBJECTS)
            with (folder / f"{tag}.mo").open("wb") as file:
                write_mo(file, texts)
            told = {message.id: message.string for message in sentences if message.id and message.string}
            _write(folder / f"{tag}.sentences.json", told)
            count, plural = texts.num_plurals, _plural_of(texts)
        _write(folder / f"{tag}.json", _patterns(tag, count, plural))


def _catalogue(path: Path, tag: str) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=Locale.parse(tag, sep="-"))


def _write(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n")


def _plural_of(catalogue: Catalog) -> Callable[[int], int]:
    """The plural form of a count, as the catalogue's own rule has it."""
    from gettext import c2py  # type: ignore[attr-defined]

    found: Callable[[int], int] = c2py(catalogue.plural_expr)
    return found


def _patterns(tag: str, forms: int, plural: Callable[[int], int]) -> dict[str, Any]:
    named, locale = Locale.parse(tag, sep="-"), Locale.parse(_CLDR.get(tag, tag), sep="-")
    samples = [next(number for number in _NUMBERS if plural(number) == form) for form in range(forms)]

    def by_form(patterns: Mapping[str, str]) -> list[str]:
        """A template for each plural form, of CLDR's, which names them otherwise."""
        found = [patterns.get(locale.plural_form(number), patterns["other"]) for number in samples]
        return [text.replace("{0}", "{count}") for text in found]

    data: Any = locale._data
    symbols, series = locale.number_symbols["latn"], data["list_patterns"]["standard"]
    months, days, name = named.months, named.days["format"], named.get_display_name() or tag
    return {
        "name": name[0].upper() + name[1:],
        "months": _all(months["format"]["wide"], range(1, 13)),
        "months_alone": _all(months["stand-alone"]["wide"], range(1, 13)),
        "months_short": _all(months["format"]["abbreviated"], range(1, 13)),
        "days": _all(days["wide"], range(7)),
        "days_short": _all(days["abbreviated"], range(7)),
        "dates": {name: _template(_skeleton(locale, names)) for name, names in _DATES.items()},
        "decimal": symbols["decimal"],
        "group": symbols["group"],
        "spans": {unit: by_form(data["unit_patterns"][f"duration-{unit}"]["long"]) for unit in _UNITS},
        "past": {unit: by_form(data["date_fields"][unit]["past"]) for unit in _UNITS},
        "future": {unit: by_form(data["date_fields"][unit]["future"]) for unit in _UNITS},
        "series": [series["middle"], series["end"], series["2"]],
    }


def _all(names: Mapping[int, str], numbers: range) -> list[str]:
    return [names[number] for number in numbers]


def _skeleton(locale: Locale, names: tuple[str, ...]) -> str:
    """The pattern of the first skeleton that a language has; `full` is its longest date."""
    for name in names:
        found = locale.date_formats["full"] if name == "full" else locale.datetime_skeletons.get(name)
        if found is not None:
            pattern: str = found.pattern
            if name == "MMMMEd":  # CLDR has no longer one: the day's name is written in full all the same
                pattern = re.sub("E+", "EEEE", pattern)
            # British English has a comma behind the day's name in some of its dates, and in others none.
            return pattern.replace(", d", " d") if locale.language == ENGLISH else pattern
    raise SystemExit(f"CLDR has none of the dates {', '.join(names)} in {locale}.")


def _template(pattern: str) -> str:
    """A pattern of CLDR as a template; the day and its month stay on one line."""
    parts = []
    for quoted, letters, rest in _PART.findall(pattern):
        parts.append(f"{{{_FIELDS[letters[0]]}}}" if letters else quoted or rest)
    text = "".join(parts)
    return re.sub(r"\{day\}.*?\{month\}", lambda found: found[0].replace(" ", "\u00a0"), text)
