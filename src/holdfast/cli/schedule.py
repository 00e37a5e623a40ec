"""`holdfast app schedule`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from holdfast.cli.apps import AppName
from holdfast.cli.command_line.declared import Argument, Option
from holdfast.cli.output import Json, print_json
from holdfast.cli.state import operator, state

if TYPE_CHECKING:
    from holdfast.schemas.apps import Schedule as ShownSchedule
    from holdfast.service.take.schedule import Schedule


def _keep(what: str) -> Any:
    return Option(f"--keep-{what}", min=0, max=100_000, help=f"How many {what} ones to keep; 0: no rule.")


def schedule(
    name: AppName,
    cron: Annotated[
        str | None, Argument(metavar="CRON", help="When, as a cron expression like '0 3 * * *'; without one it stays.")
    ] = None,
    off: Annotated[bool, Option("--off", help="Take no more scheduled backups.")] = False,
    keep_last: Annotated[int | None, _keep("last")] = None,
    keep_hourly: Annotated[int | None, _keep("hourly")] = None,
    keep_daily: Annotated[int | None, _keep("daily")] = None,
    keep_weekly: Annotated[int | None, _keep("weekly")] = None,
    keep_monthly: Annotated[int | None, _keep("monthly")] = None,
    keep_yearly: Annotated[int | None, _keep("yearly")] = None,
    keep_within: Annotated[
        str | None,
        Option("--keep-within", help="Keep all that are newer than this: 36h, 30d, 8w; '' removes the rule."),
    ] = None,
    json: Json = False,
) -> None:
    """Show or set when an application is backed up by itself, and what of that is kept."""
    from holdfast.service.errors import Invalid
    from holdfast.service.preview.schedule import shown_schedule
    from holdfast.service.registry.apps import find_app
    from holdfast.service.take.schedule import schedule_of, set_schedule

    if off and cron is not None:
        raise Invalid("cron", "Give either a cron expression or --off.")
    rules = {
        "keep_last": keep_last,
        "keep_hourly": keep_hourly,
        "keep_daily": keep_daily,
        "keep_weekly": keep_weekly,
        "keep_monthly": keep_monthly,
        "keep_yearly": keep_yearly,
        "keep_within": keep_within,
    }
    with state.instance() as instance:
        app = find_app(instance, name)
        before = schedule_of(app)
        wanted = _changed(
            before, "" if off else cron, {rule: given for rule, given in rules.items() if given is not None}
        )
        if wanted != before:
            app = set_schedule(instance, app, wanted, operator())
        shown = shown_schedule(instance, app)
    if json:
        print_json(shown)
    else:
        _print(shown)


def _changed(now: Schedule, cron: str | None, rules: dict[str, Any]) -> Schedule:
    """The schedule with what was given in place of what was there."""
    import msgspec

    from holdfast.service.take.schedule import checked_retention

    retention = checked_retention({**msgspec.to_builtins(now.retention), **rules})
    return msgspec.structs.replace(now, cron=now.cron if cron is None else cron, retention=retention)


def _print(shown: ShownSchedule) -> None:
    import msgspec

    print(f"Schedule: {shown.cron or 'none'}  (time zone {shown.time_zone})")
    kept = msgspec.structs.asdict(shown.retention)
    rules = [f"{name.replace('_', '-')} {value}" for name, value in kept.items() if value]
    print(f"Kept: {', '.join(rules) or 'every backup'}")
    if shown.next_runs:
        print("Next runs:")
        for run in shown.next_runs:
            print(f"  {run}")
    for notice in shown.notices:
        print(notice)
