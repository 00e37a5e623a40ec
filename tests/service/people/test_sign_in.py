"""Sign-in links: one use, a minute, for whom they were made, and never to another site."""

from __future__ import annotations

import pytest
from kit.world import World
from msgspec import structs

from holdfast.catalog.people.members import enter_member, members_of
from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import AccessDenied, Invalid, NotFound
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import ALL, GROUPS, Grant, Right
from holdfast.service.people.sessions import caller_of_session
from holdfast.service.people.sign_in import MadeSignInLink, make_sign_in_link, open_sign_in_link
from holdfast.service.registry.account_record import read_record


def opened(world: World, link: MadeSignInLink, old: str | None = None) -> Caller:
    signed_in = open_sign_in_link(world.instance, link.url.partition("=")[2], "192.0.2.7", "Browser\n/1", old)
    return caller_of_session(world.instance, signed_in.token, "192.0.2.7")


def test_a_link_signs_the_accounts_own_person_in_once(world: World) -> None:
    link = make_sign_in_link(world.instance, world.account, SYSTEM)
    assert link.ends_at - world.instance.clock.now_ns() <= 60 * 10**9
    caller = opened(world, link)
    assert (caller.account.id, caller.actor.kind, caller.actor.name) == (
        world.account.id,
        "person",
        world.account.email,
    )
    assert caller.grant == ALL
    (member,) = members_of(world.instance.catalog, world.account.id)
    assert (member.rights, member.person.id) == ("owner", caller.person_id)
    assert read_record(world.instance, world.account.id).members == (member,)
    with pytest.raises(NotFound):
        opened(world, link)


def test_a_link_with_rights_gives_those_to_its_session_alone(world: World) -> None:
    link = make_sign_in_link(
        world.instance, world.account, SYSTEM, email="Ben@Example.org", name="Ben", rights="admin", app_id=world.app.id
    )
    caller = opened(world, link)
    assert caller.actor.name == "ben@example.org"
    assert caller.grant == Grant(GROUPS["admin"] - {Right.KEYS_WRITE}, frozenset({world.app.id}))
    assert not members_of(world.instance.catalog, world.account.id)


def test_the_session_that_the_browser_had_ends(world: World) -> None:
    links = [make_sign_in_link(world.instance, world.account, SYSTEM) for _ in range(2)]
    first = open_sign_in_link(world.instance, links[0].url.partition("=")[2], "", "", None)
    assert opened(world, links[1], first.token).grant == ALL
    with pytest.raises(AccessDenied):
        caller_of_session(world.instance, first.token, "")


def test_one_who_is_no_member_has_to_be_given_rights(world: World) -> None:
    with pytest.raises(Invalid, match=r"The account has no member eva@example\.org; give a group"):
        make_sign_in_link(world.instance, world.account, SYSTEM, email="eva@example.org")
    assert not members_of(world.instance.catalog, world.account.id)


def test_a_link_to_one_application_gives_a_member_what_he_has_on_it(world: World) -> None:
    link = make_sign_in_link(world.instance, world.account, SYSTEM, app_id=world.app.id)
    assert opened(world, link).grant == Grant(ALL.rights, frozenset({world.app.id}))
    (member,) = members_of(world.instance.catalog, world.account.id)
    with world.instance.catalog.write() as connection:
        enter_member(connection, structs.replace(member, rights="view", app_ids=("f" * 32,)))
    link = make_sign_in_link(world.instance, world.account, SYSTEM, app_id=world.app.id)
    assert opened(world, link).grant == Grant(GROUPS["view"], frozenset()), "no more than he has"


@pytest.mark.parametrize(
    "path",
    [
        *("https://evil.example", "//evil.example", "/\\evil", "/a\\b", "/a\tb", "", "x", "/ä"),
        *("/%2fevil.example", "/%5Cevil.example", "/%252Fevil.example", "/.//evil.example", "/%2e./%2Fevil.example"),
        *("/%0d%0aset-cookie:x=y", "/%252525252525252fevil.example"),
    ],
)
def test_no_link_leads_to_another_site(world: World, path: str) -> None:
    with pytest.raises(Invalid, match="return_to"):
        make_sign_in_link(world.instance, world.account, SYSTEM, return_to=path)


@pytest.mark.parametrize("email", ["ben", "a@b@c", "a b@c", "a,b@example.org", "", "a@b\x00"])
def test_an_address_that_is_none_is_refused(world: World, email: str) -> None:
    with pytest.raises(Invalid, match="e-mail"):
        make_sign_in_link(world.instance, world.account, SYSTEM, email=email)
