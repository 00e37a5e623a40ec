"""The badges of standings, of days and of backups: the class that colours them, an icon, a word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

from holdfast.catalog.records import Backup, State
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
    Kind.PROVED: Badge("good", "shield-check", "Proved"),
    Kind.GOOD: Badge("good", "check", "Good"),
    Kind.EMPTY: Badge("none", "circle", "Not begun"),
    Kind.FIRST_RUNNING: Badge("run", "loader", "Running"),
    Kind.RUNNING: Badge("run", "loader", "Running"),
    Kind.FAILED: Badge("bad", "x", "Failed"),
    Kind.WARNINGS: Badge("warn", "triangle-alert", "Warnings"),
    Kind.OVERDUE: Badge("bad", "clock-alert", "Overdue"),
    Kind.DAMAGED: Badge("warn", "triangle-alert", "Damaged"),
    Kind.OVER_LIMIT: Badge("warn", "gauge", "At the limit"),
    Kind.PLAN_TOO_LOW: Badge("none", "ban", "No backups in the plan"),
    Kind.RESTORING: Badge("run", "rotate-ccw", "Restoring"),
    Kind.RESTORE_FAILED: Badge("warn", "rotate-ccw", "Restore failed"),
}

CELL_WORDS = {
    CellKind.FAILED: ("bad", "failed"),
    CellKind.MISSED: ("missed", "missed"),
    CellKind.DAMAGED: ("warn", "damage found"),
    CellKind.GOOD: ("good", "good"),
    CellKind.QUIET: ("none", "no backup was due"),
    CellKind.BEFORE: ("before", "before the first backup"),
}
"""By the kind of a day: the class that colours it, and its word."""


class ShownCell(NamedTuple):
    """A day of a strip as a page has it."""

    css: str
    text: str
    is_proved: bool


def badge_of(kind: Kind) -> Badge:
    """Return the badge of a standing."""
    return _BADGES[kind]


def badge_of_backup(backup: Backup) -> Badge:
    """Return the badge of a backup's row."""
    if backup.state is State.FAILED:
        return Badge("bad", "x", "Failed")
    if backup.state in (State.QUEUED, State.RUNNING):
        return Badge("run", "loader", "Running" if backup.state is State.RUNNING else "Waiting")
    if backup.error_code is not None or backup.damage:
        return Badge("warn", "triangle-alert", "Damaged")
    return Badge("good", "check", "Good")


def locked_words(backup: Backup, now: int, zone: tzinfo) -> str | None:
    """Return the words of a backup's lock; None when it has none."""
    if backup.locked_until is not None and backup.locked_until > now:
        return f"Locked until {when(backup.locked_until, now, zone)}"
    return "Locked" if backup.is_locked else None


def shown_strip(cells: Sequence[Cell]) -> list[ShownCell]:
    """Return the days of a strip as a page has them."""
    shown = []
    for cell in cells:
        css, word = CELL_WORDS[cell.kind]
        counted = ((cell.counts.good, "good"), (cell.counts.failed, "failed"), (cell.counts.missed, "missed"))
        counts = ", ".join(f"{count} {what}" for count, what in counted if count)
        proved = ", a test restore matched" if cell.is_proved else ""
        shown.append(ShownCell(css, f"{day(cell.day)}: {counts or word}{proved}", cell.is_proved))
    return shown


def strip_sentence(cells: Sequence[Cell]) -> str:
    """Return a strip in one sentence: `27 good · 1 failed · 2 missed`, by days."""
    kinds = (CellKind.GOOD, CellKind.DAMAGED, CellKind.FAILED, CellKind.MISSED)
    counts = [(sum(cell.kind is kind for cell in cells), CELL_WORDS[kind][1]) for kind in kinds]
    return " · ".join(f"{count} {word}" for count, word in counts if count) or "No backup yet"
