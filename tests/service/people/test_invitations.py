"""Invitations by mail: sent where the instance can, else the link is handed out."""

from __future__ import annotations

import re

import msgspec
import pytest
from kit.mails import Mails
from kit.world import World

from holdfast.catalog.records import SYSTEM
from holdfast.schemas.people.members import NewMember
from holdfast.service.instance.config import ConfiguredMail
from holdfast.service.notify.mail import send_mail
from holdfast.service.people.giving import operator_giver
from holdfast.service.people.invitations import INVITATION_PATH, MadeInvitation, find_invitation, invite


def invited(world: World, mail_url: str) -> MadeInvitation:
    world.instance.config = msgspec.structs.replace(world.instance.config, mail_url=mail_url)
    wanted = NewMember(email="eva+x@example.org", group="view")
    return invite(world.instance, world.account, wanted, operator_giver(SYSTEM))


def test_an_invitation_is_sent_and_its_link_opens(world: World, mails: Mails) -> None:
    made = invited(world, f"{mails.url}?from=backups@example.org")
    assert made.url is None, "who invites does not get what the mail has"
    mail, text = mails.only()
    assert "eva+x@example.org" in mail["To"]
    assert "backups@example.org" in mail["From"]
    address = re.escape(world.instance.config.base_url) + INVITATION_PATH
    (token,) = re.findall(rf"{address}([\w-]{{43}})", text)
    assert find_invitation(world.instance, token).invitation.id == made.invitation.id


@pytest.mark.parametrize("mail_url", ["", "mailto://127.0.0.1:9?from=backups@example.org"], ids=["none", "away"])
def test_a_mail_that_cannot_be_sent_leaves_the_link(world: World, mail_url: str) -> None:
    made = invited(world, mail_url)
    assert made.url is not None
    assert find_invitation(world.instance, made.url.rpartition("/")[2]).invitation.id == made.invitation.id


def test_mail_goes_by_the_parts_of_its_server_too(world: World, mails: Mails) -> None:
    port = int(mails.url.rpartition(":")[2])
    mail = ConfiguredMail(host="127.0.0.1", port=port, sender="backups@example.org", tls="none")
    world.instance.config = msgspec.structs.replace(world.instance.config, mail=mail)
    assert send_mail(world.instance, "eva@example.org", "Title", "Text of it") is None
    got, text = mails.only()
    assert (got["To"], "backups@example.org" in got["From"], "Text of it" in text) == ("eva@example.org", True, True)
    bad = msgspec.structs.replace(mail, user="x", password_file="/nowhere/password", tls="tls")
    world.instance.config = msgspec.structs.replace(world.instance.config, mail=bad)
    assert "/nowhere/password cannot be read" in (send_mail(world.instance, "eva@example.org", "T", "T") or "")
