"""Identities, rounds and tokens on both databases: of many at once, one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from kit.rows import account, key_hash

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.audit import Change
from holdfast.catalog.identities import rounds, rows
from holdfast.catalog.identities.records import IdentityTaken, LastWayIn, Purpose, Round
from holdfast.catalog.people.records import SignInLink
from holdfast.catalog.people.sessions import sessions_of
from holdfast.catalog.people.sign_in import NewSession, add_sign_in_link, open_sign_in_link
from holdfast.catalog.records import SYSTEM

NOW = 10
LINKED = Change(SYSTEM, "identity.linked", "ana")
UNLINKED = Change(SYSTEM, "identity.unlinked", "ana")


def signed_in(catalog: Catalog, name: str) -> tuple[str, str]:
    """A person with a session, and the session."""
    made = SignInLink("ana", f"{name}@example.org", "", "view", None, "/", 100)
    add_sign_in_link(catalog, made, key_hash(name), LINKED, NOW)
    new = NewSession(key_hash(f"s{name}"), NOW, 1000, "192.0.2.1", "", NOW)
    opened = open_sign_in_link(catalog, key_hash(name), new, "owner")
    assert opened is not None
    return opened.person.id, sessions_of(catalog, opened.person.id, "ana", NOW)[0].id


def test_of_two_people_who_link_the_same_identity_at_once_one_has_it(catalog: Catalog) -> None:
    account(catalog)
    people = [signed_in(catalog, f"p{n}") for n in range(4)]

    def link(who: tuple[str, str]) -> str | None:
        new = rows.new_identity(who[0], "https://id.example", "sub", "ana", NOW)
        try:
            linked = rows.link_identity(catalog, new, who[1], "ana", LINKED, NOW)
        except IdentityTaken:
            return None
        return None if linked is None else linked.person_id

    with ThreadPoolExecutor(4) as pool:
        found = [one for one in pool.map(link, people) if one is not None]
    known = rows.known_identity(catalog, "https://id.example", "sub")
    assert known is not None
    assert [known.person.id] == found


def test_of_two_who_unlink_the_last_two_at_once_one_is_refused(catalog: Catalog) -> None:
    account(catalog)
    person, session = signed_in(catalog, "eva")
    made = []
    for issuer in ("https://a.example", "https://b.example"):
        new = rows.new_identity(person, issuer, "sub", "eva", NOW)
        made.append(rows.link_identity(catalog, new, session, "ana", LINKED, NOW))

    def unlink(identity_id: str) -> bool:
        try:
            return rows.unlink_identity(catalog, person, identity_id, "ana", UNLINKED, NOW)
        except LastWayIn:
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(unlink, [one.id for one in made if one is not None])) == [False, True]
    assert len(rows.identities_of(catalog, person)) == 1


@pytest.mark.parametrize("kind", ["round", "token"])
def test_of_many_who_use_one_at_once_one_does(catalog: Catalog, kind: str) -> None:
    begun = Round("host", Purpose.SIGN_IN, "n", "v", None, None, None, "/", NOW, 100)
    rounds.add_round(catalog, begun, key_hash("state"), key_hash("browser"))

    def use(_: int) -> bool:
        if kind == "token":
            return rounds.use_token(catalog, key_hash("jti"), 100, NOW)
        taken = rounds.take_round(catalog, "host", (Purpose.SIGN_IN,), key_hash("state"), key_hash("browser"), NOW)
        return taken == begun

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(use, range(8))) == [False] * 7 + [True]
