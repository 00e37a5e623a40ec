"""`holdfast member add|list|change|end` and `holdfast sign-in-link`: the people of an account."""

from __future__ import annotations

from typing import Annotated

from holdfast.cli.command_line.declared import Argument, Group, Option, WrongUse
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import operator, state

app = Group()

AccountId = Annotated[str, Argument(metavar="ACCOUNT", help="The account's id.")]
MemberName = Annotated[str, Argument(metavar="MEMBER", help="The member's id or e-mail address.")]
GroupName = Annotated[str | None, Option("--group", help="view, manager, maintain, admin or owner.")]
RightNames = Annotated[list[str] | None, Option("--right", help="A right; give it again for more.")]
AppNames = Annotated[list[str] | None, Option("--app", metavar="APP", help="On this application only; again for more.")]


@app.command("add")
def add(
    account: AccountId,
    email: Annotated[str, Argument(metavar="EMAIL", help="Whom to invite.")],
    group: GroupName = None,
    rights: RightNames = None,
    apps: AppNames = None,
    json: Json = False,
) -> None:
    """Invite a person to an account: by mail where the instance can, else the address to hand on is printed."""
    from msgspec import UNSET

    from holdfast.schemas.people.members import NewMember
    from holdfast.service.people import members
    from holdfast.service.people.giving import operator_giver
    from holdfast.service.people.invitations import invite
    from holdfast.service.registry.accounts import get_account
    from holdfast.service.registry.apps import find_app

    with state.instance() as instance:
        found = get_account(instance, account)
        wanted = NewMember(
            email=email,
            group=group or UNSET,
            rights=rights or UNSET,
            app_ids=[find_app(instance, name).id for name in apps] if apps else None,
        )
        shown = members.shown_invited(instance, invite(instance, found, wanted, operator_giver(operator())))
    if json:
        print_json(shown)
    else:
        print(f"Member      {shown.id}\nInvitation  {shown.url or f'sent to {shown.email}'}")


@app.command("list")
def list_all(account: AccountId, json: Json = False) -> None:
    """List the members of an account, and who is invited."""
    from holdfast.service.people import members
    from holdfast.service.registry.accounts import get_account

    with state.instance() as instance:
        account_id = get_account(instance, account).id
        found = [members.shown_member(instance, one) for one in members.list_members(instance, account_id)]
    if json:
        print_json(found)
    else:
        print_table(
            ("MEMBER", "E-MAIL", "STATE", "RIGHTS", "APPLICATIONS", "SINCE"),
            [
                (
                    one.id,
                    one.email,
                    one.state,
                    one.group or " ".join(one.rights),
                    "all" if one.app_ids is None else str(len(one.app_ids)),
                    one.created_at,
                )
                for one in found
            ],
        )


@app.command("change")
def change(
    account: AccountId,
    member: MemberName,
    group: GroupName = None,
    rights: RightNames = None,
    apps: AppNames = None,
    all_apps: Annotated[bool, Option("--all-apps", help="On all applications, and on the account.")] = False,
    json: Json = False,
) -> None:
    """Change what a member, or whoever is invited, may do."""
    from msgspec import UNSET

    from holdfast.schemas.people.members import MemberChange
    from holdfast.service.people import members
    from holdfast.service.people.giving import operator_giver
    from holdfast.service.registry.accounts import get_account
    from holdfast.service.registry.apps import find_app

    if not (group or rights or apps or all_apps):
        raise WrongUse("Give --group, --right, --app or --all-apps.")
    if apps and all_apps:
        raise WrongUse("Give --app or --all-apps, not both.")
    with state.instance() as instance:
        found = members.find_member(instance, get_account(instance, account).id, member)
        wanted = MemberChange(
            group=group or UNSET,
            rights=rights or UNSET,
            app_ids=[find_app(instance, name).id for name in apps] if apps else None if all_apps else UNSET,
        )
        changed = members.change_member(instance, found, wanted, operator_giver(operator()))
        shown = members.shown_member(instance, changed)
    if json:
        print_json(shown)
    else:
        print(f"{shown.email} has the rights {shown.group or ' '.join(shown.rights)}.")


@app.command("end")
def end(account: AccountId, member: MemberName, json: Json = False) -> None:
    """End a member with his keys and sessions, or take an invitation back."""
    from holdfast.schemas.people.members import EndedMember
    from holdfast.service.people import members
    from holdfast.service.people.giving import operator_giver
    from holdfast.service.registry.accounts import get_account

    with state.instance() as instance:
        found = members.find_member(instance, get_account(instance, account).id, member)
        members.end_member(instance, found, operator_giver(operator()))
    if json:
        print_json(EndedMember(found.id))
    else:
        print("The member has ended, with his keys and sessions.")


def sign_in_link(
    account: AccountId,
    email: Annotated[str | None, Option("--email", help="Whom it signs in; else the account's address.")] = None,
    group: GroupName = None,
    rights: RightNames = None,
    app_name: Annotated[str | None, Option("--app", metavar="APP", help="On this application only.")] = None,
    json: Json = False,
) -> None:
    """Print a link that signs a person in once, within 60 s."""
    from holdfast.schemas.people.sign_in import SignInLink
    from holdfast.schemas.times import iso
    from holdfast.service.people.rights import parsed_rights
    from holdfast.service.people.sign_in import make_sign_in_link
    from holdfast.service.registry.accounts import get_account
    from holdfast.service.registry.apps import find_app

    with state.instance() as instance:
        made = make_sign_in_link(
            instance,
            get_account(instance, account),
            operator(),
            email=email,
            rights=parsed_rights(group, rights) if group or rights else None,
            app_id=find_app(instance, app_name).id if app_name else None,
        )
        shown = SignInLink(made.url, iso(made.ends_at, instance.zone))
    if json:
        print_json(shown)
    else:
        print(f"{shown.url}\nIt works once, until {shown.expires_at}.")
