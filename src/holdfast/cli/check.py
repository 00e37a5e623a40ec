"""`holdfast check`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from holdfast.cli.command_line.declared import Exit, Option, WrongUse
from holdfast.cli.output import Json, print_json
from holdfast.cli.progress import progress_bar
from holdfast.cli.state import operator, state
from holdfast.cli.terminal import escaped
from holdfast.units import size_text

if TYPE_CHECKING:
    from holdfast.catalog.records import Account
    from holdfast.service.instance.home import Instance
    from holdfast.service.integrity.verify import Checked

_FILES_SHOWN = 20


def _share(text: str) -> float:
    """A percentage as a share of 1."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise WrongUse("a percentage from above 0 to 100, like 5%")
    return percent / 100


def check(
    name: Annotated[str | None, Option("--app", metavar="APP", help="Only the account of this application.")] = None,
    read_data: Annotated[bool, Option("--read-data", help="Read all data back and compare every chunk.")] = False,
    subset: Annotated[
        float | None,
        Option(
            "--read-data-subset",
            metavar="PERCENT",
            convert=_share,
            help="Read a random part of the data back, like 5%.",
        ),
    ] = None,
    repair: Annotated[
        bool,
        Option(
            "--repair/--no-repair",
            help="Take damaged packs out of use, so that the next backups heal what is lost; or only report.",
        ),
    ] = True,
    json: Json = False,
) -> None:
    """Find damage: which files of which backups can't be read any more. Exit code 1 when there are any."""
    from holdfast.schemas.commands import CheckedAccounts

    if read_data and subset is not None:
        raise WrongUse("Give --read-data or --read-data-subset, not both.")

    from holdfast.service.integrity.verify import check_account

    share = 1.0 if read_data else subset or 0.0
    with state.instance() as instance:
        results = []
        for account in _accounts(instance, name):
            with progress_bar(f"Checking {account.email}") as control:
                results.append(
                    check_account(instance, account, operator(), share=share, repair=repair, control=control)
                )
        is_clean = all(result.is_clean for result in results)
        if json:
            print_json(CheckedAccounts(is_clean, results))
        else:
            for result in results:
                _print(instance, result)
            if not is_clean:
                _print_advice(repaired=repair)
    if not is_clean:
        raise Exit(1)


def _accounts(instance: Instance, name: str | None) -> list[Account]:
    from holdfast.service.registry.accounts import get_account, list_accounts
    from holdfast.service.registry.apps import find_app
    from holdfast.service.retention.erase import is_erased

    if name is None:
        return [account for account in list_accounts(instance) if not is_erased(account)]
    return [get_account(instance, find_app(instance, name).account_id)]


def _print(instance: Instance, result: Checked) -> None:
    from holdfast.service.registry.apps import list_apps

    names = {app.id: app.name for app in list_apps(instance, result.account_id)}
    read = f"{result.read_packs} of them ({size_text(result.read_bytes)}) read whole"
    verdict = "nothing is damaged" if result.is_clean else "DAMAGED"
    print(f"Account {result.account_id}: {result.backups} backups, {result.packs} packs, {read}; {verdict}.")
    if result.damaged_records:
        print(f"  {result.damaged_records} of the 2 copies of its record did not open.")
    for pack in result.damaged_packs:
        print(f"  Pack {pack.id} {pack.why}; {pack.lost_chunks} of its chunks are lost.")
    for backup in result.damaged_backups:
        print(f"  {names.get(backup.app_id, backup.app_id)}, {backup.name} ({backup.id}):")
        for file in backup.files[:_FILES_SHOWN]:
            print(f"    {escaped(file.message)}")
        if len(backup.files) > _FILES_SHOWN:
            print(f"    ... {backup.count} in all; --json names them.")
    if result.salvaged_chunks:
        print(f"  {result.salvaged_chunks} missing chunks were found again in packs that had been taken out of use.")
    for count, what in ((result.stray_packs, "packs"), (result.stray_backups, "backups")):
        if count:
            print(f"  {count} {what} in the store that the catalog does not know; nothing is wrong with that.")


def _print_advice(*, repaired: bool) -> None:
    if repaired:
        print("Examine the disk, then back up each application anew, which heals content that is still the same.")
    else:
        print("Nothing was changed. Without --no-repair the next backups heal what is still the same.")
