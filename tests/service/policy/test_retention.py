"""Which backups are kept: tables that are reviewed as data (`golden/keep-*.txt`), and what must hold for any of them.

A line of a table is a backup: when it was started, its origin, what is special of it, and behind the bar the verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.catalog.backups.retention import Candidate
from holdfast.catalog.records import Retention, State
from holdfast.service.policy.retention import (
    NEVER_GOES,
    NO_RULES,
    Decision,
    FindRoom,
    Reason,
    Terms,
    decide,
    make_room,
    room_for_another,
)
from holdfast.units import DAY_NS

TABLES = sorted((Path(__file__).parent / "golden").glob("keep-*.txt"))
SECOND = 1_000_000_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


def candidate(number: int, line: str) -> Candidate:
    """A backup from the left side of a line."""
    started, origin, *flags = line.split()
    values: dict[str, Any] = {}
    for flag in flags:
        name, _, value = flag.partition("=")
        match name:
            case "locked":
                values["is_locked"] = True
            case "until":
                values["locked_until"] = at(value)
            case "operators":
                values["is_operators"] = True
            case "damaged":
                values["is_damaged"] = True
            case "in-use":
                values["is_in_use"] = True
            case "bytes":
                values["stored_bytes"] = int(value)
            case "order":
                values["order"] = int(value)
            case _:
                values["state"] = State(name)
    values.setdefault("order", number)
    return Candidate(id=f"{number:03}", created_at=at(started), origin=origin, **values)


def said(verdict: Decision) -> str:
    return f"goes: {verdict.goes_by}" if verdict.goes_by else ", ".join(verdict.kept_by)


def judged(text: str) -> str:
    """A table as it should be: what stands behind the bars is made anew."""
    head, _, body = text.partition("\n\n")
    given_ = dict(line.split(": ", 1) for line in head.splitlines() if not line.startswith("#"))
    rules = {
        name: value if name == "keep_within" else int(value)
        for name, value in (word.split("=") for word in given_.get("rules", "").split())
    }
    caps = {name: int(value) for name, value in (word.split("=") for word in given_.get("plan", "").split())}
    excess = caps.pop("excess_bytes", 0)
    lines = [line.partition("|")[0].rstrip() for line in body.splitlines()]
    backups = [candidate(number, line) for number, line in enumerate(lines)]
    terms = Terms(retention=msgspec.convert(rules, Retention), **caps)
    verdicts = decide(backups, terms, at(given_["now"]), ZoneInfo(given_["zone"]))
    by_id = {v.backup.id: v for v in make_room(verdicts, excess, room_of(verdicts, excess))}
    width = max(map(len, lines))
    return f"{head}\n\n" + "".join(
        f"{line.ljust(width)}  | {said(by_id[backup.id])}\n" for line, backup in zip(lines, backups, strict=True)
    )


def room_of(verdicts: list[Decision], excess: int) -> FindRoom:
    """Room in a store where no two backups have anything in common: each frees what it had added."""
    sizes = {v.backup.id: v.backup.stored_bytes for v in verdicts}

    def find(going: Collection[str], order: Sequence[str]) -> dict[str, int]:
        left, found = excess - sum(sizes[backup_id] for backup_id in going), {}
        for backup_id in order:
            if left <= 0:
                break
            left -= sizes[backup_id]
            found[backup_id] = sizes[backup_id]
        return found

    return find


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_the_tables(path: Path) -> None:
    assert judged(path.read_text()) == path.read_text()


def test_there_are_tables() -> None:
    assert len(TABLES) >= 10


# -- what holds for any backups and any rules ----------------------------------------------------------------------

NOW = at("2024-12-31T12:00+01:00")
BERLIN = ZoneInfo("Europe/Berlin")
counts = st.integers(0, 6)
rules = st.builds(
    Retention,
    keep_last=counts,
    keep_hourly=counts,
    keep_daily=counts,
    keep_weekly=counts,
    keep_monthly=counts,
    keep_yearly=counts,
    keep_within=st.sampled_from(["", "1h", "36h", "10d", "6w"]),
)
terms_ = st.builds(
    Terms,
    retention=rules,
    backups_max=st.integers(0, 8),
    days_max=st.sampled_from([0, 1, 30, 400]),
    safety_days=st.sampled_from([0, 7]),
)
hours_ago = st.one_of(st.integers(0, 60), st.integers(0, 24 * 40), st.integers(0, 24 * 900))


@st.composite
def backups_of_an_app(draw: st.DrawFn) -> list[Candidate]:
    times = sorted(draw(st.lists(hours_ago, max_size=25)), reverse=True)
    return [
        Candidate(
            id=f"{number:03}",
            created_at=NOW - hours * 3600 * SECOND,
            order=number,
            state=draw(st.sampled_from([State.SUCCESSFUL] * 6 + [State.FAILED, State.RUNNING, State.DELETING])),
            origin=draw(st.sampled_from(["scheduled"] * 3 + ["manual", "imported", "safety"])),
            stored_bytes=draw(st.integers(0, 100)),
            is_locked=draw(st.sampled_from([False] * 5 + [True])),
            locked_until=draw(st.sampled_from([None, None, None, NOW - 1, NOW + 1])),
            is_damaged=draw(st.sampled_from([False] * 5 + [True])),
            is_in_use=draw(st.sampled_from([False] * 5 + [True])),
            is_operators=draw(st.sampled_from([False] * 3 + [True])),
        )
        for number, hours in enumerate(times)
    ]


def kept(backups: list[Candidate], terms: Terms) -> list[Candidate]:
    return [v.backup for v in decide(backups, terms, NOW, BERLIN) if v.goes_by is None]


@settings(max_examples=300, deadline=None)
@given(backups_of_an_app(), terms_, st.integers(0, 500))
def test_what_never_goes_stays(backups: list[Candidate], terms: Terms, excess: int) -> None:
    decided = decide(backups, terms, NOW, BERLIN)
    verdicts = make_room(decided, excess, room_of(decided, excess))
    assert [v.backup for v in verdicts] == backups
    assert all(bool(v.kept_by) != (v.goes_by is not None) for v in verdicts)
    good = [b for b in backups if b.is_good]
    for backup in (v.backup for v in verdicts if v.goes_by is not None):
        assert not backup.is_locked
        assert not backup.is_in_use
        assert (backup.locked_until or 0) <= NOW
        assert backup.state in (State.SUCCESSFUL, State.FAILED)
        if backup.state is State.SUCCESSFUL:
            assert any(other.order > backup.order for other in good)
    if good:
        assert good[-1] in [v.backup for v in verdicts if v.goes_by is None]


@settings(max_examples=300, deadline=None)
@given(backups_of_an_app(), terms_)
def test_doing_it_twice_is_doing_it_once(backups: list[Candidate], terms: Terms) -> None:
    once = kept(backups, terms)
    assert kept(once, terms) == once


@settings(max_examples=300, deadline=None)
@given(backups_of_an_app(), rules, rules)
def test_a_rule_more_never_lets_more_go(backups: list[Candidate], some: Retention, more: Retention) -> None:
    larger = Retention(
        **{
            name: max(getattr(some, name), getattr(more, name))
            for name in some.__struct_fields__
            if name != "keep_within"
        },
        keep_within=some.keep_within,
    )
    if some == NO_RULES:
        return
    assert set(kept(backups, Terms(some))) <= set(kept(backups, Terms(larger)))


@settings(max_examples=200, deadline=None)
@given(backups_of_an_app(), terms_)
def test_the_cap_is_kept_as_far_as_it_may(backups: list[Candidate], terms: Terms) -> None:
    verdicts = decide(backups, terms, NOW, BERLIN)
    for is_operators in (False, True):
        counted = [
            v
            for v in verdicts
            if v.backup.is_operators == is_operators
            and v.goes_by is None
            and v.backup.state is State.SUCCESSFUL
            and Reason.SAFETY not in v.kept_by
        ]
        if terms.backups_max and len(counted) > terms.backups_max:
            assert all(set(v.kept_by) & set(NEVER_GOES) for v in counted)


@settings(max_examples=200, deadline=None)
@given(backups_of_an_app(), terms_)
def test_room_for_another_is_kept_without_anything_that_was_taken_by_hand(
    backups: list[Candidate], terms: Terms
) -> None:
    """What `room_for_another` promises: with one more by hand, no other one by hand has to go because of the count."""
    backups = [b for b in backups if not b.is_in_use]
    if not room_for_another(backups, terms, NOW):
        return
    fresh = Candidate(id="999", created_at=NOW, order=1000, origin="manual")
    for verdict in decide([*backups, fresh], terms, NOW, BERLIN):
        is_customers = verdict.backup.is_by_hand and not verdict.backup.is_operators
        assert not (verdict.goes_by is Reason.PLAN_BACKUPS and is_customers)


def test_a_backup_of_a_clock_that_went_wrong_does_not_push_out_the_newest() -> None:
    """By time it would be the newest for years; the order of the commits says which one is."""
    ahead = Candidate("1", NOW + 900 * DAY_NS, 1)
    newest = Candidate("2", NOW, 2)
    verdicts = decide([ahead, newest], Terms(Retention(keep_last=1)), NOW, UTC)
    assert [v.goes_by for v in verdicts] == [None, None]
    assert verdicts[0].kept_by == (Reason.NEWEST,)
