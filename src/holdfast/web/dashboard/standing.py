"""The badges of standings, of days and of backups: the class that colours them, an icon, a word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

from holdfast.catalog.records import Backup, State
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.overview.strip import Cell, CellKind
from holdfast.service.policy.standing import Kind
from holdfast.web.dashboard.words import day, when

ICONS = frozenset(
    ("shield-check", "check", "circle", "loader", "x", "triangle-alert", "clock-alert", "gauge", "ban", "rotate-ccw")
)
"""The icons that the tables below name."""


class Badge(NamedTuple):
    """`css`: `good`, `warn`, `bad`, `run` or `none`."""

    css: str
    icon: str
    word: str


_BADGES = {
    Kind.PROVED: Badge("good", "shield-check", N_("Proved")),
    Kind.GOOD: Badge("good", "check", N_("Good")),
    Kind.EMPTY: Badge("none", "circle", N_("Not begun")),
    Kind.FIRST_RUNNING: Badge("run", "loader", N_("Running")),
    Kind.RUNNING: Badge("run", "loader", N_("Running")),
    Kind.FAILED: Badge("bad", "x", N_("Failed")),
    Kind.WARNINGS: Badge("warn", "triangle-alert", N_("Warnings")),
    Kind.OVERDUE: Badge("bad", "clock-alert", N_("Overdue")),
    Kind.DAMAGED: Badge("warn", "triangle-alert", N_("Damaged")),
    Kind.OVER_LIMIT: Badge("warn", "gauge", N_("At the limit")),
    Kind.PLAN_TOO_LOW: Badge("none", "ban", N_("No backups in the plan")),
    Kind.RESTORING: Badge("run", "rotate-ccw", N_("Restoring")),
    Kind.RESTORE_FAILED: Badge("warn", "rotate-ccw", N_("Restore failed")),
}

CELL_WORDS = {
    CellKind.FAILED: ("bad", N_("failed")),
    CellKind.MISSED: ("missed", N_("missed")),
    CellKind.DAMAGED: ("warn", N_("damage found")),
    CellKind.GOOD: ("good", N_("good")),
    CellKind.QUIET: ("none", N_("no backup was due")),
    CellKind.BEFORE: ("before", N_("before the first backup")),
}
"""By the kind of a day: the class that colours it, and its word."""


class ShownCell(NamedTuple):
    """A day of a strip as a page has it."""

    css: str
    text: str
    is_proved: bool


def badge_of(kind: Kind) -> Badge:
    """Return the badge of a standing."""
    badge = _BADGES[kind]
    return badge._replace(word=_(badge.word))


def badge_of_backup(backup: Backup) -> Badge:
    """Return the badge of a backup's row."""
    if backup.state is State.FAILED:
        return Badge("bad", "x", _("Failed"))
    if backup.state in (State.QUEUED, State.RUNNING):
        return Badge("run", "loader", _("Running") if backup.state is State.RUNNING else _("Waiting"))
    if backup.error_code is not None or backup.damage:
        return Badge("warn", "triangle-alert", _("Damaged"))
    return Badge("good", "check", _("Good"))


def locked_words(backup: Backup, now: int, zone: tzinfo) -> str | None:
    """Return the words of a backup's lock; None when it has none."""
    if backup.locked_until is not None and backup.locked_until > now:
        return _("Locked until %(until)s", until=when(backup.locked_until, now, zone))
    return _("Locked") if backup.is_locked else None


def shown_strip(cells: Sequence[Cell]) -> list[ShownCell]:
    """Return the days of a strip as a page has them."""
    return [ShownCell(CELL_WORDS[cell.kind][0], cell_words(cell), cell.is_proved) for cell in cells]


def cell_words(cell: Cell) -> str:
    """Return a day of a strip in words: `Fri 27 Nov: 1 good, a test restore matched`."""
    counts = _counts(cell.counts.good, 0, cell.counts.failed, cell.counts.missed)
    counted = ", ".join(counts) or _(CELL_WORDS[cell.kind][1])
    if cell.is_proved:
        return _("%(day)s: %(counts)s, a test restore matched", day=day(cell.day), counts=counted)
    return f"{day(cell.day)}: {counted}"


def _counts(good: int, damaged: int, failed: int, missed: int) -> list[str]:
    """Return the counts that are not 0, each with its word."""
    found = [
        (good, ngettext("%(num)s good", "%(num)s good", good)),
        (damaged, ngettext("%(num)s damage found", "%(num)s damage found", damaged)),
        (failed, ngettext("%(num)s failed", "%(num)s failed", failed)),
        (missed, ngettext("%(num)s missed", "%(num)s missed", missed)),
    ]
    return [text for count, text in found if count]


def strip_sentence(cells: Sequence[Cell]) -> str:
    """Return a strip in one sentence: `27 good · 1 failed · 2 missed`, by days."""
    kinds = (CellKind.GOOD, CellKind.DAMAGED, CellKind.FAILED, CellKind.MISSED)
    counts = _counts(*(sum(cell.kind is kind for cell in cells) for kind in kinds))
    return " · ".join(counts) or _("No backup yet")
