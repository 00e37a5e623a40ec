"""Retention: which backups of an application stay, and by which rule. Pure decisions over data, without any I/O.

Terms
-----
*Good*: successful, of the application's own folder (not imported), and not damaged. *Taken by hand*: of
origin `manual` or `imported`. The rules of a schedule do not apply to these: they do not remove what somebody took on
purpose. The plan's caps do apply, except to locked ones. *Rule*: of `Retention`, over the scheduled and the safety
backups. A period (hour, day, ISO week, month, year) is the calendar's in the instance's zone; the hour that comes twice
when the clocks go back is two. Periods without a backup do not count. *Cap*: of the plan: how many backups an
application may have, how old they may be, how much an account may store.

*Shrunk*: a backup with under half of the files or bytes of the good one before, as of a folder that was emptied or
whose disk is not mounted. From then on the application's retention *rests* until a person says that this is right:
nothing from before that backup is removed, and of the rest only as much as the cap on storage demands.

Never removed: a backup without a newer good one, locked and time-locked ones, running ones and those
that a job works on, and the safety backup of the last days, which is what undoes a restore.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum

from holdfast.catalog.backups.retention import SAFETY, Candidate
from holdfast.catalog.backups.shrunk import Size
from holdfast.catalog.records import Retention, State
from holdfast.schemas.times import local_time
from holdfast.units import DAY_NS, HOUR_NS

_UNITS_NS = {"h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS}

NO_RULES = Retention()

FAILED_KEPT_MAX = 10
FAILED_DAYS = 14
"""Failed backups stay this many days for inspection, those before the last good one too."""


class Reason(StrEnum):
    """The reason for which a backup stays or goes."""

    UNDER_WAY = "under_way"
    IN_USE = "in_use"
    LOCKED = "locked"
    LOCKED_UNTIL = "locked_until"
    NEWEST = "newest"
    SAFETY = "safety"
    BEFORE_SHRUNK = "before_shrunk"
    RESTS = "rests"
    BY_HAND = "by_hand"
    NO_RULES = "no_rules"
    KEEP_LAST = "keep_last"
    KEEP_HOURLY = "keep_hourly"
    KEEP_DAILY = "keep_daily"
    KEEP_WEEKLY = "keep_weekly"
    KEEP_MONTHLY = "keep_monthly"
    KEEP_YEARLY = "keep_yearly"
    KEEP_WITHIN = "keep_within"
    FAILED_LATELY = "failed_lately"

    RULES = "rules"
    PLAN_DAYS = "plan_days"
    PLAN_BACKUPS = "plan_backups"
    PLAN_STORAGE = "plan_storage"
    FAILED_LONG_AGO = "failed_long_ago"


CAPS = (Reason.PLAN_DAYS, Reason.PLAN_BACKUPS, Reason.PLAN_STORAGE)
"""Owners are told of a backup that goes by one of these, as it goes against their own rules."""

NEVER_GOES = (
    *(Reason.UNDER_WAY, Reason.IN_USE, Reason.LOCKED, Reason.LOCKED_UNTIL, Reason.NEWEST, Reason.SAFETY),
    Reason.BEFORE_SHRUNK,
)
"""No rule and no cap goes over these."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By what is decided. Caps of 0: none. `shrunk_order`: of the backup with which the application had shrunk; None:
    retention does not rest."""

    retention: Retention = NO_RULES
    backups_max: int = 0
    days_max: int = 0
    safety_days: int = 7
    shrunk_order: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A backup stays because of `kept_by` (at least one), or goes because of `goes_by`."""

    backup: Candidate
    kept_by: tuple[Reason, ...] = ()
    goes_by: Reason | None = None

    @property
    def may_go(self) -> bool:
        """True if a cap may let it go."""
        return self.goes_by is None and not set(self.kept_by) & set(NEVER_GOES)


def decide(backups: Iterable[Candidate], terms: Terms, now_ns: int, zone: tzinfo) -> list[Decision]:
    """Decide on each backup of one application, oldest first."""
    ordered = sorted(backups, key=lambda b: (b.created_at, b.id))
    by_rule = _by_rules(ordered, terms.retention, zone)
    newest_good = max((b.order for b in ordered if b.is_good), default=-1)
    failed = [b for b in ordered if b.state is State.FAILED]
    shown = _failed_shown(ordered, failed, now_ns)
    verdicts = []
    for backup in ordered:
        kept = _never_goes(backup, newest_good, terms.safety_days, now_ns)
        if backup.state is State.FAILED:
            kept += [Reason.FAILED_LATELY] if backup.id in shown else []
            verdicts.append(_verdict(backup, kept, Reason.FAILED_LONG_AGO))
            continue
        if backup.is_by_hand:
            kept.append(Reason.BY_HAND)
        elif terms.retention == NO_RULES:
            kept.append(Reason.NO_RULES)
        kept += by_rule.get(backup.id, [])
        if terms.shrunk_order is not None:
            kept.append(Reason.BEFORE_SHRUNK if backup.order < terms.shrunk_order else Reason.RESTS)
        verdicts.append(_verdict(backup, kept, Reason.RULES))
    if terms.shrunk_order is not None:
        return verdicts
    verdicts = [_too_old(verdict, terms.days_max, now_ns) for verdict in verdicts]
    return _too_many(verdicts, terms.backups_max)


def is_shrunk(before: Size, now: Size) -> bool:
    """True if a backup has under half of the files or of the bytes of the one before."""
    return 2 * now.files < before.files or 2 * now.bytes < before.bytes


FindRoom = Callable[[Collection[str], Sequence[str]], Mapping[str, int]]
"""Return the backups of the second list that have to go, the first of it first, so that the account keeps its cap, and
the bytes that each of them keeps from being freed; the backups of the first list go in any case."""

WORTH_ONE_IN = 100
"""A backup taken by hand goes only for this part of the excess or more: it is not deleted for next to nothing."""


def make_room(verdicts: Sequence[Decision], excess_bytes: int, find: FindRoom) -> list[Decision]:
    """The same verdicts on all backups of an account, with enough of those that may go gone by the cap on storage.

    Scheduled and safety ones first, the oldest of the account first; none whose going frees nothing.
    """
    free = {v.backup.id: v.backup for v in _in_order_of_going(verdicts)}
    going = [v.backup.id for v in verdicts if v.goes_by is not None]
    if excess_bytes <= 0 or not free:
        return list(verdicts)
    gone = {
        backup_id
        for backup_id, freed in find(going, list(free)).items()
        if freed and (not free[backup_id].is_by_hand or freed * WORTH_ONE_IN >= excess_bytes)
    }
    return [_gone(v, Reason.PLAN_STORAGE) if v.backup.id in gone else v for v in verdicts]


def room_for_another(backups: Iterable[Candidate], terms: Terms, now_ns: int) -> bool:
    """True if the cap on an application's backups allows one more to be taken by hand.

    Retention makes room for it, once it has succeeded, out of scheduled and old safety backups; never out of what was
    taken by hand before. The operator's are not counted.
    """
    if not terms.backups_max:
        return True
    stays = 0
    for backup in backups:
        if backup.state is State.SUCCESSFUL and not backup.is_operators:
            fixed = _never_goes(backup, None, terms.safety_days, now_ns)
            stays += Reason.SAFETY not in fixed and (bool(fixed) or backup.is_by_hand)
    return stays < terms.backups_max


def _never_goes(backup: Candidate, newest_good: int | None, safety_days: int, now_ns: int) -> list[Reason]:
    kept = []
    if backup.state not in (State.SUCCESSFUL, State.FAILED):
        kept.append(Reason.UNDER_WAY)
    if backup.is_in_use:
        kept.append(Reason.IN_USE)
    if backup.is_locked:
        kept.append(Reason.LOCKED)
    if backup.locked_until is not None and backup.locked_until > now_ns:
        kept.append(Reason.LOCKED_UNTIL)
    if backup.state is State.SUCCESSFUL and newest_good is not None and backup.order >= newest_good:
        kept.append(Reason.NEWEST)
    is_safety = backup.state is State.SUCCESSFUL and backup.origin == SAFETY
    if is_safety and backup.created_at > now_ns - safety_days * DAY_NS:
        kept.append(Reason.SAFETY)
    return kept


def _verdict(backup: Candidate, kept: list[Reason], otherwise: Reason) -> Decision:
    return Decision(backup, tuple(kept)) if kept else Decision(backup, goes_by=otherwise)


def _gone(verdict: Decision, why: Reason) -> Decision:
    return replace(verdict, kept_by=(), goes_by=why)


# -- rules ----------------------------------------------------------------------------------------------------------


def _by_rules(ordered: Sequence[Candidate], retention: Retention, zone: tzinfo) -> dict[str, list[Reason]]:
    """For each backup that a rule keeps, by which.

    A damaged one does not stand for its period alone: the newest whole one of it stays beside it.
    """
    newest_first = [b for b in reversed(ordered) if b.state is State.SUCCESSFUL and not b.is_by_hand]
    whole = [b for b in newest_first if not b.is_damaged]
    kept: dict[str, list[Reason]] = {}
    for why, chosen in (*_chosen(newest_first, retention, zone), *_chosen(whole, retention, zone)):
        for backup in chosen:
            reasons = kept.setdefault(backup.id, [])
            if why not in reasons:
                reasons.append(why)
    return {backup_id: sorted(reasons, key=list(Reason).index) for backup_id, reasons in kept.items()}


def _chosen(
    newest_first: Sequence[Candidate], retention: Retention, zone: tzinfo
) -> Iterator[tuple[Reason, Sequence[Candidate]]]:
    """Return the backups that each rule keeps."""
    yield Reason.KEEP_LAST, newest_first[: retention.keep_last]
    for why, count, period in (
        (Reason.KEEP_HOURLY, retention.keep_hourly, _hour),
        (Reason.KEEP_DAILY, retention.keep_daily, _day),
        (Reason.KEEP_WEEKLY, retention.keep_weekly, _week),
        (Reason.KEEP_MONTHLY, retention.keep_monthly, _month),
        (Reason.KEEP_YEARLY, retention.keep_yearly, _year),
    ):
        yield why, _newest_of_each(newest_first, count, period, zone)
    if retention.keep_within and newest_first:
        # Counted from the newest one and not from now: while no new ones come, none of the old ones goes.
        since = newest_first[0].created_at - within_ns(retention.keep_within)
        yield Reason.KEEP_WITHIN, [b for b in newest_first if b.created_at >= since]


def within_ns(text: str) -> int:
    """`36h`, `30d`, `8w` in nanoseconds; days have 24 hours."""
    return int(text[:-1]) * _UNITS_NS[text[-1]]


Period = tuple[int, ...]


def _newest_of_each(
    newest_first: Sequence[Candidate], count: int, period: Callable[[datetime], Period], zone: tzinfo
) -> list[Candidate]:
    """The newest backup of each of the newest `count` periods that have any."""
    found: dict[Period, Candidate] = {}
    for backup in newest_first if count else ():
        found.setdefault(period(local_time(backup.created_at, zone)), backup)
        if len(found) > count:
            found.popitem()
            break
    return list(found.values())


def _hour(at: datetime) -> Period:
    offset = at.utcoffset()
    assert offset is not None
    return (*_day(at), at.hour, int(offset.total_seconds()))


def _day(at: datetime) -> Period:
    return (at.year, at.month, at.day)


def _week(at: datetime) -> Period:
    year, week, _ = at.isocalendar()
    return (year, week)


def _month(at: datetime) -> Period:
    return (at.year, at.month)


def _year(at: datetime) -> Period:
    return (at.year,)


# -- caps -----------------------------------------------------------------------------------------------------------


def _failed_shown(ordered: Sequence[Candidate], failed: Sequence[Candidate], now_ns: int) -> set[str]:
    """Failed backups that stay to be looked at."""
    last_good = max((b.created_at for b in ordered if b.is_good), default=0)
    since = min(last_good, now_ns - FAILED_DAYS * DAY_NS)
    return {b.id for b in failed[-FAILED_KEPT_MAX:] if b.created_at > since}


def _too_old(verdict: Decision, days_max: int, now_ns: int) -> Decision:
    old = days_max and verdict.backup.created_at <= now_ns - days_max * DAY_NS
    return _gone(verdict, Reason.PLAN_DAYS) if old and verdict.may_go else verdict


def _too_many(verdicts: list[Decision], backups_max: int) -> list[Decision]:
    """Delete the oldest until the cap is kept, not counting what undoes a restore.

    The operator's are counted apart, by the same cap: they displace none of the customer's, and do not grow without
    end.
    """
    if not backups_max:
        return verdicts
    gone = set[str]()
    for is_operators in (False, True):
        counted = [
            v
            for v in verdicts
            if v.backup.is_operators == is_operators
            and v.goes_by is None
            and v.backup.state is State.SUCCESSFUL
            and Reason.SAFETY not in v.kept_by
        ]
        gone |= {v.backup.id for v in _in_order_of_going(counted)[: max(0, len(counted) - backups_max)]}
    return [_gone(v, Reason.PLAN_BACKUPS) if v.backup.id in gone else v for v in verdicts]


def _in_order_of_going(verdicts: Iterable[Decision]) -> list[Decision]:
    """Of those that may go: first what came by itself, the oldest of it first, and only then what was taken by hand."""
    free = [v for v in verdicts if v.may_go and v.backup.state is State.SUCCESSFUL]
    return sorted(free, key=lambda v: (v.backup.is_by_hand, v.backup.created_at, v.backup.id))
