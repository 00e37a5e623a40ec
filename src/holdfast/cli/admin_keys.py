"""`holdfast admin-key add|list|end`: the keys of the host."""

from __future__ import annotations

from typing import Annotated

from holdfast.cli.command_line.declared import Argument, Group, Option
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import operator, state

app = Group()


@app.command("add")
def add(
    name: Annotated[str, Argument(metavar="NAME", help="A name, for lists and the audit.")],
    scopes: Annotated[
        list[str],
        Option("--scope", help="accounts, apps, nodes, sign_in, act or read; give it again for more."),
    ],
    networks: Annotated[
        list[str] | None, Option("--network", metavar="CIDR", help="From this network only; again for more.")
    ] = None,
    expires_in: Annotated[
        int | None, Option("--expires-in", metavar="SECONDS", help="It ends in so many seconds.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a key for the host's panel; it is shown this once."""
    from holdfast.service.host.admin_keys import add_admin_key

    with state.instance() as instance:
        made = add_admin_key(instance, name, scopes, operator(), networks=networks or (), expires_in_seconds=expires_in)
    if json:
        print_json(made)
    else:
        print(f"Admin key  {made.id}\nKey        {made.key}")


@app.command("list")
def list_all(json: Json = False) -> None:
    """List the keys of the host."""
    from holdfast.service.host.admin_keys import list_admin_keys

    with state.instance() as instance:
        found = list_admin_keys(instance)
    if json:
        print_json(found)
    else:
        print_table(
            ("KEY", "STARTS", "SCOPES", "NETWORKS", "LAST USE", "ENDS", "NAME"),
            [
                (
                    key.id,
                    key.start,
                    " ".join(key.scopes),
                    " ".join(key.networks or ("all",)),
                    key.last_used_at or "-",
                    key.expires_at or "-",
                    key.name,
                )
                for key in found
            ],
        )


@app.command("end")
def end(
    name: Annotated[str, Argument(metavar="NAME", help="The key's name or id.")],
    json: Json = False,
) -> None:
    """End a key of the host, at once."""
    from holdfast.schemas.host.admin_keys import EndedAdminKey
    from holdfast.service.host.admin_keys import end_admin_key

    with state.instance() as instance:
        key_id = end_admin_key(instance, name, operator())
    if json:
        print_json(EndedAdminKey(key_id))
    else:
        print(f"Ended the admin key {key_id}.")
