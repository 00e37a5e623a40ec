"""What an application's owner must know first: a table of all rows and all pairs of them, to be reviewed as data.

`HOLDFAST_GOLDEN=write` writes it anew: then read it against shared/dashboard/SPEC.md §4.3.
"""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from kit.standing import FAILED, GOOD, NOW, ROWS, facts_of

from holdfast.schemas.times import iso
from holdfast.service.policy.standing import (
    FIRST_TO_KNOW,
    HOLDS,
    NO_BACKUP_MADE,
    NODE_AWAY,
    NOT_WELL,
    PROBLEMS,
    RESTORE_NEWS_NS,
    WORST_FIRST,
    Facts,
    Failed,
    Kind,
    Standing,
    standing,
)
from holdfast.units import DAY_NS, HOUR_NS

GOLDEN = Path(__file__).parent / "golden" / "standing.txt"
ZONE = ZoneInfo("Europe/Berlin")


def table() -> str:
    lines = ["# Each row alone; a row that says nothing of good backups stands beside a good one.", ""]
    for row in Kind:
        found = _alone(row)
        since = "-" if found.since is None else iso(found.since, ZONE)
        lines.append(f"{row:<14} | {found.kind:<14} {found.code or '-':<21} {since}")
    lines += ["", "# Each pair of rows that can hold at once, and the one that its owner must know first.", ""]
    apart = []
    for one, other in combinations(Kind, 2):
        facts = facts_of(one, other)
        if facts is None:
            apart.append(f"{one} + {other}")
            continue
        facts = facts if "good_at" in {**ROWS[one], **ROWS[other]} else facts_of(one, other, **GOOD)
        assert facts is not None
        assert HOLDS[one](facts)
        assert HOLDS[other](facts)
        won = standing(facts).kind
        assert won in (one, other), (one, other, won)
        lines.append(f"{one + ' + ' + other:<31} | {won}")
    lines += ["", "# Pairs that cannot hold at once.", "", *apart]
    return "\n".join(lines) + "\n"


def _alone(row: Kind) -> Standing:
    facts = facts_of(row) if "good_at" in ROWS[row] else facts_of(row, **GOOD)
    assert facts is not None
    return standing(facts)


def test_the_table() -> None:
    if os.environ.get("HOLDFAST_GOLDEN") == "write":
        GOLDEN.write_text(table())
    assert table().split("\n") == GOLDEN.read_text().split("\n")


def test_every_kind_has_its_place_in_each_order() -> None:
    assert sorted(FIRST_TO_KNOW) == sorted(WORST_FIRST) == sorted(HOLDS) == sorted(ROWS) == sorted(Kind)
    worst = [WORST_FIRST.index(kind) for kind in Kind if kind in PROBLEMS]
    assert sorted(worst) == list(range(len(PROBLEMS)))
    assert PROBLEMS < NOT_WELL


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, NO_BACKUP_MADE),
        ({"node_silent_since": NOW - HOUR_NS}, NODE_AWAY),
        ({"node_silent_since": NOW - HOUR_NS, "failed": FAILED}, "STORE_FULL"),
    ],
)
def test_the_code_of_what_is_overdue_says_why(more: dict[str, object], code: str) -> None:
    facts = facts_of(Kind.OVERDUE, **GOOD, **more)
    assert facts is not None
    assert standing(facts).code == code


def test_a_failed_restore_is_told_for_a_day() -> None:
    def told(age_ns: int) -> Kind:
        failed = Failed(id="1" * 32, since=NOW - age_ns, code="TARGET_FULL", message="", detail="")
        return standing(Facts(now=NOW, created_at=0, restore_failed=failed)).kind

    assert (told(RESTORE_NEWS_NS - 1), told(RESTORE_NEWS_NS)) == (Kind.RESTORE_FAILED, Kind.EMPTY)


@pytest.mark.parametrize(
    ("days", "days_max", "kind"),
    [(15, 15, Kind.PROVED), (16, 15, Kind.GOOD), (1000, 0, Kind.PROVED)],
)
def test_a_proof_counts_until_it_is_too_old(days: int, days_max: int, kind: Kind) -> None:
    facts = facts_of(Kind.GOOD, proved_at=NOW - days * DAY_NS, proof_ns_max=days_max * DAY_NS)
    assert facts is not None
    assert standing(facts).kind is kind
