"""Needs of the operator, the worst first: each says what, whom it touches, what is safe, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.service.doctor.finding import Level
from holdfast.service.language import patterns
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.operator.apps import AppState
from holdfast.service.operator.today import Today
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.service.policy.standing import Failed
from holdfast.web.dashboard import words
from holdfast.web.dashboard.operator.reports import Report

NAMED_MAX = 3
_SHOWN_APART = frozenset({"applications", "damage", "notices"})
"""Checks of the doctor whose findings are needs of their own."""


_PROBLEM, _WARNING = ("bad", N_("Problem")), ("warn", N_("Warning"))


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
    span = patterns.span(today.now - since)
    if len(silent) == 1:
        title = _("The node %(node)s has not been heard of for %(span)s", node=next(iter(silent)), span=span)
    else:
        count = words.number(len(silent))
        title = _("%(count)s nodes have not been heard of for %(span)s", count=count, span=span)
    which = "" if len(silent) == 1 else f"{', '.join(sorted(silent))}: "
    touched = _(
        "%(apps)s %(accounts)s, of which %(late)s had no good backup in time.",
        apps=_count_apps(len(apps)),
        accounts=_accounts(apps),
        late=words.number(late),
    )
    safe = _("The backups that were made before are safe, and can be downloaded and restored.")
    return [
        Need(
            *(0, len(apps), *_PROBLEM, title),
            f"{which}{touched} {safe}",
            words.ago(since, today.now),
            f"{OPERATOR_PATH}/nodes",
            N_("The nodes"),
            "holdfast serve",
        )
    ]


def _overdue(today: Today) -> list[Need]:
    apps = [app for app in today.apps if app.is_overdue and app.row.node not in today.silent]
    if not apps:
        return []
    since = min(app.standing.facts.overdue_since or today.now for app in apps)
    title = ngettext(
        "%(num)s application had no good backup in time",
        "%(num)s applications had no good backup in time",
        len(apps),
        num=words.number(len(apps)),
    )
    return [
        Need(
            *(0, len(apps), *_PROBLEM, title),
            f"{_named(apps)}, {_accounts(apps)}. {_safe(apps)}",
            words.ago(since, today.now),
            f"{OPERATOR_PATH}/apps?standing=overdue",
            N_("The applications"),
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
        apps = [app for app, _failed in pairs]
        whose = _("Their customers brought it about and were told") if is_customers else _one_reason(pairs)
        title = ngettext(
            "The newest backup of %(num)s application failed with %(code)s",
            "The newest backup of %(num)s applications failed with %(code)s",
            len(apps),
            num=words.number(len(apps)),
            code=code or _("no code"),
        )
        found.append(
            Need(
                *(2 if is_customers else 1, len(apps), *(_WARNING if is_customers else _PROBLEM), title),
                f"{_named(apps)}, {_accounts(apps)}. {whose}. {_safe(apps)}",
                words.ago(min(failed.since for _app, failed in pairs), today.now),
                f"{OPERATOR_PATH}/apps?standing=failed",
                N_("The applications"),
            )
        )
    return found


def _one_reason(pairs: Sequence[tuple[AppState, Failed]]) -> str:
    reasons = {words.plain_sentence(failed.detail).rstrip(".") for _app, failed in pairs}
    one = sorted(reasons)[0] or _("No reason was recorded")
    return one if len(reasons) == 1 else _("One of the reasons: %(reason)s", reason=one)


def _damaged(today: Today) -> list[Need]:
    apps = [app for app in today.apps if app.standing.facts.damaged is not None]
    if not apps:
        return []
    count = sum(app.standing.facts.damaged.count for app in apps if app.standing.facts.damaged is not None)
    title = ngettext(
        "%(num)s backup of %(apps)s damaged",
        "%(num)s backups of %(apps)s damaged",
        count,
        num=words.number(count),
        apps=_count_apps(len(apps)),
    )
    others = _("Their other files restore; a fresh backup heals them.")
    return [
        Need(
            *(1, len(apps), *_PROBLEM, title),
            f"{_named(apps)}, {_accounts(apps)}. {others}",
            "",
            f"{OPERATOR_PATH}/apps?standing=damaged",
            N_("The applications"),
            "holdfast check --read-data",
        )
    ]


def _disk(today: Today) -> list[Need]:
    full, disk = today.full_on, today.disk
    if full is None or disk is None or (left := (full - today.day).days) > 30:
        return []
    text = _(
        "It has %(free)s free, and grew as fast on the last days. Until then nothing fails; afterwards no backup of "
        "anybody is made, and those that are there stay.",
        free=words.size(disk.free_bytes),
    )
    return [
        Need(
            *(1 if left <= 7 else 2, 1, *(_PROBLEM if left <= 7 else _WARNING)),
            _("The disk of the store is full about %(day)s", day=words.day(full)),
            text,
            "",
            f"{OPERATOR_PATH}/store",
            N_("The store"),
            "holdfast prune",
        )
    ]


def _given_up(today: Today) -> list[Need]:
    found = []
    for label, count, error in today.given_up:
        title = ngettext(
            "%(num)s notice to %(label)s given up",
            "%(num)s notices to %(label)s given up",
            count,
            num=words.number(count),
            label=label,
        )
        text = _(
            "The last one: %(error)s. The events are in the log, and nothing of a backup depends on a notice.",
            error=error,
        )
        path, button = f"{OPERATOR_PATH}/notices", N_("The endpoints")
        found.append(Need(*(2, count, *_WARNING, title), text, _("within a day"), path, button))
    return found


def _doctors(report: Report | None) -> list[Need]:
    return [
        Need(
            *(1, 1, *_PROBLEM, _("The doctor found a problem: %(check)s", check=words.plain_sentence(line.check))),
            words.plain_sentence(line.message),
            "",
            f"{OPERATOR_PATH}/doctor",
            N_("The doctor"),
            line.command,
        )
        for line in (() if report is None else report.lines)
        if line.level == Level.PROBLEM and line.check not in _SHOWN_APART
    ]


def _count_apps(count: int) -> str:
    return ngettext("%(num)s application", "%(num)s applications", count, num=words.number(count))


def _accounts(apps: Sequence[AppState]) -> str:
    count = len({app.row.account_id for app in apps})
    return ngettext("of %(num)s account", "of %(num)s accounts", count, num=words.number(count))


def _named(apps: Sequence[AppState]) -> str:
    names = ", ".join(app.row.name for app in apps[:NAMED_MAX])
    more = len(apps) - NAMED_MAX
    if more <= 0:
        return names
    return ngettext(
        "%(names)s and %(num)s other", "%(names)s and %(num)s others", more, num=words.number(more), names=names
    )


def _safe(apps: Sequence[AppState]) -> str:
    without = sum(app.row.good_at is None for app in apps)
    if not without:
        return _("Each still has an older good backup, which is safe.")
    if without == len(apps):
        return _("None of them has a good backup yet.")
    return ngettext(
        "%(num)s of them never had a good backup; the older ones of the others are safe.",
        "%(num)s of them never had a good backup; the older ones of the others are safe.",
        without,
        num=words.number(without),
    )
