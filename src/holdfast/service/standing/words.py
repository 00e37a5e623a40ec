"""The standing in words: a headline, and a text that says what is still safe and what happens next.

There are two texts of each: the customer's names nothing of the operator's machines; the operator's has the details of
a failure, and comes with the command that helps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from holdfast.service.language import patterns
from holdfast.service.language.recognised import translated
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.policy.standing import Damaged, Facts, Failed, Going, Kind, Standing, is_proved

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


_TIME = re.compile(r"(%\(time\)s)")


class At(NamedTuple):
    """A time within a text, nanoseconds: whoever shows the text writes it as its reader is used to."""

    ns: int


class Dated(NamedTuple):
    """A sentence with a time in it: a message in the language that is spoken, with one `%(time)s`."""

    message: str
    at: int

    def parts(self) -> Iterator[str | At]:
        """Yield what it is made of, in order."""
        for part in _TIME.split(self.message):
            yield At(self.at) if _TIME.fullmatch(part) else part


Sentence = str | Dated


@dataclass(frozen=True, slots=True)
class Wording:
    """A standing in words. `parts`: of its text, in order, with the spaces; `command`: what the operator may run then,
    or nothing."""

    headline: str
    parts: tuple[str | At, ...]
    command: str = ""

    def text(self, written: Callable[[int], str]) -> str:
        """Return the text; `written`: how a time is written."""
        return "".join(part if isinstance(part, str) else written(part.ns) for part in self.parts)


def wording_of(standing: Standing, app_id: str, *, for_operator: bool) -> Wording:
    """Return the words of an application's standing: the customer's, or the operator's."""
    headline, *sentences = _Writer(standing.facts, for_operator=for_operator).of(standing.kind)
    command = COMMANDS.get(standing.kind, "").format(app=app_id) if for_operator else ""
    parts: list[str | At] = []
    for sentence in sentences:
        parts += [" "] if parts and sentence else []
        if isinstance(sentence, Dated):
            parts += sentence.parts()
        elif sentence:
            parts.append(sentence)
    return Wording(str(headline), tuple(parts), command)


class _Writer:
    def __init__(self, facts: Facts, *, for_operator: bool) -> None:
        self._facts = facts
        self._for_operator = for_operator

    def of(self, kind: Kind) -> tuple[Sentence, ...]:
        """Return the headline for a kind that holds, and the sentences of its text; empty ones are left out."""
        facts = self._facts
        match kind:
            case Kind.RESTORING if facts.restore is not None:
                headline = _going(facts.restore, _("Restoring"), _("A restore waits for its turn."))
                return headline, _("The files are as they were until all of it is laid out beside them.")
            case Kind.RESTORE_FAILED if facts.restore_failed is not None:
                headline = _("The restore failed; what was there before it is kept.")
                return headline, self._why(facts.restore_failed)
            case Kind.OVERDUE:
                return self._overdue()
            case Kind.FIRST_RUNNING if facts.backup is not None:
                waiting = _("The first backup waits for its turn.")
                headline = _going(facts.backup, _("Making the first backup"), waiting)
                return headline, _("Nothing can be restored before it is finished.")
            case Kind.RUNNING if facts.backup is not None:
                return self._running(facts.backup)
            case Kind.FAILED if facts.failed is not None:
                return _("The last backup failed."), self._why(facts.failed), self._safe(), self._next(is_retry=True)
            case Kind.DAMAGED if facts.damaged is not None:
                return self._damaged(facts.damaged)
            case Kind.PLAN_TOO_LOW:
                headline = _("The plan %(plan)s has no backups.", plan=facts.plan_without)
                return headline, _("A larger one lists, downloads and restores them.")
            case Kind.WARNINGS:
                return self._warned()
            case Kind.OVER_LIMIT:
                headline = _("Not backed up yet; no room for more by hand.")
                if facts.good_at is not None:
                    headline = _("Backed up %(ago)s; no room for more by hand.", ago=self._ago())
                scheduled = _("Scheduled ones go on.") if facts.next_backup_at is not None else ""
                return headline, self._limit(), scheduled
            case Kind.EMPTY:
                return _("Not backed up yet."), _("The first backup copies everything."), self._next()
            case Kind.PROVED:
                proof = _("A test restore brought back everything %(ago)s.", ago=self._since(facts.proved_at))
                return _("Backed up %(ago)s, and proved to restore.", ago=self._ago()), proof, self._next()
        return _("Backed up %(ago)s.", ago=self._ago()), self._proof(), self._next()

    def _age(self, at: int | None) -> str:
        return patterns.span(max(0, self._facts.now - (at or 0)))

    def _since(self, at: int | None) -> str:
        return _("%(span)s ago", span=self._age(at))

    def _ago(self) -> str:
        return self._since(self._facts.good_at)

    def _why(self, failed: Failed) -> str:
        """Return the reason of a failure as a sentence: the customer's, or with its code all that is known."""
        text = f"{failed.code}: {failed.detail}" if self._for_operator else translated(failed.message)
        text = " ".join(text.split())
        return text if text.endswith((".", "!", "?", "…")) else f"{text}."

    def _running(self, backup: Going) -> tuple[Sentence, ...]:
        facts = self._facts
        headline = _going(backup, _("Backing up now"), _("A backup waits for its turn."))
        age = self._age(facts.good_at)
        kept = _("The last good one is %(age)s old and stays until this one is finished.", age=age)
        failed = ""
        if facts.failed is not None:
            failed = _("The one before failed: %(why)s", why=self._why(facts.failed))
        return headline, kept, failed

    def _warned(self) -> tuple[Sentence, ...]:
        count = self._facts.warnings
        headline = ngettext(
            "Backed up %(ago)s, with %(num)s warning.",
            "Backed up %(ago)s, with %(num)s warnings.",
            count,
            num=patterns.number(count),
            ago=self._ago(),
        )
        return headline, _("Something may be missing from it: its warnings say what."), self._next()

    def _safe(self) -> Sentence:
        if self._facts.good_at is None:
            return _("It has no good backup yet, so nothing could be restored.")
        return Dated(_("The good one is still there: %(time)s."), self._facts.good_at)

    def _next(self, *, is_retry: bool = False) -> Sentence:
        at = self._facts.next_backup_at
        if at is None:
            return _("It has no schedule: the next one is made by hand.")
        if is_retry:
            return Dated(_("Next try: %(time)s."), at)
        return Dated(_("Next backup: %(time)s."), at)

    def _overdue(self) -> tuple[Sentence, ...]:
        facts = self._facts
        headline = _("No good backup yet, though one was due.")
        if facts.good_at is not None:
            headline = _("No good backup for %(span)s.", span=self._age(facts.good_at))
        due = Dated(_("By its schedule there should have been one by %(time)s."), facts.overdue_since or 0)
        why: Sentence
        if facts.failed is not None:
            why = _("The last try failed: %(why)s", why=self._why(facts.failed))
        elif facts.node_silent_since is not None:
            silent = N_("The machine that makes its backups has not been heard of since %(time)s.")
            if self._for_operator:
                silent = N_("The jobs' process of its node has not been heard of since %(time)s.")
            why = Dated(_(silent), facts.node_silent_since)
        else:
            why = _("None was begun, or none has ended.")
        running = _("One is being made now.") if facts.backup is not None else ""
        return headline, due, why, running, self._safe(), *self._notified()

    def _notified(self) -> Iterator[Dated]:
        """Yield who was told that it is overdue."""
        own, operators = N_("You were told %(time)s."), N_("Your host was told %(time)s.")
        if self._for_operator:
            own, operators = N_("Its account was told: %(time)s."), N_("The operator was told: %(time)s.")
        for message, at in ((own, self._facts.notified_at), (operators, self._facts.operator_notified_at)):
            if at:
                yield Dated(_(message), at)

    def _damaged(self, damaged: Damaged) -> tuple[Sentence, ...]:
        headline = _("%(count)s backups are damaged.", count=patterns.number(damaged.count))
        if damaged.count == 1:  # ids sort as what they name was made
            is_older = damaged.backup_id < self._facts.good_id
            headline = _("An older backup is damaged.") if is_older else _("The newest backup is damaged.")
        if damaged.code == "NOT_PROVED":
            found = _("A test restore did not bring back all of it as it was backed up.")
        else:
            found = _("What can't be read is missing in its downloads and restores; its other files are good.")
        return headline, found, _("A fresh backup brings back what is still the same."), self._next()

    def _limit(self) -> Sentence:
        limit = self._facts.limit
        if limit is None or limit.code == "STORAGE_LIMIT_REACHED":
            return _("The account's backups take all that the plan allows: delete some, or ask for a larger plan.")
        if limit.ends_at is None:
            return _("It has as many backups as the plan allows: delete or unlock one, or ask for a larger plan.")
        return Dated(
            _("The plan's backups of this day are taken; the next one can be taken from %(time)s."), limit.ends_at
        )

    def _proof(self) -> Sentence:
        facts = self._facts
        if facts.proved_at is not None and not is_proved(facts):
            return Dated(_("The last test restore that matched is from %(time)s."), facts.proved_at)
        if facts.next_proof_at is None:
            return _("No test restore has proved it.")
        return Dated(_("First test restore: %(time)s."), facts.next_proof_at)


def _going(work: Going, headline: str, waiting: str) -> str:
    if work.is_queued:
        return waiting
    progress = work.progress
    if progress is None or not progress.total_bytes:
        return f"{headline}."
    return f"{headline}: {min(100, 100 * progress.bytes // progress.total_bytes)} %."
