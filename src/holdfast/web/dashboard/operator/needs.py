"""Needs of the operator, the worst first: each says what, whom it touches, what is safe, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.service.doctor.finding import Level
from holdfast.service.operator.apps import AppState
from holdfast.service.operator.today import Today
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.service.policy.standing import Failed
from holdfast.units import size_text, span_text
from holdfast.web.dashboard import words
from holdfast.web.dashboard.operator.reports import Report

NAMED_MAX = 3
_SHOWN_APART = frozenset({"applications", "damage", "notices"})
"""Checks of the doctor whose findings are needs of their own."""


class Need(NamedTuple):
    """`css`, `word`: of its tag; `since`: when it began, in words; `command`: what mends it, empty for none."""

    rank: int
    weight: int
    css: str
    word: str
    title: str
    text: str
    since: str
    href: str
    button: str
    command: str = ""


def needs_of(today: Today, report: Report | None) -> list[Need]:
    """Return what needs the operator now, the worst first."""
    found = [
        *_silent(today),
        *_overdue(today),
        *_failed(today),
        *_damaged(today),
        *_disk(today),
        *_given_up(today),
        *_doctors(report),
    ]
    return sorted(found, key=lambda need: (need.rank, -need.weight, need.title))


def _silent(today: Today) -> list[Need]:
    silent = today.silent
    if not silent:
        return []
    apps = [app for app in today.apps if app.row.node in silent]
    late, since = sum(app.is_overdue for app in apps), min(silent.values())
    who = f"The node {next(iter(silent))} has" if len(silent) == 1 else f"{len(silent)} nodes have"
    which = "" if len(silent) == 1 else f"{', '.join(sorted(silent))}: "
    return [
        Need(
            *(0, len(apps), "bad", "Problem", f"{who} not been heard of for {span_text(today.now - since)}"),
            f"{which}{_count(len(apps), 'application')} {_accounts(apps)}, of which {late} had no good backup in time. "
            "The backups that were made before are safe, and can be downloaded and restored.",
            words.ago(since, today.now),
            f"{OPERATOR_PATH}/nodes",
            "The nodes",
            "holdfast serve",
        )
    ]


def _overdue(today: Today) -> list[Need]:
    apps = [app for app in today.apps if app.is_overdue and app.row.node not in today.silent]
    if not apps:
        return []
    since = min(app.standing.facts.overdue_since or today.now for app in apps)
    return [
        Need(
            *(0, len(apps), "bad", "Problem", f"{_count(len(apps), 'application')} had no good backup in time"),
            f"{_named(apps)}, {_accounts(apps)}. {_safe(apps)}",
            words.ago(since, today.now),
            f"{OPERATOR_PATH}/apps?standing=overdue",
            "The applications",
        )
    ]


def _failed(today: Today) -> list[Need]:
    by_code: dict[tuple[bool, str], list[tuple[AppState, Failed]]] = {}
    for app in today.apps:
        failed = app.standing.facts.failed
        if failed is not None and not app.is_overdue:
            by_code.setdefault((failed.is_customers, failed.code), []).append((app, failed))
    found = []
    for (is_customers, code), pairs in by_code.items():
        apps = [app for app, _ in pairs]
        whose = "Their customers brought it about and were told" if is_customers else _one_reason(pairs)
        found.append(
            Need(
                *(2 if is_customers else 1, len(apps), "warn" if is_customers else "bad"),
                "Warning" if is_customers else "Problem",
                f"The newest backup of {_count(len(apps), 'application')} failed with {code or 'no code'}",
                f"{_named(apps)}, {_accounts(apps)}. {whose}. {_safe(apps)}",
                words.ago(min(failed.since for _, failed in pairs), today.now),
                f"{OPERATOR_PATH}/apps?standing=failed",
                "The applications",
            )
        )
    return found


def _one_reason(pairs: Sequence[tuple[AppState, Failed]]) -> str:
    reasons = {failed.detail.rstrip(".") for _, failed in pairs}
    one = sorted(reasons)[0] or "No reason was recorded"
    return one if len(reasons) == 1 else f"One of the reasons: {one}"


def _damaged(today: Today) -> list[Need]:
    apps = [app for app in today.apps if app.standing.facts.damaged is not None]
    if not apps:
        return []
    count = sum(app.standing.facts.damaged.count for app in apps if app.standing.facts.damaged is not None)
    return [
        Need(
            *(
                1,
                len(apps),
                "bad",
                "Problem",
                f"{_count(count, 'backup')} of {_count(len(apps), 'application')} damaged",
            ),
            f"{_named(apps)}, {_accounts(apps)}. Their other files restore; a fresh backup heals them.",
            "",
            f"{OPERATOR_PATH}/apps?standing=damaged",
            "The applications",
            "holdfast check --read-data",
        )
    ]


def _disk(today: Today) -> list[Need]:
    full, disk = today.full_on, today.disk
    if full is None or disk is None or (left := (full - today.day).days) > 30:
        return []
    return [
        Need(
            *(1 if left <= 7 else 2, 1, "bad" if left <= 7 else "warn", "Problem" if left <= 7 else "Warning"),
            f"The disk of the store is full about {words.day(full)}",
            f"It has {size_text(disk.free_bytes)} free, and grew as fast on the last days. Until then nothing fails; "
            "afterwards no backup of anybody is made, and those that are there stay.",
            "",
            f"{OPERATOR_PATH}/store",
            "The store",
            "holdfast prune",
        )
    ]


def _given_up(today: Today) -> list[Need]:
    return [
        Need(
            *(2, count, "warn", "Warning", f"{_count(count, 'notice')} to {label} given up"),
            f"The last one: {error}. The events are in the log, and nothing of a backup depends on a notice.",
            "within a day",
            f"{OPERATOR_PATH}/notices",
            "The endpoints",
        )
        for label, count, error in today.given_up
    ]


def _doctors(report: Report | None) -> list[Need]:
    return [
        Need(
            *(1, 1, "bad", "Problem", f"The doctor found a problem: {line.check}"),
            line.message,
            "",
            f"{OPERATOR_PATH}/doctor",
            "The doctor",
            line.command,
        )
        for line in (() if report is None else report.lines)
        if line.level == Level.PROBLEM and line.check not in _SHOWN_APART
    ]


def _count(count: int, noun: str) -> str:
    return f"{words.number(count)} {noun}{'' if count == 1 else 's'}"


def _accounts(apps: Sequence[AppState]) -> str:
    return f"of {_count(len({app.row.account_id for app in apps}), 'account')}"


def _named(apps: Sequence[AppState]) -> str:
    names = [app.row.name for app in apps[:NAMED_MAX]]
    more = len(apps) - len(names)
    return ", ".join(names) + (f" and {_count(more, 'other')}" if more else "")


def _safe(apps: Sequence[AppState]) -> str:
    without = sum(app.row.good_at is None for app in apps)
    if not without:
        return "Each still has an older good backup, which is safe."
    if without == len(apps):
        return "None of them has a good backup yet."
    return f"{without} of them never had a good backup; the older ones of the others are safe."
