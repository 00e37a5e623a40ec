"""`holdfast prune`, `holdfast rebuild`: keep the store small and the catalog right."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from holdfast.cli.command_line.declared import Exit, Option
from holdfast.cli.output import Failure, Json, fail, known_failure, print_json, warn
from holdfast.cli.progress import steps_bar
from holdfast.cli.state import operator, state
from holdfast.units import HOUR_NS, size_text

if TYPE_CHECKING:
    from holdfast.catalog.records import Account
    from holdfast.schemas.commands import PlannedPrune, PrunedAccount
    from holdfast.service.instance.home import Instance
    from holdfast.service.integrity.rebuild import Rebuilt

_GRACE_HOURS = 24.0
_GraceHours = Annotated[
    float | None,
    Option(
        "--grace-hours",
        min=0,
        help="Keep discarded packs this long for running downloads (default: 24); 0 deletes them at once.",
    ),
]
_Emergency = Annotated[
    bool,
    Option(
        "--emergency",
        help="The home's disk is full: give up the reserve of 16 MiB and the trash, and discarded packs at once.",
    ),
]


_EmptyTrash = Annotated[
    bool, Option("--empty-trash", help="First let deleted backups go that could still be brought back.")
]


def prune(
    account: Annotated[str | None, Option("--account", help="Only this account's vault.")] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Only say what would go.")] = False,
    grace_hours: _GraceHours = None,
    emergency: _Emergency = False,
    empty_trash: _EmptyTrash = False,
    json: Json = False,
) -> None:
    """Discard what no backup needs any more."""
    from holdfast.service.errors import Conflict
    from holdfast.service.instance.reserve import keep_reserve
    from holdfast.service.registry.accounts import get_account, list_accounts
    from holdfast.service.retention.erase import is_erased
    from holdfast.stores.port import StoreError, StoreUnreachable
    from holdfast.vault.errors import VaultError

    shown: list[PlannedPrune | PrunedAccount] = []
    failed = False
    if grace_hours is None:
        grace_hours = 0.0 if emergency else _GRACE_HOURS
    if emergency and not dry_run:
        _give_up_reserve()
    with state.instance() as instance:
        if instance.catalog.read_only_because and not dry_run:
            raise Exit(fail("CATALOG", instance.catalog.read_only_because))
        chosen = [get_account(instance, account)] if account else list_accounts(instance)
        for one in chosen:
            if is_erased(one):
                continue
            try:
                if dry_run:
                    shown.append(_plan(instance, one, is_emptying=empty_trash or emergency, quiet=json))
                else:
                    if empty_trash or emergency:
                        _empty_trash(instance, one, quiet=json)
                    done, full = _prune(instance, one, int(grace_hours * HOUR_NS), quiet=json)
                    shown.append(done)
                    failed = failed or full
            except StoreUnreachable:
                raise
            except (StoreError, VaultError, Conflict) as error:
                # The next account may still free space.
                failed = True
                failure = known_failure(error) or Failure("", str(error))
                fail(failure.code, f"{one.email}: {failure.message}")
    if emergency and not dry_run and not keep_reserve(state.home):
        warn("The reserve is given up; once there is room again, the next start of `holdfast serve` makes it anew.")
    if json:
        print_json(shown)
    if failed:
        raise Exit(1)


def _give_up_reserve() -> None:
    from holdfast.service.instance.home import check_format
    from holdfast.service.instance.reserve import give_up_reserve

    check_format(state.home)
    freed = give_up_reserve(state.home)
    if not freed:
        warn(f"{state.home} has no reserve to give up; this needs some room on its disk.")


def _empty_trash(instance: Instance, account: Account, *, quiet: bool) -> None:
    from holdfast.service.registry.trash import empty_trash

    gone = empty_trash(instance, account, operator())
    if gone and not quiet:
        count = "1 backup" if gone == 1 else f"{gone} backups"
        print(f"{account.email}: {count} left the trash for good.")


def _held(instance: Instance, account: Account) -> int:
    """Return the bytes that the trash of an account holds."""
    from holdfast.service.registry.trash import measure_trash, trash_of

    measure_trash(instance, account.id)
    return trash_of(instance, account).bytes


def _plan(instance: Instance, account: Account, *, is_emptying: bool, quiet: bool) -> PlannedPrune:
    from holdfast.schemas.commands import PlannedPrune
    from holdfast.service.registry.trash import trash_of
    from holdfast.service.retention.prune import plan_prune, unknown_backups

    unknown = unknown_backups(instance, account)
    with steps_bar(f"Planning to prune {account.email}") as control:
        planned = plan_prune(instance, account, control=control)
    packs = len(planned.dead) + len(planned.repack) + len(planned.left_behind)
    held = trash_of(instance, account).bytes
    freed = planned.freed_bytes + (held if is_emptying else 0)
    if not quiet:
        text = f"would free {size_text(freed)} in {packs} packs" + (" and the trash" if is_emptying and held else "")
        if held and not is_emptying:
            text += f"; the trash holds {size_text(held)}, which --empty-trash frees too"
        print(f"{account.email}: {text}.")
        _warn(unknown, ())
    return PlannedPrune(account.id, packs, freed, unknown, (), held)


def _prune(instance: Instance, account: Account, grace_ns: int, *, quiet: bool) -> tuple[PrunedAccount, bool]:
    """Prune one account; True with it when the store was too full to copy all."""
    from holdfast.schemas.commands import PrunedAccount
    from holdfast.service.retention.prune import prune_account, unknown_backups

    unknown = unknown_backups(instance, account)
    with steps_bar(f"Pruning {account.email}") as control:
        done = prune_account(instance, account, operator(), grace_ns=grace_ns, control=control)
    packs = done.dead_packs + done.repacked_packs + done.left_behind_packs
    held = _held(instance, account)
    if not quiet:
        text = f"freed {size_text(done.freed_bytes)} in {packs} packs; {size_text(done.deleted_bytes)} deleted"
        if done.waiting_bytes:
            text += f", {size_text(done.waiting_bytes)} stay for running downloads until their time is over"
        if held:
            text += f"; the trash holds {size_text(held)}"
        print(f"{account.email}: {text}.")
        _warn(unknown, done.damaged)
    if done.full:
        fail(
            "STORE_FULL",
            f"{account.email}: {done.waiting_packs} packs wait to be copied, for lack of room. {done.full}",
        )
    sizes = (done.freed_bytes, done.deleted_bytes, done.waiting_bytes)
    return PrunedAccount(account.id, packs, *sizes, unknown, done.damaged, held), bool(done.full)


def _warn(unknown: Sequence[str], damaged: Sequence[str]) -> None:
    if unknown:
        print(
            f"Warning: the store has {len(unknown)} backups that the catalog does not know; they were "
            "kept. `holdfast rebuild` enters them.",
            file=sys.stderr,
        )
    for pack in damaged:
        print(f"Warning: pack {pack[:12]} is damaged; `holdfast check` says what it hits.", file=sys.stderr)


def rebuild(json: Json = False) -> None:
    """Rebuild the catalog from the store and the master key: one that is gone, damaged, or older than the store."""
    import msgspec

    from holdfast.schemas.commands import RebuiltAccount
    from holdfast.service.integrity.rebuild import open_to_rebuild
    from holdfast.service.integrity.rebuild import rebuild as operation

    instance, aside = open_to_rebuild(state.home)
    if aside is not None:
        warn(f"The catalog was damaged; it lies in {aside} now, and a new one is made.")
    try:
        all_done = operation(instance, operator(), lambda done: None if json else print_rebuilt(done))
    finally:
        instance.close()
    if json:
        print_json([msgspec.convert(done, RebuiltAccount, from_attributes=True) for done in all_done])
    all_came_back(all_done)


def print_rebuilt(done: Rebuilt) -> None:
    """Print what came back of one account."""
    print(
        f"{done.email or done.account_id}: {done.backups} backups, {done.packs} packs and {done.apps} applications "
        f"came back; {done.dropped_backups} backups are no longer in the store and were dropped."
    )
    for problem in done.problems:
        warn(problem)


def all_came_back(done: Sequence[Rebuilt]) -> None:
    """End the command with 1 unless everything came back."""
    if any(account.problems for account in done):
        raise Exit(fail("NOT_ALL_CAME_BACK", "Not everything came back; the warnings above say what."))
