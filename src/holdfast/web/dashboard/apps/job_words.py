"""The words of a job's page: a headline, what is still as it was, the steps of a restore."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from holdfast.catalog.records import Backup, JobState, State, Warned, Work
from holdfast.service.integrity.trial_restore import Proved
from holdfast.service.integrity.verify import Verified
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.restore.files import Restored
from holdfast.service.restore.plan import Wanted
from holdfast.web.dashboard import words
from holdfast.web.dashboard.standing import Badge

ICONS = frozenset(("circle-check", "rotate-ccw", "loader", "x", "ban", "triangle-alert", "shield-check"))
"""The icons that the tables below name."""

_RUNNING = {
    "restore": (N_("Restoring %(name)s"), N_("Your files are as they were until all of it is laid out beside them.")),
    "verify": (N_("Reading back %(name)s"), N_("Every byte of it is read from the store and compared with its sum.")),
    "prove": (
        N_("Proving %(name)s"),
        N_("All of it is restored to an empty place and compared; your files are not touched."),
    ),
}
_WAITING = {
    "restore": N_("The restore waits for its turn"),
    "verify": N_("The reading back waits for its turn"),
    "prove": N_("The test restore waits for its turn"),
}
_STOPPED = {
    "restore": (N_("The restore was cancelled"), N_("The restore failed")),
    "verify": (N_("The reading back was cancelled"), N_("It could not be read back")),
    "prove": (N_("The test restore was cancelled"), N_("The test restore failed")),
}
NAMES = {"restore": N_("Restore"), "verify": N_("Read back"), "prove": N_("Test restore")}
"""By kind of job: its name in the trail."""

_NEW_FOLDER_LEFT = N_("The new folder was not made, and nothing else was touched.")
_LEFT = {
    "restore": N_("Everything is as it was before; the backup is still there."),
    "verify": N_("The backup is as it was; nothing of it was changed."),
    "prove": N_("Your files were not touched, and what was laid out for the test is removed."),
}
_CANCELLING = {
    "restore": N_(
        "Cancelling leaves nothing behind: what was laid out is removed, and your files are as they are now."
    ),
    "verify": N_("Cancelling changes nothing; the backup can be read back again."),
    "prove": N_("Cancelling removes what was laid out for the test."),
}
REFUSED = "TARGET_CHANGED"
"""The code of a restore that was not begun, as it would have done something else than was shown."""


class Headline(NamedTuple):
    """The top of a job's page."""

    badge: Badge
    title: str
    text: str


class Step(NamedTuple):
    """A step of a restore. `kind`: `compared`, `laid`, `safety`, `swapped`; `state`: `done`, `now` or `next`."""

    kind: str
    title: str
    text: str
    state: str


_STEPS = {
    "compared": N_("Compared"),
    "laid": N_("Checked whole and laid beside"),
    "safety": N_("Safety backup"),
    "swapped": N_("Swapped"),
}
"""By the kind of a step: its title."""


def headline_of(job: Work, wanted: Wanted, name: str, app: str, percent: int | None, was: str) -> Headline:
    """Return the top of a job's page. `name`: of the backup; `app`: of the application that is worked on; `was`: since
    when it is as it is after a whole restore, as `on Friday 27 November 2026, 03:00`."""
    title, text = _RUNNING[job.kind]
    if job.state is JobState.QUEUED:
        return Headline(Badge("run", "loader", _("Waiting")), _(_WAITING[job.kind]), _(text))
    if job.state is JobState.RUNNING:
        if job.cancel_asked:
            return Headline(Badge("run", "loader", _("Ending")), _("It is being cancelled"), left_of(job, wanted))
        done = "" if percent is None else f": {words.percent(percent)}"
        loaded = f"{_('The dump is loaded once all of it is checked.')} {left_of(job, wanted)}"
        text = loaded if wanted.database else _(text)
        return Headline(Badge("run", "loader", _("Running")), _(title, name=name) + done, text)
    if job.state is JobState.SUCCESSFUL and job.result is not None:
        return _ended(job, job.result, wanted, name, app, was)
    cancelled, failed = _STOPPED[job.kind]
    if job.state is JobState.CANCELLED:
        return Headline(Badge("none", "ban", _("Cancelled")), _(cancelled), left_of(job, wanted))
    if job.error_code == REFUSED:
        title = _("%(app)s has changed since it was compared", app=app)
        return Headline(Badge("warn", "triangle-alert", _("Not begun")), title, "")
    return Headline(Badge("bad", "x", _("Failed")), _(failed), "")


def _ended(job: Work, result: str, wanted: Wanted, name: str, app: str, was: str) -> Headline:
    if job.kind == "verify":
        return _verified(msgspec.json.decode(result, type=Verified), name)
    if job.kind == "prove":
        return _proved(msgspec.json.decode(result, type=Proved), name)
    return _restored(msgspec.json.decode(result, type=Restored), wanted, name, app, was)


def _good() -> Badge:
    return Badge("good", "circle-check", _("Done"))


def _verified(verified: Verified, name: str) -> Headline:
    read = _("%(size)s were read from the store.", size=words.size(verified.read_bytes))
    if verified.is_whole:
        text = f"{read} {_('Every byte of it is as it was stored.')}"
        return Headline(_good(), _("%(name)s is whole", name=name), text)
    title = ngettext(
        "%(num)s file of %(name)s can't be read",
        "%(num)s files of %(name)s can't be read",
        verified.files,
        num=words.number(verified.files),
        name=name,
    )
    text = f"{read} {_('The page of the backup names them.')}"
    return Headline(Badge("warn", "triangle-alert", _("Damaged")), title, text)


def _proved(proved: Proved, name: str) -> Headline:
    title = _("%(name)s is proved to restore", name=name)
    if not proved.is_whole:
        title = _("A part of %(name)s is proved to restore", name=name)
    done = {"files": words.files(proved.files), "size": words.size(proved.bytes)}
    text = _("%(files)s, %(size)s, were restored and compared.", **done)
    if proved.databases:
        text = ngettext(
            "%(files)s, %(size)s, were restored and compared, and %(num)s SQLite database opened.",
            "%(files)s, %(size)s, were restored and compared, and %(num)s SQLite databases opened.",
            proved.databases,
            num=words.number(proved.databases),
            **done,
        )
    return Headline(Badge("good", "shield-check", _("Proved")), title, text)


def _restored(done: Restored, wanted: Wanted, name: str, app: str, was: str) -> Headline:
    changed, added, removed = counts_of(done)
    if wanted.takes_away is not None:
        title = _("The folder %(folder)s is gone again", folder=wanted.into)
        return Headline(_good(), title, _("%(removed)s were removed with it.", removed=removed))
    if done.into is not None:
        text = _("%(added)s were restored; nothing else changed.", added=added)
        return Headline(_good(), _("%(name)s is in the folder %(folder)s", name=name, folder=done.into), text)
    if wanted.database is not None:
        title = _("The database %(database)s is as it was in %(name)s", database=wanted.database.name, name=name)
        return Headline(_good(), title, "")
    text = _changes(changed, added, removed)
    if not done.added + done.changed + done.removed:
        text = _("Nothing had to be changed.")
    if wanted.paths or wanted.mode == "overlay":
        return Headline(_good(), _("Brought back from %(name)s", name=name), text)
    return Headline(_good(), _("%(app)s is as it was %(when)s", app=app, when=was), text)


def _changes(changed: str, added: str, removed: str) -> str:
    return _(
        "%(changed)s changed, %(added)s came back, %(removed)s were removed.",
        changed=changed,
        added=added,
        removed=removed,
    )


def counts_of(done: Restored) -> tuple[str, str, str]:
    """Return the numbers of what changed, came back and was removed."""
    changed, added, removed = (words.number(count) for count in (done.changed, done.added, done.removed))
    return changed, added, removed


def left_of(job: Work, wanted: Wanted) -> str:
    """Return what is still as it was when a job did not get to its end."""
    if job.kind != "restore" or (wanted.into is None and wanted.database is None):
        return _(_LEFT[job.kind])
    return _(_NEW_FOLDER_LEFT) if wanted.into is not None else _("The backup is still there.")


def cancelling(job: Work) -> str:
    """Return what cancelling leaves."""
    return _(_CANCELLING[job.kind])


def warnings_of(job: Work) -> tuple[Warned, ...]:
    """Return the warnings of a job that has ended."""
    if job.result is None or job.kind == "verify":
        return ()
    kind: type[Restored] | type[Proved] = Restored if job.kind == "restore" else Proved
    return msgspec.json.decode(job.result, type=kind).warnings


def steps_of(job: Work, wanted: Wanted, safety: Backup | None) -> list[Step]:
    """Return the steps of a restore of files. `safety`: its safety backup, if that was begun."""
    is_done = job.state is JobState.SUCCESSFUL
    done = msgspec.json.decode(job.result, type=Restored) if is_done and job.result else None
    texts = _step_texts(done, safety)
    has_safety = wanted.into is None and wanted.safety_backup
    if done is not None:
        has_safety = done.safety_backup_id is not None
    kinds = [kind for kind in _STEPS if has_safety or kind != "safety"]
    at = len(kinds) if is_done else _step(job, safety, has_safety)
    state = ["done"] * at + (["now"] if at < len(kinds) else []) + ["next"] * (len(kinds) - at - 1)
    return [Step(kind, _(_STEPS[kind]), texts[kind], one) for kind, one in zip(kinds, state, strict=True)]


def _step(job: Work, safety: Backup | None, has_safety: bool) -> int:
    """Return the number of the step that a running restore is at."""
    progress = job.progress
    if safety is not None:
        return 3 if safety.state is State.SUCCESSFUL else 2
    if progress is None:
        return 0
    is_laid = progress.bytes >= progress.total_bytes and progress.files >= progress.total_files
    return 2 if is_laid else 1


def _step_texts(done: Restored | None, safety: Backup | None) -> dict[str, str]:
    made = _("It can be undone with it.")
    if safety is not None and safety.state is State.SUCCESSFUL:
        sizes = {"files": words.files(safety.files), "size": words.size(safety.stored_bytes)}
        made = f"{_('%(files)s, %(size)s of them new.', **sizes)} {made}"
    laid = _("What differs is read from the store, checked piece by piece, and written next to your files.")
    swapped = _("By renames, all at once; if one fails, all are undone.")
    if done is not None:
        sizes = {"files": words.files(done.written_files), "size": words.size(done.written_bytes)}
        laid = _("%(files)s, %(size)s, were written and checked.", **sizes)
        swapped = _changes(*counts_of(done))
    return {
        "compared": _("The backup's list of files is compared with what is there; what is the same stays untouched."),
        "laid": laid,
        "safety": made,
        "swapped": swapped,
    }


def going(job: Work, now: int) -> list[tuple[str, str]]:
    """Return the figures of running work, each a number and what it counts."""
    progress: Any = job.progress
    if progress is None or not progress.total_bytes + progress.total_files:
        return []
    figures = []
    if progress.total_files:
        total = words.files(progress.total_files)
        figures.append((words.number(progress.files), _("of %(total)s", total=total)))
    if progress.total_bytes:
        figures.append((words.size(progress.bytes), _("of %(total)s", total=words.size(progress.total_bytes))))
    if progress.is_stalled(now):
        return [*figures, (_("Nothing"), _("was reported for a while"))]
    if progress.bytes_per_second:
        figures.append((words.size(progress.bytes_per_second), _("a second")))
    if progress.eta is not None and progress.eta > now:
        figures.append((_("about %(span)s", span=words.span(progress.eta - now)), _("left")))
    return figures


def percent_of(job: Work) -> int | None:
    """Return how much of running work is done; None: that is not known."""
    progress = job.progress
    if progress is None or not progress.total_bytes:
        return None
    return min(100, 100 * progress.bytes // progress.total_bytes)
