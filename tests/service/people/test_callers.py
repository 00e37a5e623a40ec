"""Callers: a key may do what both it and the person who made it may do now."""

from __future__ import annotations

from kit.keys import add_named_key
from kit.world import World

from holdfast.catalog.people.keys import keys_of
from holdfast.catalog.people.members import enter_member, enter_person
from holdfast.catalog.people.records import Member, Person
from holdfast.service.people.callers import caller_of_key
from holdfast.service.people.rights import GROUPS, Grant


def joined(world: World, rights: str, app_ids: tuple[str, ...] | None = None) -> Person:
    person = Person("p" * 32, "ben@example.com", "Ben", 0)
    with world.instance.catalog.write() as connection:
        enter_person(connection, person)
        enter_member(connection, Member("m" * 32, world.account.id, person, rights, app_ids, 0))
    return person


def test_a_key_is_bound_by_its_maker(world: World) -> None:
    person = joined(world, "manager", (world.app.id,))
    key = add_named_key(world.instance, world.account.id, "owner", person_id=person.id)
    assert caller_of_key(world.instance, key, "").grant == Grant(GROUPS["manager"], frozenset({world.app.id}))
    joined(world, "view")
    assert caller_of_key(world.instance, key, "").grant == Grant(GROUPS["view"])
    with world.instance.catalog.write() as connection:
        connection.exec_driver_sql("DELETE FROM members")
    assert not caller_of_key(world.instance, key, "").grant.rights, "he is a member no more"


def test_the_main_key_may_all_but_erase(world: World) -> None:
    caller = caller_of_key(world.instance, world.api_key, "192.0.2.1")
    assert (caller.actor.kind, caller.actor.name, caller.actor.ip) == ("key", "main", "192.0.2.1")
    assert GROUPS["owner"] - caller.grant.rights == {"account.erase"}
    (key,) = keys_of(world.instance.catalog, world.account.id)
    assert key.start == world.api_key[:8]
