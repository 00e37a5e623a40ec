"""`holdfast key add|list|end`: the keys of an account."""

from __future__ import annotations

from typing import Annotated

from holdfast.cli.command_line.declared import Argument, Option
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import operator, state

AccountId = Annotated[str, Argument(metavar="ACCOUNT", help="The account's id.")]


def add(
    account: AccountId,
    name: Annotated[str, Argument(metavar="NAME", help="A name, for lists.")],
    group: Annotated[str | None, Option("--group", help="view, manager, maintain, admin or owner.")] = None,
    rights: Annotated[list[str] | None, Option("--right", help="A right; repeatable.")] = None,
    apps: Annotated[
        list[str] | None, Option("--app", metavar="APP", help="Only for this application; repeatable.")
    ] = None,
    networks: Annotated[
        list[str] | None, Option("--network", metavar="CIDR", help="Only from this network; repeatable.")
    ] = None,
    expires_in: Annotated[int | None, Option("--expires-in", metavar="SECONDS", help="Seconds until it ends.")] = None,
    json: Json = False,
) -> None:
    """Give an account a key with rights of its own; shown this once."""
    from msgspec import UNSET

    from holdfast.schemas.keys import NewKey
    from holdfast.service.people import keys
    from holdfast.service.people.giving import operator_giver
    from holdfast.service.registry.accounts import get_account
    from holdfast.service.registry.apps import find_app

    with state.instance() as instance:
        found = get_account(instance, account)
        wanted = NewKey(
            name=name,
            group=group or UNSET,
            rights=rights or UNSET,
            app_ids=[find_app(instance, app).id for app in apps] if apps else None,
            networks=networks or None,
            expires_in=expires_in,
        )
        made = keys.make_key(instance, found.id, wanted, operator_giver(operator()))
        shown = keys.shown_with_key(instance, made)
    if json:
        print_json(shown)
    else:
        print(f"Key      {shown.id}\nAPI key  {shown.key}")


def list_all(account: AccountId, json: Json = False) -> None:
    """List the keys of an account."""
    from holdfast.service.people import keys
    from holdfast.service.registry.accounts import get_account

    with state.instance() as instance:
        found = [keys.shown_key(instance, key) for key in keys.list_keys(instance, get_account(instance, account).id)]
    if json:
        print_json(found)
    else:
        print_table(
            ("KEY", "STARTS", "RIGHTS", "APPLICATIONS", "LAST USE", "ENDS", "NAME"),
            [
                (
                    key.id,
                    key.start,
                    key.group or " ".join(key.rights),
                    "all" if key.app_ids is None else str(len(key.app_ids)),
                    key.last_used_at or "-",
                    key.expires_at or "-",
                    key.name,
                )
                for key in found
            ],
        )


def end(
    account: AccountId,
    key: Annotated[str, Argument(metavar="KEY", help="The key's id, as `key list` shows it.")],
    json: Json = False,
) -> None:
    """End a key of an account at once."""
    from holdfast.schemas.keys import DeletedKey
    from holdfast.service.people import keys
    from holdfast.service.registry.accounts import get_account

    with state.instance() as instance:
        found = keys.get_key(instance, get_account(instance, account).id, key)
        keys.end_key(instance, found, operator())
    if json:
        print_json(DeletedKey(found.id))
    else:
        print(f"The key {found.name} has ended.")
