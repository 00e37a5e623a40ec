"""The changes of a restore as its page shows them: counts, a bar, folders with their files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from holdfast.schemas.jobs import ChangedPath, RestorePreview
from holdfast.service.language.texts import _, ngettext
from holdfast.web.dashboard import words
from holdfast.web.dashboard.apps.comparisons import Compared

FOLDERS_SHOWN = 100
FILES_SHOWN = 100
"""Of each folder."""
_BAR = 1000
_GAP = 6
_KINDS = ("change", "back", "gone")


class ShownFile(NamedTuple):
    """A path that changes. `note`: more about it."""

    name: str
    css: str
    what: str
    size: str
    note: str


class ShownFolder(NamedTuple):
    """A folder of the top with all of it that changes; `more`: how many paths are not listed."""

    name: str
    counts: list[tuple[str, str]]
    files: list[ShownFile]
    more: int


class Part(NamedTuple):
    """A part of the bar."""

    css: str
    x: int
    width: int


def counted(changes: RestorePreview) -> dict[str, int]:
    """Return how many paths change, come back and go."""
    return dict(zip(_KINDS, (changes.changed, changes.added, changes.removed), strict=True))


def change_words(kind: str, count: int) -> str:
    """Return a count with its verb: `312 change`, `1 comes back`."""
    num = words.number(count)
    match kind:
        case "change":
            return ngettext("%(num)s changes", "%(num)s change", count, num=num)
        case "back":
            return ngettext("%(num)s comes back", "%(num)s come back", count, num=num)
    return ngettext("%(num)s is removed", "%(num)s are removed", count, num=num)


def one_change(kind: str) -> str:
    """Return the words for one path that changes, comes back or goes."""
    return {"change": _("changes"), "back": _("comes back"), "gone": _("is removed")}[kind]


def sentence_of(changes: RestorePreview) -> str:
    """Return the counts in one sentence: `312 files change, 4 come back, 9 are removed`."""
    counts = [(kind, count) for kind, count in counted(changes).items() if count]
    if not counts:
        return ""
    first, *others = counts
    return ", ".join([_of_paths(changes, *first), *(change_words(*one) for one in others)])


def _of_paths(changes: RestorePreview, kind: str, count: int) -> str:
    """Return a count with its verb and what it is of: `312 files change`."""
    num = words.number(count)
    match kind, is_files(changes):
        case "change", True:
            return ngettext("%(num)s file changes", "%(num)s files change", count, num=num)
        case "back", True:
            return ngettext("%(num)s file comes back", "%(num)s files come back", count, num=num)
        case "gone", True:
            return ngettext("%(num)s file is removed", "%(num)s files are removed", count, num=num)
        case "change", False:
            return ngettext("%(num)s file or folder changes", "%(num)s files and folders change", count, num=num)
        case "back", False:
            return ngettext("%(num)s file or folder comes back", "%(num)s files and folders come back", count, num=num)
    return ngettext("%(num)s file or folder is removed", "%(num)s files and folders are removed", count, num=num)


def is_files(changes: RestorePreview) -> bool:
    """True if all that changes is files, and no folders or links."""
    listed = [*changes.paths_changed, *changes.paths_added, *changes.paths_removed]
    return not changes.is_truncated and all(one.kind == "file" for one in listed)


def paths_words(changes: RestorePreview) -> str:
    """Return the count of all that changes, and what the counts are of: `325 files`."""
    count = sum(counted(changes).values())
    if is_files(changes):
        return words.files(count)
    return ngettext("%(num)s file or folder", "%(num)s files and folders", count, num=words.number(count))


def button_of(changes: RestorePreview) -> str:
    """Return the words of the button, whose count adds up."""
    return _("Restore %(paths)s", paths=paths_words(changes))


def bar_of(changes: RestorePreview) -> list[Part]:
    """Return the parts of the bar; each that is not empty can be seen."""
    counts = {kind: count for kind, count in counted(changes).items() if count}
    room = _BAR - _GAP * (len(counts) - 1)
    least = 20
    total = sum(counts.values())
    widths = {kind: max(least, room * count // total) for kind, count in counts.items()}
    widest = max(widths, key=lambda kind: widths[kind], default="")
    parts: list[Part] = []
    x = 0
    for kind, width in widths.items():
        width += room - sum(widths.values()) if kind == widest else 0
        parts.append(Part(kind, x, width))
        x += width + _GAP
    return parts


def folders_of(compared: Compared, goes_back: str) -> tuple[list[ShownFolder], int]:
    """Return the folders, and how many more there are. `goes_back`: said of a database that is replaced."""
    databases = frozenset(compared.preview.databases)
    by_folder: dict[str, list[tuple[str, ChangedPath]]] = {}
    for kind, path in _paths(compared.preview.changes):
        top = path.path.partition("/")[0] if "/" in path.path or path.kind == "folder" else ""
        by_folder.setdefault(top, []).append((kind, path))
    found = [_folder(top, by_folder[top], databases, goes_back) for top in sorted(by_folder)]
    return found[:FOLDERS_SHOWN], max(0, len(found) - FOLDERS_SHOWN)


def _paths(changes: RestorePreview) -> Iterable[tuple[str, ChangedPath]]:
    for kind, paths in zip(_KINDS, (changes.paths_changed, changes.paths_added, changes.paths_removed), strict=True):
        yield from ((kind, path) for path in paths)


def _folder(top: str, paths: list[tuple[str, ChangedPath]], databases: frozenset[str], goes_back: str) -> ShownFolder:
    counts = {kind: sum(one == kind for one, _ in paths) for kind in _KINDS}
    texts = [(kind, change_words(kind, count)) for kind, count in counts.items() if count]
    # A database first: it is what matters most of a folder.
    paths.sort(key=lambda one: (one[1].path not in databases, one[1].path))
    files = [_file(kind, path, databases, goes_back) for kind, path in paths[:FILES_SHOWN]]
    return ShownFolder(top, texts, files, max(0, len(paths) - FILES_SHOWN))


def _file(kind: str, path: ChangedPath, databases: frozenset[str], goes_back: str) -> ShownFile:
    note = goes_back if path.path in databases else ""
    name = f"{path.path}/" if path.kind == "folder" else path.path
    size = words.size(path.size) if path.kind == "file" else ""
    return ShownFile(name, kind, one_change(kind), size, note)


def shown(compared: Compared, goes_back: str) -> dict[str, Any]:
    """Return all that the page shows of a comparison."""
    changes = compared.preview.changes
    folders, more = folders_of(compared, goes_back)
    counts = [(kind, count) for kind, count in counted(changes).items() if count]
    return {
        "count": sum(counted(changes).values()),
        "counts": [(kind, change_words(kind, count)) for kind, count in counts],
        "sentence": sentence_of(changes),
        "bar": bar_of(changes),
        "folders": folders,
        "more_folders": more,
        "is_truncated": changes.is_truncated,
        "written": words.size(changes.write_bytes),
        "button": button_of(changes),
    }
