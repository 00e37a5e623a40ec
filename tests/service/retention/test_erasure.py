"""An account whose people want it erased: after 72 hours and its locks, unless somebody takes it back."""

from __future__ import annotations

import msgspec
import pytest
from kit.mails import Mails
from kit.world import World

from holdfast.catalog.backups import rebuild as rebuilding
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.schemas.people.members import NewMember
from holdfast.service.errors import Conflict, Invalid
from holdfast.service.host.ends import erase_due
from holdfast.service.people.audit import entries
from holdfast.service.people.giving import Giver
from holdfast.service.people.invitations import invite
from holdfast.service.people.rights import ALL
from holdfast.service.registry.account_record import read_record
from holdfast.service.registry.accounts import list_accounts
from holdfast.service.registry.backups import set_lock
from holdfast.service.retention.erasure import (
    ERASE_DELAY_NS,
    ask_to_erase,
    erase_at_of,
    keep_account,
    notify_owners,
    owners_of,
)
from holdfast.units import DAY_NS, HOUR_NS

NAME = " Ana@example.com "


def actions(world: World) -> list[str]:
    found = [one.action for one in entries(world.instance, AuditFilter(world.account.id), 100)]
    return [action for action in reversed(found) if action.startswith("account.")]


def test_it_works_for_72_hours_and_is_gone_then(world: World) -> None:
    instance, clock = world.instance, world.clock
    erase_at, is_new = ask_to_erase(instance, world.account, NAME, SYSTEM)
    assert (erase_at, is_new) == (clock.ns + ERASE_DELAY_NS, True)
    clock.ns += ERASE_DELAY_NS - 1
    assert ask_to_erase(instance, world.account, NAME, SYSTEM) == (erase_at, False), "once more changes nothing"
    assert erase_due(instance) == []
    assert world.take().state == "successful"
    clock.ns += 1
    assert actions(world) == ["account.created", "account.erase_asked"]
    assert erase_due(instance) == [world.account.id]
    assert list_accounts(instance) == []


def test_what_is_taken_back_stays(world: World) -> None:
    instance = world.instance
    ask_to_erase(instance, world.account, NAME, SYSTEM)
    assert keep_account(instance, world.account, SYSTEM)
    assert not keep_account(instance, world.account, SYSTEM)
    world.clock.ns += 30 * DAY_NS
    assert erase_due(instance) == []
    assert erase_at_of(instance, world.account) is None
    assert actions(world) == ["account.created", "account.erase_asked", "account.erase_taken_back"]


def test_another_name_erases_nothing(world: World) -> None:
    for typed in ("", "ana", "b@example.com"):
        with pytest.raises(Invalid):
            ask_to_erase(world.instance, world.account, typed, SYSTEM)
    assert erase_at_of(world.instance, world.account) is None


def test_no_sooner_than_a_backup_is_locked_whenever_that_was(world: World) -> None:
    instance, clock = world.instance, world.clock
    backup, other = world.take(), world.take()
    first, later = clock.ns + 10 * DAY_NS, clock.ns + 20 * DAY_NS
    set_lock(instance, backup, SYSTEM, locked_until=first)
    assert ask_to_erase(instance, world.account, NAME, SYSTEM) == (first, True)
    set_lock(instance, other, SYSTEM, locked_until=later)
    clock.ns = first + HOUR_NS
    assert erase_due(instance) == []
    assert erase_at_of(instance, world.account) == later
    assert actions(world)[-1] == "account.erase_postponed"
    clock.ns = later
    assert erase_due(instance) == [world.account.id]


def test_taken_back_at_the_last_moment_it_is_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the question which are due and the transaction that destroys the keys."""
    instance, check = world.instance, rebuilding.check_nothing_running
    ask_to_erase(instance, world.account, NAME, SYSTEM)
    world.clock.ns += ERASE_DELAY_NS

    def kept_meanwhile(*given: object) -> None:
        check(*given)  # type: ignore[arg-type]
        keep_account(instance, world.account, SYSTEM)

    monkeypatch.setattr(rebuilding, "check_nothing_running", kept_meanwhile)
    assert erase_due(instance) == []
    assert read_record(instance, world.account.id).account == world.account, "a rebuild gets it back"
    assert world.take().state == "successful"


def test_what_was_cut_off_is_finished_and_cannot_be_taken_back(world: World) -> None:
    instance = world.instance
    ask_to_erase(instance, world.account, NAME, SYSTEM)
    world.clock.ns += ERASE_DELAY_NS
    rebuilding.erase_keys(instance.catalog, world.account.id, world.clock.ns, SYSTEM, only_if_due=True)
    with pytest.raises(Conflict):
        keep_account(instance, world.account, SYSTEM)
    assert erase_due(instance) == [world.account.id]


def test_nobody_of_an_account_that_the_host_has_ended_takes_it_back(world: World) -> None:
    instance = world.instance
    with instance.catalog.write() as connection:
        connection.execute(accounts.update().values(ended_at=world.clock.ns, erase_at=world.clock.ns))
    with pytest.raises(Conflict):
        keep_account(instance, world.account, SYSTEM)
    set_lock(instance, world.take(), SYSTEM, locked_until=world.clock.ns + DAY_NS)
    assert erase_due(instance) == [world.account.id], "and no lock stops the host"


def test_its_owners_are_told_and_nobody_else(world: World, mails: Mails) -> None:
    instance = world.instance
    instance.config = msgspec.structs.replace(instance.config, mail_url=f"{mails.url}?from=backups@example.org")
    for email, group in (("eva@example.org", "admin"), ("ANA@example.com", "owner")):
        invite(instance, world.account, NewMember(email=email, group=group), Giver(SYSTEM, ALL))
    mails.received.clear()
    assert owners_of(instance, world.account) == ["ana@example.com"]
    notify_owners(instance, world.account, world.clock.ns + ERASE_DELAY_NS, SYSTEM)
    mail, text = mails.only()
    assert (mail["To"], mail["Subject"]) == ("ana@example.com", "Your backups will be erased")
    assert "2024-12-10T22:07:11+01:00" in text
    assert "/account/erase" in text
