"""`holdfast prove`, `holdfast proof`"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

from holdfast.cli.apps import AppName
from holdfast.cli.command_line.declared import Argument, Exit
from holdfast.cli.output import Json, fail, print_json, print_table, warn
from holdfast.cli.progress import progress_bar
from holdfast.cli.state import operator, state
from holdfast.units import size_text


def prove(
    name: AppName,
    backup: Annotated[
        str | None,
        Argument(metavar="[BACKUP]", help="Name, id or ref:REFERENCE; else the newest good one."),
    ] = None,
    json: Json = False,
) -> None:
    """Restore a backup into a scratch folder and compare the result. Exit code 1 when anything differs."""
    import msgspec

    from holdfast.catalog.records import JobState
    from holdfast.service.integrity.prove import newest_backup, recover_proves, request_prove, run_prove
    from holdfast.service.integrity.trial_restore import Proved
    from holdfast.service.jobs.lifecycle import shown_job
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.backups import find_backup

    with state.instance() as instance, ExitStack() as own:
        recover_proves(instance)
        app = find_app(instance, name)
        one = newest_backup(instance, app.id) if backup is None else find_backup(instance, app.id, backup)
        job = request_prove(instance, one, operator(), own)
        with progress_bar(f"Proving {one.name}") as control:
            done = run_prove(instance, job.id, control=control, is_held=True)
        if json:
            print_json(shown_job(instance, done, for_operator=True))
        if done.state is not JobState.SUCCESSFUL:
            raise Exit(
                fail(
                    done.error_code or "PROVE_IN_PROGRESS",
                    done.reason or "Another process does.",
                )
            )
        if json:
            return
        result = msgspec.json.decode(done.result or "", type=Proved)
        what = "All of it" if result.is_whole else "Some of it (all is more than prove_bytes_max)"
        databases = f", {result.databases} databases checked" if result.databases else ""
        print(f"{what} came back as it was backed up: {result.files} files, {size_text(result.bytes)}{databases}.")
        for warning in result.warnings:
            warn(warning.message)


def proof(json: Json = False) -> None:
    """Show when each application's backups were last read back whole, and last proved by a test restore."""
    from holdfast.service.integrity.prove import shown_proofs

    with state.instance() as instance:
        shown = shown_proofs(instance)
    if json:
        print_json(shown)
        return
    heads = ("APP", "ID", "READ BACK", "PROVED", "NEXT PROOF")
    times = ("verified_at", "restore_proved_at", "next_proof_at")
    print_table(heads, [[one.app, one.app_id, *(getattr(one, time) or "-" for time in times)] for one in shown])
