"""`holdfast retain`: delete old backups by their rules, or show which ones would go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from holdfast.cli.command_line.declared import Argument, Option, WrongUse
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import operator, state
from holdfast.units import size_text

if TYPE_CHECKING:
    from holdfast.catalog.records import App
    from holdfast.schemas.apps import Shrunk
    from holdfast.service.instance.home import Instance
    from holdfast.service.policy.retention import Decision


def retain(
    name: Annotated[
        str | None, Argument(metavar="[APP]", help="The application's name or id; without: all of them.")
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Only say what would go, and what keeps the rest.")] = False,
    accept: Annotated[
        bool,
        Option("--accept", help="Confirm the size of an application that has shrunk; its retention goes on."),
    ] = False,
    json: Json = False,
) -> None:
    """Delete old backups by the application's rules and its plan's caps."""
    from holdfast.schemas.commands import RetainedApp
    from holdfast.service.registry.apps import find_app, list_apps
    from holdfast.service.retention.retain import accept_size, plan_retention, retain_app, shown_retention

    if accept and (name is None or dry_run):
        raise WrongUse("name the application whose size is right, and omit --dry-run")
    answers = []
    with state.instance() as instance:
        for found in [find_app(instance, name)] if name else list_apps(instance):
            app = accept_size(instance, found, operator()) if accept else found
            if dry_run:
                verdicts, gone = plan_retention(instance, app), []
            else:
                done = retain_app(instance, app, operator())
                verdicts, gone = done.verdicts, done.gone
            shown = shown_retention(instance, app, verdicts)
            counts = (shown.kept, shown.going)
            answers.append(RetainedApp(app.id, app.name, shown.rules, shown.backups, *counts, gone, shown.shrunk))
            if not json:
                _print(instance, app, verdicts, None if dry_run else gone)
                if shown.shrunk:
                    _print_rest(app, shown.shrunk)
    if json:
        print_json(answers)


def _print_rest(app: App, shrunk: Shrunk) -> None:
    """Print why nothing is deleted, and what changes that."""
    print(
        f"Retention rests since {shrunk.since}: backup {shrunk.backup_id} has {shrunk.files:,} files "
        f"({size_text(shrunk.size)}), and the one before had {shrunk.files_before:,} "
        f"({size_text(shrunk.size_before)}).\n"
        f"Check that the folder is as it should be; then run `holdfast retain {app.id} --accept`."
    )


def _print(instance: Instance, app: App, verdicts: list[Decision], gone: list[str] | None) -> None:
    """The table of an application; `gone`: None when nothing was to be done."""
    from holdfast.schemas.times import local_time

    going = sum(v.goes_by is not None for v in verdicts)
    outcome = f"{going} would go" if gone is None else f"{len(gone)} went"
    print(f"{app.name}: {len(verdicts)} backups, {outcome}.")
    if verdicts:
        print_table(
            ("ID", "STARTED", "ORIGIN", "BECAUSE OF", "NAME"),
            [
                (
                    v.backup.id,
                    f"{local_time(v.backup.created_at, instance.zone):%Y-%m-%d %H:%M:%S}",
                    v.backup.origin,
                    f"goes: {v.goes_by}" if v.goes_by else ", ".join(v.kept_by),
                    v.backup.name,
                )
                for v in verdicts
            ],
        )
