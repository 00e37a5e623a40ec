"""`holdfast operator add|link|list|remove`: the people who sign in to the instance itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from holdfast.cli.command_line.declared import Argument, Group
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import operator, state

if TYPE_CHECKING:
    from holdfast.service.instance.home import Instance
    from holdfast.service.people.operators import Operator

app = Group()

Email = Annotated[str, Argument(metavar="EMAIL", help="The operator's e-mail address.")]


@app.command("add")
def add(email: Email, json: Json = False) -> None:
    """Make a person an operator, and print a link that signs him in once, within 15 minutes."""
    from holdfast.service.people.operators import add_operator

    with state.instance() as instance:
        _print_link(instance, add_operator(instance, email, operator()), json)


@app.command("link")
def link(email: Email, json: Json = False) -> None:
    """Print another link that signs an operator in once, within 15 minutes."""
    from holdfast.service.people.operators import get_operator

    with state.instance() as instance:
        _print_link(instance, get_operator(instance, email), json)


@app.command("list")
def list_all(json: Json = False) -> None:
    """List the operators."""
    from holdfast.schemas.people.operators import ShownOperator
    from holdfast.schemas.times import iso, iso_or_none
    from holdfast.service.people.operators import list_operators

    with state.instance() as instance:
        zone = instance.zone
        found = [
            ShownOperator(one.id, one.email, iso(one.created_at, zone), iso_or_none(one.seen_at, zone))
            for one in list_operators(instance)
        ]
    if json:
        print_json(found)
    else:
        print_table(
            ("OPERATOR", "KNOWN SINCE", "LAST SEEN"),
            [(one.email, one.created_at, one.last_seen_at or "-") for one in found],
        )


@app.command("remove")
def remove(email: Email, json: Json = False) -> None:
    """Take the role from an operator, at once; his sessions and links end."""
    from holdfast.schemas.people.operators import RemovedOperator
    from holdfast.service.people.operators import remove_operator

    with state.instance() as instance:
        removed = remove_operator(instance, email, operator())
    if json:
        print_json(RemovedOperator(removed.id, removed.email))
    else:
        print(f"{removed.email} is not an operator any more.")


def _print_link(instance: Instance, found: Operator, json: bool) -> None:
    from holdfast.schemas.people.operators import OperatorLink
    from holdfast.schemas.times import iso
    from holdfast.service.people.operators import make_operator_link

    made = make_operator_link(instance, found, operator())
    shown = OperatorLink(found.id, found.email, made.url, iso(made.ends_at, instance.zone))
    if json:
        print_json(shown)
    else:
        print(f"{shown.url}\nIt signs {shown.email} in once, until {shown.expires_at}.")
