"""The messages of the sources: of pages, and the sentences of operations that pages tell in their language.

`python -m kit.messages` (`make messages`) brings the catalogues of `languages/` up to date with the sources, and says
how many messages of each are not translated. Messages that are gone are dropped; a new tag as its argument begins
another language.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "holdfast"
LANGUAGES = ROOT / "languages"
SUBJECTS = ("texts", "sentences")
Message = str | tuple[str, ...]
"""A message, or both forms of one with a count."""

_SPEAKING = ("web/dashboard", "service/language", "service/standing", "service/notify", "service/export")
_KEYWORDS: dict[str, Any] = {"_": None, "N_": None, "ngettext": (1, 2)}
_JINJA = {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}
_SILENT_ROOMS = {"export", "host", "instance", "language", "notify", "operator", "overview", "standing"}
"""Rooms of `service/` whose English no page shows: the host's own routes, starting, mails, and those that translate
what they say themselves."""

_TELLING = (
    *(
        f"service/{room.name}"
        for room in sorted((SOURCE / "service").iterdir())
        if room.name not in _SILENT_ROOMS | {"__pycache__", "metrics.py"}
    ),
    *("service/instance/plans.py", "service/instance/recovery_sheet.py", "service/notify/endpoints.py"),
    *("service/notify/webhook.py", "sources/archive", "sources/directory", "sources/sqlite", "vault/paths.py"),
    *("vault/path_warnings.py", "web/http/errors.py", "web/http/request.py", "web/auth.py", "web/context.py"),
    *("web/dashboard/session.py", "web/dashboard/access.py", "web/dashboard/identities"),
)
"""The rooms whose sentences pages show: of errors, failures, warnings and findings."""

_UNTOLD = re.compile(
    r"(^|\.)(_gauge|_counter|_table|Counter|HistogramMetricFamily|ConfigError|InstanceError|_log|log|write|TypeError|"
    r"RuntimeError|ValueError|AssertionError|send_mail|compile|register|event|mail_text|_|N_|ngettext|Argument|Option)$"
)
"""Functions whose texts no page shows: of metrics, logs, commands and programming errors."""

_NOT_SAID = re.compile(r"^PRAGMA|^\S+$|; Path=|^(%\(\w+\)s[ ,;:.()]*)+$")
_WORDS_MIN = 3
_PARTS = ("sentences.py",)
"""Modules that put sentences together: their parts are told too."""


def all_messages() -> dict[str, dict[Message, set[str]]]:
    """The messages of each subject, with the files that they are from."""
    return {"texts": _texts(), "sentences": _sentences()}


def _texts() -> dict[Message, set[str]]:
    found: dict[Message, set[str]] = defaultdict(set)
    for path, method in _sources():
        with path.open("rb") as file:
            for _line, message, _comments, _context in extract(method, file, _KEYWORDS, options=_JINJA):
                found[message].add(path.relative_to(ROOT).as_posix())
    return found


def _sources() -> Iterator[tuple[Path, str]]:
    for path in sorted((SOURCE / "web" / "dashboard" / "templates").rglob("*.html")):
        yield path, "jinja2.ext:babel_extract"
    for folder in _SPEAKING:
        for path in sorted((SOURCE / folder).rglob("*.py")):
            yield path, "python"


def _sentences() -> dict[Message, set[str]]:
    found: dict[Message, set[str]] = defaultdict(set)
    for name in _TELLING:
        whole = SOURCE / name
        for path in sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]:
            for sentence in told_in(path):
                found[sentence].add(path.relative_to(ROOT).as_posix())
    return found


def told_in(path: Path) -> Iterator[str]:
    """The sentences that a module passes on: arguments of calls, and the values of its tables; with placeholders."""
    for node in ast.walk(ast.parse(path.read_text())):
        values: Iterable[ast.expr] = ()
        if isinstance(node, ast.Call) and not _UNTOLD.search(ast.unparse(node.func)):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.Dict):
            values = node.values
        elif isinstance(node, ast.Assign | ast.Return | ast.Yield) and node.value is not None:
            values = [node.value]
        elif isinstance(node, ast.IfExp):
            values = [node.body, node.orelse]
        for value in values:
            for part in value.elts if isinstance(value, ast.Tuple) else [value]:
                sentence = _sentence(part)
                if sentence is not None and (_is_sentence(sentence) or (path.name in _PARTS and " " in sentence)):
                    yield sentence
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KEY_NEVER_EXPORTED":
            text = ast.literal_eval(node.value)
            yield text[0].upper() + text[1:]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Check":  # of the doctor: its name
            yield ast.literal_eval(node.args[0])


def _is_sentence(text: str) -> bool:
    """True for a sentence, and for the beginning of one: `The restore`, which others have as their subject."""
    plain = re.sub(r"%\(\w+\)s", "X", text)
    if not plain or "\n" in plain or _NOT_SAID.search(text):
        return False
    count = len(re.findall(r"[a-z]{2,}", plain))
    is_whole = plain.endswith(".") or plain.startswith("The ")
    return plain[0].isupper() and count >= (_WORDS_MIN - 1 if is_whole else _WORDS_MIN)


def _sentence(node: ast.expr) -> str | None:
    """A text with its values as placeholders, named as what they are; None for what is no text."""
    names: dict[str, str] = {}

    def part(value: ast.expr) -> str:
        if isinstance(value, ast.Constant):
            return str(value.value).replace("%", "%%")
        assert isinstance(value, ast.FormattedValue)
        return f"%({_placeholder(ast.unparse(value.value), names)})s"

    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value.replace("%", "%%")
        return re.sub(r"\{(\w+)\}", r"%(\1)s", text)
    if isinstance(node, ast.JoinedStr):
        return "".join(part(value) for value in node.values)
    return None


def _placeholder(expression: str, names: dict[str, str]) -> str:
    """A name for an expression, of its last word; another one for another expression."""
    if expression not in names:
        words = re.findall(r"[A-Za-z_]+", re.sub(r"\[[^]]*\]|\"[^\"]*\"|'[^']*'", "", expression)) or ["value"]
        word = next((one for one in reversed(words) if one not in ("self", "else", "if", "s")), "value").strip("_")
        names[expression] = word if word not in names.values() else f"{word}{len(names) + 1}"
    return names[expression]


def catalogue(tag: str, subject: str) -> Catalog:
    """A catalogue of a language, as it is in the repository; an empty one that is not there yet."""
    path = LANGUAGES / tag / f"{subject}.po"
    locale = Locale.parse(tag, sep="-")
    if not path.exists():
        return Catalog(locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def updated(tag: str, subject: str, messages: dict[Message, set[str]]) -> Catalog:
    """A catalogue with the messages of the sources and no others; those that are known keep their translations."""
    old = catalogue(tag, subject)
    new = Catalog(
        old.locale, header_comment=f"# {tag}: {subject} of Holdfast's pages; brought up to date by `make messages`."
    )
    vars(new).update(_num_plurals=old.num_plurals, _plural_expr=old.plural_expr)
    for message in sorted(messages, key=str):
        known = old.get(message if isinstance(message, str) else message[0])
        text: Any = "" if isinstance(message, str) else ("",) * new.num_plurals
        if known is not None and isinstance(known.id, str) == isinstance(message, str):
            text = known.string
        new.add(message, text, locations=[(path, 0) for path in sorted(messages[message])])
    return new


def po_text(made: Catalog) -> bytes:
    """A catalogue as it is written: by message, with files and without lines, so that it changes when a text does."""
    file = io.BytesIO()
    write_po(file, made, width=120, sort_output=True, include_lineno=False, omit_header=True)
    head = (
        f'{made.header_comment}\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {made.locale_identifier}\\n"\n"Plural-Forms: {made.plural_forms}\\n"\n\n'
    )
    return head.encode() + file.getvalue()


def untranslated(made: Catalog) -> list[str]:
    """The messages without a translation."""
    return [str(one.id) for one in made if one.id and not all(forms_of(one.string))]


def forms_of(text: Any) -> list[str]:
    """A message or its translation as the list of its forms."""
    return [text] if isinstance(text, str) else list(text)


def main() -> None:
    found = all_messages()
    tags = sorted({path.name for path in LANGUAGES.iterdir() if path.is_dir()} | set(sys.argv[1:]))
    for tag in tags:
        (LANGUAGES / tag).mkdir(exist_ok=True)
        for subject in SUBJECTS:
            made = updated(tag, subject, found[subject])
            (LANGUAGES / tag / f"{subject}.po").write_bytes(po_text(made))
            print(f"{tag} {subject}: {len(found[subject])} messages, {len(untranslated(made))} not translated")


if __name__ == "__main__":
    main()
