"""`holdfast jobs`, `holdfast log`"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated

from holdfast.cli.command_line.declared import Argument, Group, Option
from holdfast.cli.output import Json, print_json, print_json_line, print_table
from holdfast.cli.state import operator, state
from holdfast.cli.terminal import escaped
from holdfast.units import SECOND_NS, size_text, span_text

if TYPE_CHECKING:
    from holdfast.catalog.records import Event, Work
    from holdfast.service.instance.home import Instance

app = Group()

ENDED_MAX = 10
FOLLOW_SECONDS = 1.0
_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@app.without_command
def jobs(
    everything: Annotated[bool, Option("--all", help="All that ended in the last day, not only the last.")] = False,
    json: Json = False,
) -> None:
    """Show what runs, what waits, and what ended lately: backups, restores, verifications."""
    from holdfast.schemas.commands import OperatorJob, extended
    from holdfast.service.jobs.lifecycle import shown_job
    from holdfast.service.jobs.work import seen_work

    with state.instance() as instance:
        running, ended = seen_work(instance, 10_000 if everything else ENDED_MAX)
        found = [*running, *ended]
        if json:
            shown = [(shown_job(instance, work, for_operator=True), work) for work in found]
            print_json([extended(OperatorJob, job, work.account_id, work.node) for job, work in shown])
            return
        if not found:
            print("Nothing runs, nothing waits, and nothing ended in the last day.")
            return
        names = _app_names(instance)
        print_table(
            ("ID", "KIND", "STATE", "NODE", "ASKED", "APP", "PROGRESS"),
            [
                (
                    work.id,
                    work.kind,
                    _state(work),
                    work.node,
                    _clock_text(instance, work.created_at),
                    names.get(work.app_id, work.app_id),
                    _state_text(work, instance.clock.now_ns()),
                )
                for work in found
            ],
        )


@app.command("cancel")
def cancel(
    job: Annotated[str, Argument(metavar="ID", help="As `holdfast jobs` shows it.")], json: Json = False
) -> None:
    """Cancel it: at once if it is waiting, within two seconds if it runs. Nothing of it is kept."""
    from holdfast.catalog.records import OPEN_JOBS
    from holdfast.service.jobs.lifecycle import shown_job
    from holdfast.service.jobs.work import cancel_work, get_work

    with state.instance() as instance:
        work = cancel_work(instance, get_work(instance, job), operator())
        if json:
            print_json(shown_job(instance, work, for_operator=True))
        else:
            print("It stops within two seconds." if work.state in OPEN_JOBS else "It is cancelled.")


def log(
    name: Annotated[str | None, Option("--app", metavar="APP", help="Only of this application.")] = None,
    follow: Annotated[bool, Option("--follow", help="Keep showing events until Ctrl-C.")] = False,
    since: Annotated[str, Option("--since", help="How far back, as 90m, 2h or 7d.")] = "24h",
    json: Json = False,
) -> None:
    """Show what happened: a line for each event, oldest first."""
    from holdfast.service.jobs.events import SHOWN_MAX, follow_from, history, next_of_all
    from holdfast.service.registry.apps import find_app

    back_ns = span_ns(since)
    with state.instance() as instance:
        app_id = None if name is None else find_app(instance, name).id
        seen = follow_from(instance)
        found = history(instance, instance.clock.now_ns() - back_ns, app_id)
        if len(found) == SHOWN_MAX and not json:
            print(f"(the last {SHOWN_MAX}; a shorter --since shows others)")
        names = _app_names(instance)
        for event in found:
            _print_event(instance, event, names, as_json=json)
        seen = max([seen, *(event.seq for event in found)])
        while follow:
            more = next_of_all(instance, seen, app_id)
            for event in more:
                seen = event.seq
                if event.app_id not in names:
                    names = _app_names(instance)
                _print_event(instance, event, names, as_json=json)
            if not more:
                time.sleep(FOLLOW_SECONDS)


def span_ns(text: str) -> int:
    """Return a span of time like 90m, 2h or 7d in nanoseconds. Raises Invalid (SINCE)."""
    from holdfast.service.errors import Invalid

    span = _SPAN.fullmatch(text)
    if span is None:
        raise Invalid("since", "--since must be a number and s, m, h or d, as 2h.")
    return int(span[1]) * _SECONDS[span[2]] * SECOND_NS


def _print_event(instance: Instance, event: Event, names: dict[str, str], *, as_json: bool) -> None:
    from holdfast.schemas.commands import OperatorEvent, extended
    from holdfast.service.jobs.events import message_of, shown_event

    if as_json:
        print_json_line(extended(OperatorEvent, shown_event(instance, event, for_operator=True), event.account_id))
        return
    name = names.get(event.app_id or "", event.app_id or "")
    text = escaped(message_of(event, for_operator=True))
    print(f"{_clock_text(instance, event.at)}  {event.kind:<16}  {name}: {text}", flush=True)


def _app_names(instance: Instance) -> dict[str, str]:
    from holdfast.service.registry.apps import list_apps

    return {app.id: app.name for app in list_apps(instance)}


def _clock_text(instance: Instance, ns: int) -> str:
    from holdfast.schemas.times import local_time

    return f"{local_time(ns, instance.zone):%Y-%m-%d %H:%M:%S}"


def _state(work: Work) -> str:
    return f"{work.state} (stopping)" if work.state == "running" and work.cancel_asked else str(work.state)


def _state_text(work: Work, now_ns: int) -> str:
    if work.error_message:
        return f"{work.error_code}: {work.reason}"
    if work.progress is None:
        return ""
    p = work.progress
    counts = f"{p.files} of {p.total_files} files, {size_text(p.bytes)} of {size_text(p.total_bytes)}"
    if p.is_stalled(now_ns):
        return f"{counts}, stands still"
    return counts if p.eta is None else f"{counts}, {span_text(max(0, p.eta - now_ns))} left"
