"""`holdfast prune`, `holdfast rebuild`: keep the store small and the catalog right."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holdfast.cli.output import Json, fail, print_json
from holdfast.cli.progress import steps_bar
from holdfast.cli.state import state
from holdfast.units import HOUR_NS, size_text


def prune(
    account: Annotated[str | None, typer.Option("--account", help="Only this account's vault.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    grace_hours: Annotated[
        float,
        typer.Option(
            "--grace-hours", min=0, help="Keep discarded packs this long for running downloads; 0 deletes them at once."
        ),
    ] = 24.0,
    json: Json = False,
) -> None:
    """Throw away what no backup needs any more."""
    from holdfast.schemas.commands import PlannedPrune, PrunedAccount
    from holdfast.service.registry.accounts import get_account, list_accounts
    from holdfast.service.retention.erase import is_erased
    from holdfast.service.retention.prune import plan_prune, prune_account, unknown_backups

    shown: list[PlannedPrune | PrunedAccount] = []
    with state.instance() as instance:
        chosen = [get_account(instance, account)] if account else list_accounts(instance)
        for one in chosen:
            if is_erased(one):
                continue
            unknown = unknown_backups(instance, one)
            with steps_bar(f"Pruning {one.email}") as control:
                if dry_run:
                    planned = plan_prune(instance, one, control=control)
                    packs = len(planned.dead) + len(planned.repack) + len(planned.left_behind)
                    text = f"would free {size_text(planned.freed_bytes)} in {packs} packs"
                    damaged: tuple[str, ...] = ()
                    shown.append(PlannedPrune(one.id, packs, planned.freed_bytes, unknown, damaged))
                else:
                    done = prune_account(instance, one, grace_ns=int(grace_hours * HOUR_NS), control=control)
                    packs = done.dead_packs + done.repacked_packs + done.left_behind_packs
                    text = (
                        f"freed {size_text(done.freed_bytes)} in {packs} packs; {size_text(done.deleted_bytes)} deleted"
                    )
                    if done.waiting_bytes:
                        text += f", {size_text(done.waiting_bytes)} stay for running downloads until their time is over"
                    damaged = done.damaged
                    sizes = (done.freed_bytes, done.deleted_bytes, done.waiting_bytes)
                    shown.append(PrunedAccount(one.id, packs, *sizes, unknown, damaged))
            if not json:
                print(f"{one.email}: {text}.")
                if unknown:
                    print(
                        f"Warning: the store has {len(unknown)} backups that the catalog does not know; they were "
                        "kept. `holdfast rebuild` enters them.",
                        file=sys.stderr,
                    )
                for pack in damaged:
                    print(f"Warning: pack {pack[:12]} is damaged; `holdfast check` says what it hits.", file=sys.stderr)
    if json:
        print_json(shown)


def rebuild(json: Json = False) -> None:
    """Bring the catalog back from the store and the master key: for one that is gone, or older than the store."""
    import msgspec

    from holdfast.schemas.commands import RebuiltAccount
    from holdfast.service.instance.home import open_instance
    from holdfast.service.integrity.rebuild import Rebuilt
    from holdfast.service.integrity.rebuild import rebuild as operation

    def report(done: Rebuilt) -> None:
        if json:
            return
        print(
            f"{done.email or done.account_id}: {done.backups} backups, {done.packs} packs and {done.apps} applications "
            f"came back; {done.dropped_backups} backups are no longer in the store and were dropped."
        )
        for problem in done.problems:
            print(f"Warning: {problem}", file=sys.stderr)

    instance = open_instance(state.home, new_catalog=True)
    try:
        all_done = operation(instance, report)
    finally:
        instance.close()
    if json:
        print_json([msgspec.convert(done, RebuiltAccount, from_attributes=True) for done in all_done])
    if any(done.problems for done in all_done):
        raise typer.Exit(fail("NOT_ALL_CAME_BACK", "Not everything came back; the warnings above say what."))
