"""What members, invitations, sessions and sign-in links are refused with: the code, and nothing entered."""

from __future__ import annotations

import msgspec
import pytest
from kit.world import World

from holdfast.catalog.people.members import members_of
from holdfast.catalog.records import SYSTEM
from holdfast.schemas.people.members import NewMember
from holdfast.service.errors import Conflict, NotFound
from holdfast.service.people import invitations
from holdfast.service.people.giving import operator_giver
from holdfast.service.people.invitations import find_invitation, invite
from holdfast.service.people.sessions import caller_of_session, end_session, own_sessions
from holdfast.service.people.sign_in import accept_invitation, make_sign_in_link, open_sign_in_link

UNKNOWN = "A" * 43
BROWSER = ("192.0.2.7", "Browser", None)


def test_what_opens_nothing_is_said_to_open_nothing(world: World) -> None:
    with pytest.raises(NotFound) as link:
        open_sign_in_link(world.instance, UNKNOWN, *BROWSER)
    assert link.value.code == "SIGN_IN_LINK_NOT_FOUND"
    for refused in (
        lambda: find_invitation(world.instance, UNKNOWN),
        lambda: accept_invitation(world.instance, UNKNOWN, *BROWSER),
    ):
        with pytest.raises(NotFound) as invitation:
            refused()
        assert invitation.value.code == "INVITATION_NOT_FOUND"
    assert members_of(world.instance.catalog, world.account.id) == []


def test_only_a_session_that_is_there_is_ended(world: World) -> None:
    link = make_sign_in_link(world.instance, world.account, SYSTEM)
    token = open_sign_in_link(world.instance, link.url.partition("=")[2], *BROWSER).token
    caller = caller_of_session(world.instance, token, "192.0.2.7")
    with pytest.raises(NotFound) as refused:
        end_session(world.instance, caller, "f" * 32)
    assert refused.value.code == "SESSION_NOT_FOUND"
    assert [one.id for one in own_sessions(world.instance, caller)] == [caller.session_id]


def test_nobody_is_signed_in_to_an_account_that_has_ended(world: World) -> None:
    ended = msgspec.structs.replace(world.account, ended_at=1)
    with pytest.raises(Conflict) as refused:
        make_sign_in_link(world.instance, ended, SYSTEM)
    assert refused.value.code == "ACCOUNT_ENDED"


def test_an_account_has_no_more_members_than_it_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MEMBERS_MAX", 1)
    giver = operator_giver(SYSTEM)
    invite(world.instance, world.account, NewMember(email="eva@example.org", group="view"), giver)
    with pytest.raises(Conflict) as refused:
        invite(world.instance, world.account, NewMember(email="bo@example.org", group="view"), giver)
    assert refused.value.code == "TOO_MANY_MEMBERS"
