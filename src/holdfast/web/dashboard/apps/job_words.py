"""The words of a job's page: a headline, what is still as it was, the steps of a restore."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from holdfast.catalog.records import Backup, JobState, State, Warned, Work
from holdfast.service.integrity.trial_restore import Proved
from holdfast.service.integrity.verify import Verified
from holdfast.service.restore.files import Restored
from holdfast.service.restore.plan import Wanted
from holdfast.web.dashboard import words
from holdfast.web.dashboard.standing import Badge

ICONS = frozenset(("circle-check", "rotate-ccw", "loader", "x", "ban", "triangle-alert", "shield-check"))
"""The icons that the tables below name."""

_RUNNING = {
    "restore": ("Restoring {name}", "Your files are as they were until all of it is laid out beside them."),
    "verify": ("Reading back {name}", "Every byte of it is read from the store and compared with its sum."),
    "prove": ("Proving {name}", "All of it is restored to an empty place and compared; your files are not touched."),
}
_WAITING = {
    "restore": "The restore waits for its turn",
    "verify": "The reading back waits for its turn",
    "prove": "The test restore waits for its turn",
}
_STOPPED = {
    "restore": ("The restore was cancelled", "The restore failed"),
    "verify": ("The reading back was cancelled", "It could not be read back"),
    "prove": ("The test restore was cancelled", "The test restore failed"),
}
NAMES = {"restore": "Restore", "verify": "Read back", "prove": "Test restore"}
"""By kind of job: its name in the trail."""

_NEW_FOLDER_LEFT = "The new folder was not made, and nothing else was touched."
_LEFT = {
    "restore": "Everything is as it was before; the backup is still there.",
    "verify": "The backup is as it was; nothing of it was changed.",
    "prove": "Your files were not touched, and what was laid out for the test is removed.",
}
_CANCELLING = {
    "restore": "Cancelling leaves nothing behind: what was laid out is removed, and your files are as they are now.",
    "verify": "Cancelling changes nothing; the backup can be read back again.",
    "prove": "Cancelling removes what was laid out for the test.",
}
REFUSED = "TARGET_CHANGED"
"""The code of a restore that was not begun, as it would have done something else than was shown."""


class Headline(NamedTuple):
    """The top of a job's page."""

    badge: Badge
    title: str
    text: str


class Step(NamedTuple):
    """A step of a restore. `state`: `done`, `now` or `next`."""

    title: str
    text: str
    state: str


def headline_of(job: Work, wanted: Wanted, name: str, app: str, percent: int | None, was: str) -> Headline:
    """Return the top of a job's page. `name`: of the backup; `app`: of the application that is worked on; `was`: since
    when it is as it is after a whole restore, as `on Friday 27 November 2026, 03:00`."""
    title, text = _RUNNING[job.kind]
    if job.state is JobState.QUEUED:
        return Headline(Badge("run", "loader", "Waiting"), _WAITING[job.kind], text)
    if job.state is JobState.RUNNING:
        if job.cancel_asked:
            return Headline(Badge("run", "loader", "Ending"), "It is being cancelled", left_of(job, wanted))
        done = "" if percent is None else f": {percent}\u00a0%"
        text = f"The dump is loaded once all of it is checked. {left_of(job, wanted)}" if wanted.database else text
        return Headline(Badge("run", "loader", "Running"), title.format(name=name) + done, text)
    if job.state is JobState.SUCCESSFUL and job.result is not None:
        return _ended(job, job.result, wanted, name, app, was)
    cancelled, failed = _STOPPED[job.kind]
    if job.state is JobState.CANCELLED:
        return Headline(Badge("none", "ban", "Cancelled"), cancelled, left_of(job, wanted))
    if job.error_code == REFUSED:
        return Headline(Badge("warn", "triangle-alert", "Not begun"), f"{app} has changed since it was compared", "")
    return Headline(Badge("bad", "x", "Failed"), failed, "")


def _ended(job: Work, result: str, wanted: Wanted, name: str, app: str, was: str) -> Headline:
    good = Badge("good", "circle-check", "Done")
    if job.kind == "verify":
        verified = msgspec.json.decode(result, type=Verified)
        read = f"{words.size(verified.read_bytes)} were read from the store."
        if verified.is_whole:
            return Headline(good, f"{name} is whole", f"{read} Every byte of it is as it was stored.")
        count = f"{words.number(verified.files)} {'file' if verified.files == 1 else 'files'}"
        title = f"{count} of {name} can't be read"
        return Headline(Badge("warn", "triangle-alert", "Damaged"), title, f"{read} The backup's page names them.")
    if job.kind == "prove":
        proved = msgspec.json.decode(result, type=Proved)
        seal = Badge("good", "shield-check", "Proved")
        title = f"{name} is proved to restore" if proved.is_whole else f"A part of {name} is proved to restore"
        text = f"{words.number(proved.files)} files, {words.size(proved.bytes)}, were restored and compared"
        opened = f", and {words.number(proved.databases)} SQLite databases opened." if proved.databases else "."
        return Headline(seal, title, text + opened)
    done = msgspec.json.decode(result, type=Restored)
    counts = counts_of(done)
    if wanted.takes_away is not None:
        return Headline(good, f"The folder {wanted.into} is gone again", f"{counts[2]} were removed with it.")
    if done.into is not None:
        text = f"{counts[1]} were restored; nothing else changed."
        return Headline(good, f"{name} is in the folder {done.into}", text)
    if wanted.database is not None:
        return Headline(good, f"The database {wanted.database.name} is as it was in {name}", "")
    text = f"{counts[0]} changed, {counts[1]} came back and {counts[2]} were removed."
    if not done.added + done.changed + done.removed:
        text = "Nothing had to be changed."
    if wanted.paths or wanted.mode == "overlay":
        return Headline(good, f"Brought back from {name}", text)
    return Headline(good, f"{app} is as it was {was}", text)


def counts_of(done: Restored) -> tuple[str, str, str]:
    """Return the numbers of what changed, came back and was removed."""
    changed, added, removed = (words.number(count) for count in (done.changed, done.added, done.removed))
    return changed, added, removed


def left_of(job: Work, wanted: Wanted) -> str:
    """Return what is still as it was when a job did not get to its end."""
    if job.kind != "restore" or (wanted.into is None and wanted.database is None):
        return _LEFT[job.kind]
    return _NEW_FOLDER_LEFT if wanted.into is not None else "The backup is still there."


def cancelling(job: Work) -> str:
    """Return what cancelling leaves."""
    return _CANCELLING[job.kind]


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
    titles = ["Compared", "Checked whole and laid beside", *(["Safety backup"] if has_safety else []), "Swapped"]
    at = len(titles) if is_done else _step(job, safety, has_safety)
    state = ["done"] * at + (["now"] if at < len(titles) else []) + ["next"] * (len(titles) - at - 1)
    return [Step(title, texts[title], one) for title, one in zip(titles, state, strict=True)]


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
    made = "It can be undone with it."
    if safety is not None and safety.state is State.SUCCESSFUL:
        made = f"{words.number(safety.files)} files, {words.size(safety.stored_bytes)} of them new. {made}"
    laid = "What differs is read from the store, checked piece by piece, and written next to your files."
    swapped = "By renames, all at once; if one fails, all are undone."
    if done is not None:
        laid = f"{words.number(done.written_files)} files, {words.size(done.written_bytes)}, were written and checked."
        changed, added, removed = counts_of(done)
        swapped = f"{changed} changed, {added} came back, {removed} were removed."
    return {
        "Compared": "The backup's list of files is compared with what is there; what is the same stays untouched.",
        "Checked whole and laid beside": laid,
        "Safety backup": made,
        "Swapped": swapped,
    }


def going(job: Work, now: int) -> list[tuple[str, str]]:
    """Return the figures of running work, each a number and what it counts."""
    progress: Any = job.progress
    if progress is None or not progress.total_bytes + progress.total_files:
        return []
    of_bytes = f"of {words.size(progress.total_bytes)}"
    figures = [(words.size(progress.bytes), of_bytes)] if progress.total_bytes else []
    if progress.total_files:
        figures.insert(0, (words.number(progress.files), f"of {words.number(progress.total_files)} files"))
    if progress.is_stalled(now):
        return [*figures, ("Nothing", "was reported for a while")]
    if progress.bytes_per_second:
        figures.append((words.size(progress.bytes_per_second), "a second"))
    if progress.eta is not None and progress.eta > now:
        figures.append((f"about {words.span(progress.eta - now)}", "left"))
    return figures


def percent_of(job: Work) -> int | None:
    """Return how much of running work is done; None: that is not known."""
    progress = job.progress
    if progress is None or not progress.total_bytes:
        return None
    return min(100, 100 * progress.bytes // progress.total_bytes)
