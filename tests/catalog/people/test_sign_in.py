"""Sign-in links and invitations on both databases: of many who open one at once, one gets in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from kit.rows import account, key_hash

from holdfast.catalog.backups.rebuild import forget_account
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.events.audit import Change
from holdfast.catalog.people.invitations import add_invitation
from holdfast.catalog.people.members import change_member, is_member, members_of
from holdfast.catalog.people.records import Invitation, SignInLink
from holdfast.catalog.people.sessions import sessions_of
from holdfast.catalog.people.sign_in import NewSession, Opened, accept_invitation, add_sign_in_link, open_sign_in_link
from holdfast.catalog.prepared_queries import PreparedQueries
from holdfast.catalog.records import SYSTEM

NOW = 10


def new(name: str) -> NewSession:
    return NewSession(key_hash(name), NOW, 1000, "192.0.2.1", "", NOW)


def link(catalog: Catalog, account_id: str, name: str, rights: str = "view") -> None:
    email = "eva@example.org" if rights else f"{account_id}@example.com"
    made = SignInLink(account_id, email, "", rights, None, "/account", 100)
    add_sign_in_link(catalog, made, key_hash(name), Change(SYSTEM, "sign_in_link.created", account_id), NOW)


def test_of_many_who_open_a_link_one_gets_in(catalog: Catalog) -> None:
    account(catalog)
    link(catalog, "ana", "ticket", rights="")
    with ThreadPoolExecutor(8) as pool:
        opened = list(
            pool.map(lambda n: open_sign_in_link(catalog, key_hash("ticket"), new(f"s{n}"), "owner"), range(8))
        )
    (person,) = {one.person.id for one in opened if one is not None}
    assert len([one for one in opened if one is not None]) == 1
    assert len(sessions_of(catalog, person, "ana", NOW)) == 1
    assert len(members_of(catalog, "ana")) == 1


def test_a_link_without_rights_makes_nobody_an_owner_but_whom_the_account_is(catalog: Catalog) -> None:
    account(catalog)
    link(catalog, "ana", "ticket", rights="")
    with catalog.write() as connection:
        connection.execute(accounts.update().values(email="other@example.com"))
    assert open_sign_in_link(catalog, key_hash("ticket"), new("s"), "owner") is None
    assert members_of(catalog, "ana") == []


def test_two_accounts_meet_a_person_for_the_first_time_at_once(catalog: Catalog) -> None:
    names = [f"a{n}" for n in range(6)]
    for name in names:
        account(catalog, name)
        link(catalog, name, f"ticket {name}")

    def opened(name: str) -> Opened | None:
        return open_sign_in_link(catalog, key_hash(f"ticket {name}"), new(name), "owner")

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(opened, names))
    (person,) = {one.person.id for one in found if one is not None}
    assert [len(sessions_of(catalog, person, name, NOW)) for name in names] == [1] * 6
    forget_account(catalog, "a0")
    assert len(sessions_of(catalog, person, "a1", NOW)) == 1


def test_an_ended_member_leaves_nothing(catalog: Catalog) -> None:
    account(catalog)
    invitation = Invitation("i" * 32, "ana", "eva@example.org", "view", None, SYSTEM, NOW, 100)
    add_invitation(catalog, invitation, key_hash("token"), Change(SYSTEM, "member.invited", "ana"), 5)
    opened = accept_invitation(catalog, key_hash("token"), new("session"))
    assert opened is not None
    prepared = PreparedQueries(catalog)
    found = prepared.session_by_hash(key_hash("session"))
    assert found is not None
    assert (found[0].id, found[1].email, found[1].members_rights) == ("ana", "eva@example.org", "view")
    change_member(catalog, "ana", "i" * 32, lambda *_: (None, Change(SYSTEM, "member.ended", "ana")), NOW)
    assert prepared.session_by_hash(key_hash("session")) is None
    prepared.close()
    with catalog.read() as connection:
        assert not is_member(connection, "ana", opened.person.id)
