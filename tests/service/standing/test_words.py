"""The words of each standing: the customer's and the operator's, all of them here to be read.

`HOLDFAST_GOLDEN=write` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kit.standing import FAILED, GOING, GOOD, NONE_GOOD, NOW, ROWS, facts_of

from holdfast.schemas.times import time_text
from holdfast.service.language.patterns import when
from holdfast.service.policy.limits import Reached
from holdfast.service.policy.standing import Damaged, Going, Kind, standing
from holdfast.service.standing.words import wording_of
from holdfast.units import DAY_NS, HOUR_NS
from holdfast.vault.control import TimedProgress

BERLIN = ZoneInfo("Europe/Berlin")
GOLDEN = Path(__file__).parent / "golden" / "words.txt"
APP_ID = "a" * 32

WAITS = Going(id="2" * 32, since=NOW, is_queued=True)

CASES: list[tuple[Kind, str, dict[str, Any]]] = [
    *((kind, "", {} if "good_at" in ROWS[kind] else GOOD) for kind in Kind),
    (Kind.GOOD, "its last proof is old", {"proved_at": NOW - 40 * DAY_NS, "proof_ns_max": 15 * DAY_NS}),
    (Kind.GOOD, "no test restores, no schedule", {"next_proof_at": None, "next_backup_at": None}),
    (Kind.EMPTY, "no schedule", {"next_backup_at": None}),
    (Kind.FIRST_RUNNING, "it waits", {"backup": WAITS}),
    (Kind.RUNNING, "it waits, and the one before failed", {"backup": WAITS, "failed": FAILED}),
    (Kind.RUNNING, "nothing is counted", {"backup": Going(id="2" * 32, since=NOW, progress=TimedProgress(0, 0, 0, 0))}),
    (Kind.FAILED, "none is good, no schedule", {**NONE_GOOD, "next_backup_at": None}),
    (Kind.WARNINGS, "one", {"warnings": 1}),
    (Kind.OVERDUE, "it fails, and one is running", {**GOOD, "failed": FAILED, "backup": GOING}),
    (Kind.OVERDUE, "its node is silent, none is good", {**NONE_GOOD, "node_silent_since": NOW - 37 * HOUR_NS}),
    (Kind.OVERDUE, "both were told", {**GOOD, "notified_at": NOW - 2 * HOUR_NS, "operator_notified_at": NOW - HOUR_NS}),
    (Kind.OVERDUE, "the host was told", {**GOOD, "operator_notified_at": NOW - HOUR_NS}),
    (Kind.DAMAGED, "a test restore found two", {**GOOD, "damaged": Damaged(count=2, backup_id="2" * 32,
                                                                       code="NOT_PROVED", since=NOW)}),
    (Kind.OVER_LIMIT, "none is good", {**NONE_GOOD, "limit": Reached("STORAGE_LIMIT_REACHED", None)}),
    (Kind.OVER_LIMIT, "of a day", {**GOOD, "limit": Reached("DAILY_BACKUPS_LIMIT_REACHED", NOW + HOUR_NS)}),
]  # fmt: skip


WRITTEN = {"customer": lambda at: when(at, NOW, BERLIN), "operator": lambda at: time_text(at, BERLIN)}
"""How times are written: by a page, and by a command."""


def words() -> str:
    lines = []
    for kind, what, more in CASES:
        facts = facts_of(kind, **more)
        assert facts is not None
        found = standing(facts)
        assert found.kind is kind, (kind, what)
        lines.append(f"> {kind}{what and ': '}{what}")
        for whose in ("customer", "operator"):
            one = wording_of(found, APP_ID, for_operator=whose == "operator")
            lines += [f"{whose}: {one.headline}", f"    {one.text(WRITTEN[whose])}"]
            lines += [f"    {one.command}"] if one.command else []
        lines.append("")
    return "\n".join(lines)


def test_the_words() -> None:
    if os.environ.get("HOLDFAST_GOLDEN") == "write":
        GOLDEN.write_text(words())
    assert words().split("\n") == GOLDEN.read_text().split("\n")


def test_a_customer_is_told_nothing_of_the_machine() -> None:
    for kind, _, more in CASES:
        facts = facts_of(kind, **more)
        assert facts is not None
        one = wording_of(standing(facts), APP_ID, for_operator=False)
        assert "/srv/" not in one.text(str)
        assert not one.command
