"""The standing in words: a headline, and a text that says what is still safe and what happens next.

There are two texts of each: the customer's names nothing of the operator's machines; the operator's has the details of
a failure, and comes with the command that helps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from holdfast.schemas.times import time_text
from holdfast.service.policy.standing import Damaged, Facts, Failed, Going, Kind, Standing, is_proved
from holdfast.units import span_text

_TAKE, _JOBS = "holdfast backup create {app}", "holdfast jobs"
COMMANDS = {
    Kind.RESTORING: _JOBS,
    Kind.RESTORE_FAILED: _JOBS,
    Kind.OVERDUE: _TAKE,
    Kind.FIRST_RUNNING: _JOBS,
    Kind.RUNNING: _JOBS,
    Kind.FAILED: _TAKE,
    Kind.DAMAGED: "holdfast check",
    Kind.WARNINGS: "holdfast backup list {app}",
    Kind.EMPTY: _TAKE,
}
"""The command that shows more or helps; kinds without one need none."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A standing in words. `command`: what the operator may run then, or nothing."""

    headline: str
    text: str
    command: str = ""


def wording_of(standing: Standing, app_id: str, zone: tzinfo, *, for_operator: bool) -> Wording:
    """Return the words of an application's standing: the customer's, or the operator's."""
    headline, *sentences = _Writer(standing.facts, zone, for_operator=for_operator).of(standing.kind)
    command = COMMANDS.get(standing.kind, "").format(app=app_id) if for_operator else ""
    return Wording(headline, " ".join(sentence for sentence in sentences if sentence), command)


class _Writer:
    def __init__(self, facts: Facts, zone: tzinfo, *, for_operator: bool) -> None:
        self._facts = facts
        self._zone = zone
        self._for_operator = for_operator

    def of(self, kind: Kind) -> tuple[str, ...]:
        """Return the headline for a kind that holds, and the sentences of its text; empty ones are left out."""
        facts = self._facts
        match kind:
            case Kind.RESTORING if facts.restore is not None:
                headline = _going(facts.restore, "Restoring", "A restore waits for its turn")
                return headline, "The files are as they were until all of it is laid out beside them."
            case Kind.RESTORE_FAILED if facts.restore_failed is not None:
                return "The restore failed; what was there before it is kept.", self._why(facts.restore_failed)
            case Kind.OVERDUE:
                return self._overdue()
            case Kind.FIRST_RUNNING if facts.backup is not None:
                headline = _going(facts.backup, "Making the first backup", "The first backup waits for its turn")
                return headline, "Nothing can be restored before it is finished."
            case Kind.RUNNING if facts.backup is not None:
                kept = f"The last good one is {self._age(facts.good_at)} old and stays until this one is finished."
                failed = "" if facts.failed is None else f"The one before failed: {self._why(facts.failed)}"
                return _going(facts.backup, "Backing up now", "A backup waits for its turn"), kept, failed
            case Kind.FAILED if facts.failed is not None:
                return "The last backup failed.", self._why(facts.failed), self._safe(), self._next("The next try")
            case Kind.DAMAGED if facts.damaged is not None:
                return self._damaged(facts.damaged)
            case Kind.PLAN_TOO_LOW:
                headline = f"The plan {facts.plan_without} has no backups."
                return headline, "A larger one lists, downloads and restores them."
            case Kind.WARNINGS:
                count = "1 warning" if facts.warnings == 1 else f"{facts.warnings:,} warnings"
                missing = "Something may be missing in it: see what they say."
                return f"Backed up {self._ago()}, with {count}.", missing, self._next()
            case Kind.OVER_LIMIT:
                done = "Not backed up yet" if facts.good_at is None else f"Backed up {self._ago()}"
                scheduled = "Scheduled ones go on." if facts.next_backup_at is not None else ""
                return f"{done}; no room for more by hand.", self._limit(), scheduled
            case Kind.EMPTY:
                return "Not backed up yet.", "The first backup copies everything.", self._next()
            case Kind.PROVED:
                proof = f"A test restore brought back all of a backup {self._age(facts.proved_at)} ago."
                return f"Backed up {self._ago()}, and proved to restore.", proof, self._next()
        return f"Backed up {self._ago()}.", self._proof(), self._next()

    def _age(self, at: int | None) -> str:
        return span_text(max(0, self._facts.now - (at or 0)))

    def _ago(self) -> str:
        return f"{self._age(self._facts.good_at)} ago"

    def _time(self, at: int) -> str:
        return time_text(at, self._zone)

    def _why(self, failed: Failed) -> str:
        """Return the reason of a failure as a sentence: the customer's, or with its code all that is known."""
        text = f"{failed.code}: {failed.detail}" if self._for_operator else failed.message
        text = " ".join(text.split())
        return text if text.endswith((".", "!", "?", "…")) else f"{text}."

    def _safe(self) -> str:
        if self._facts.good_at is None:
            return "It has no good backup yet, so nothing could be restored."
        return f"The good one from {self._time(self._facts.good_at)} is still there."

    def _next(self, what: str = "The next backup") -> str:
        at = self._facts.next_backup_at
        if at is None:
            return "It has no schedule: the next one is made by hand."
        return f"{what} is due at {self._time(at)}."

    def _overdue(self) -> tuple[str, ...]:
        facts = self._facts
        headline = "No good backup yet, though one was due."
        if facts.good_at is not None:
            headline = f"No good backup for {self._age(facts.good_at)}."
        due = f"By its schedule there should have been one by {self._time(facts.overdue_since or 0)}."
        if facts.failed is not None:
            why = f"The last try failed: {self._why(facts.failed)}"
        elif facts.node_silent_since is not None:
            machine = "The jobs' process of its node" if self._for_operator else "The machine that makes its backups"
            why = f"{machine} has not been heard of since {self._time(facts.node_silent_since)}."
        else:
            why = "None was begun, or none has ended."
        running = "One is being made now." if facts.backup is not None else ""
        return headline, due, why, running, self._safe(), self._notified()

    def _notified(self) -> str:
        """Return who was told that it is overdue."""
        own, operators = ("Its account", "The operator") if self._for_operator else ("You", "Your host")
        notified = [(own, self._facts.notified_at), (operators, self._facts.operator_notified_at)]
        verb = "were" if own == "You" else "was"
        sentences = [f"{who} {verb if who == own else 'was'} told at {self._time(at)}." for who, at in notified if at]
        return " ".join(sentences)

    def _damaged(self, damaged: Damaged) -> tuple[str, ...]:
        headline = f"{damaged.count:,} backups are damaged."
        if damaged.count == 1:  # ids sort as what they name was made
            headline = ("An older" if damaged.backup_id < self._facts.good_id else "The newest") + " backup is damaged."
        if damaged.code == "NOT_PROVED":
            found = "A test restore did not bring back all of it as it was backed up."
        else:
            found = "What can't be read is missing in its downloads and restores; its other files are good."
        return headline, found, "A fresh backup brings back what is still the same.", self._next()

    def _limit(self) -> str:
        limit = self._facts.limit
        if limit is None or limit.code == "STORAGE_LIMIT_REACHED":
            return "The account's backups take all that the plan allows: delete some, or ask for a larger plan."
        if limit.ends_at is None:
            return "It has as many backups as the plan allows: delete or unlock one, or ask for a larger plan."
        return f"The plan's backups of this day are taken; the next one can be taken after {self._time(limit.ends_at)}."

    def _proof(self) -> str:
        facts = self._facts
        if facts.proved_at is not None and not is_proved(facts):
            return f"The last test restore that matched is from {self._time(facts.proved_at)}."
        if facts.next_proof_at is None:
            return "No test restore has proved it."
        return f"Its first test restore is due at {self._time(facts.next_proof_at)}."


def _going(work: Going, what: str, waiting: str) -> str:
    if work.is_queued:
        return f"{waiting}."
    progress = work.progress
    if progress is None or not progress.total_bytes:
        return f"{what}."
    return f"{what}: {min(100, 100 * progress.bytes // progress.total_bytes)} %."
