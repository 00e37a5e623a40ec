"""`holdfast account ...`"""

from __future__ import annotations

from typing import Annotated

from holdfast.cli.command_line.declared import Argument, Group, Option, confirm
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import operator, state
from holdfast.units import size_text

app = Group()

AccountId = Annotated[str, Argument(metavar="ACCOUNT", help="The account's id.")]


@app.command("add")
def add(
    email: Annotated[str, Argument(metavar="EMAIL", help="The customer's e-mail address.")],
    plan: Annotated[str, Option("--plan", help="One of the plans in holdfast.toml.")],
    json: Json = False,
) -> None:
    """Make an account; prints its id and its API key."""
    from holdfast.service.registry.accounts import add_account

    with state.instance() as instance:
        made = add_account(instance, email, plan, operator())
    _print_key(made.account.id, made.api_key, json)


@app.command("list")
def list_all(json: Json = False) -> None:
    """List all accounts."""
    from holdfast.schemas.commands import OperatorAccount
    from holdfast.schemas.times import iso
    from holdfast.service.registry.accounts import list_with_usage

    with state.instance() as instance:
        found = list_with_usage(instance)
        zone = instance.zone
    if json:
        print_json(
            [
                OperatorAccount(a.id, a.id, a.email, a.plan, iso(a.created_at, zone), backups, storage, a.external_id)
                for a, backups, storage in found
            ]
        )
    else:
        print_table(
            ("ACCOUNT", "PLAN", "BACKUPS", "STORAGE", "E-MAIL"),
            [(a.id, a.plan, str(backups), size_text(storage), a.email) for a, backups, storage in found],
        )


@app.command("set-plan")
def set_plan(
    account: AccountId,
    plan: Annotated[str, Argument(metavar="PLAN", help="One of the plans in holdfast.toml.")],
    json: Json = False,
) -> None:
    """Give an account another plan."""
    from holdfast.schemas.commands import AccountPlan
    from holdfast.service.registry import accounts

    with state.instance() as instance:
        changed = accounts.set_plan(instance, account, plan, operator())
    if json:
        print_json(AccountPlan(changed.id, changed.id, changed.plan))
    else:
        print(f"The account {changed.id} now has the plan {changed.plan}.")


@app.command("set-email")
def set_email(
    account: AccountId,
    email: Annotated[str, Argument(metavar="EMAIL", help="The customer's e-mail address.")],
    json: Json = False,
) -> None:
    """Give an account another e-mail address."""
    from holdfast.schemas.commands import AccountEmail
    from holdfast.service.registry import accounts

    with state.instance() as instance:
        changed = accounts.set_email(instance, account, email, operator())
    if json:
        print_json(AccountEmail(changed.id, changed.email))
    else:
        print(f"The account {changed.id} now has the address {changed.email}.")


@app.command("rotate-key")
def rotate_key(
    account: AccountId,
    overlap: Annotated[
        int,
        Option("--overlap", min=0, max=86_400, metavar="SECONDS", help="Seconds that the old key keeps working."),
    ] = 0,
    json: Json = False,
) -> None:
    """Replace an account's main key; the old one ends at once, or after an overlap."""
    from holdfast.service.registry import accounts, keys

    with state.instance() as instance:
        found = accounts.get_account(instance, account)
        api_key = keys.rotate_key(instance, found, operator(), overlap).api_key
    _print_key(found.id, api_key, json)


@app.command("revoke-links")
def revoke_links(account: AccountId, json: Json = False) -> None:
    """End all download links of an account; its backups have new keys."""
    from holdfast.schemas.links import RevokedLinks
    from holdfast.service.people import links
    from holdfast.service.registry.accounts import get_account

    with state.instance() as instance:
        found = get_account(instance, account)
        ended = links.revoke_links(instance, found, operator())
    if json:
        print_json(RevokedLinks(ended))
    else:
        print(f"All download links of {found.email} have ended.")


def _print_key(account_id: str, api_key: str, as_json: bool) -> None:
    from holdfast.schemas.commands import AccountKey

    if as_json:
        print_json(AccountKey(account_id, account_id, api_key))
    else:
        print(f"Account  {account_id}\nAPI key  {api_key}")


@app.command("erase")
def erase(
    account_id: AccountId,
    later: Annotated[
        bool, Option("--later", help="In 72 hours, told to its owners by mail; until then `account keep` undoes it.")
    ] = False,
    yes: Annotated[bool, Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Erase an account for good: its keys first, everywhere, then all its backups. Nothing brings it back."""
    if later:
        _erase_later(account_id, yes, json)
        return
    from holdfast.schemas.commands import ErasedAccount
    from holdfast.service.registry.accounts import get_account
    from holdfast.service.retention.erase import erase_account

    with state.instance() as instance:
        account = get_account(instance, account_id)
        if not yes:
            confirm(f"Erase {account.email} and all its backups for good?")
        deleted = erase_account(instance, account, operator())
    if json:
        print_json(ErasedAccount(account_id, account_id, deleted))
    else:
        print(f"Erased {account.email}; {size_text(deleted)} deleted.")


def _erase_later(account_id: str, yes: bool, as_json: bool) -> None:
    from holdfast.schemas.commands import AccountErasure
    from holdfast.service.registry.accounts import get_account
    from holdfast.service.retention import erasure

    with state.instance() as instance:
        account = get_account(instance, account_id)
        if not yes:
            confirm(f"Erase {account.email} and all its backups in 72 hours?")
        by = operator()
        erase_at, is_new = erasure.ask_to_erase(instance, account, erasure.name_to_type(account), by)
        if is_new:
            erasure.notify_owners(instance, account, erase_at, by)
        shown = erasure.erasure_of(instance, account).erase_at
    if as_json:
        print_json(AccountErasure(account.id, shown))
    else:
        print(f"{account.email} will be erased at {shown}; `holdfast account keep {account.id}` undoes that.")


@app.command("keep")
def keep(account_id: AccountId, json: Json = False) -> None:
    """Keep an account that its people, or `account erase --later`, wanted erased."""
    from holdfast.schemas.commands import AccountErasure
    from holdfast.service.registry.accounts import get_account
    from holdfast.service.retention import erasure

    with state.instance() as instance:
        account, by = get_account(instance, account_id), operator()
        is_kept = erasure.keep_account(instance, account, by)
        if is_kept:
            erasure.notify_owners(instance, account, None, by)
    if json:
        print_json(AccountErasure(account.id, None))
    else:
        print(f"{account.email} is kept." if is_kept else f"{account.email} was not to be erased; nothing changed.")
