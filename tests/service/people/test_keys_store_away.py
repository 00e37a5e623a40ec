"""What is shown once is shown, or was never made: keys and accounts while the store is away, and when it fails late."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from kit.stores.fault_kinds import Faults, Kind, Place
from kit.stores.faults import struck
from kit.world import World

from holdfast.catalog.accounts.rows import all_accounts
from holdfast.catalog.people.keys import keys_of
from holdfast.catalog.records import SYSTEM
from holdfast.schemas.keys import NewKey
from holdfast.service.people.callers import caller_of_key
from holdfast.service.people.giving import operator_giver
from holdfast.service.people.keys import make_key
from holdfast.service.people.sign_in import make_sign_in_link, open_sign_in_link
from holdfast.service.registry.account_record import read_record, store_records
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.keys import rotate_key
from holdfast.stores.port import StoreError, StoreUnreachable


def key(world: World) -> str:
    wanted = NewKey(name="ci", group="view")
    return make_key(world.instance, world.account.id, wanted, operator_giver(SYSTEM)).api_key


def main_key(world: World) -> str:
    return rotate_key(world.instance, world.account, SYSTEM).api_key


def account(world: World) -> str:
    return add_account(world.instance, f"{os.urandom(4).hex()}@example.com", "Silver", SYSTEM).api_key


MAKES = (key, main_key, account)


def keys_now(world: World) -> set[str]:
    return {made.id for one in all_accounts(world.instance.catalog) for made in keys_of(world.instance.catalog, one.id)}


@pytest.mark.parametrize("make", MAKES)
def test_with_the_store_away_nothing_is_made(world: World, make: Callable[[World], str]) -> None:
    before, store = keys_now(world), world.instance.home / "store"
    store.rename(store.with_name("away"))
    with pytest.raises(StoreUnreachable):
        make(world)
    assert keys_now(world) == before
    assert caller_of_key(world.instance, world.api_key, "").account.id == world.account.id
    store.with_name("away").rename(store)
    assert caller_of_key(world.instance, make(world), "").account is not None


@pytest.mark.parametrize("make", MAKES)
def test_at_whatever_call_the_store_fails_it_is_returned_or_was_not_made(
    world: World, make: Callable[[World], str]
) -> None:
    inner, returned, at = world.instance.identified.inner, 0, 0
    while True:
        before, faults = keys_now(world), Faults(Place.STORE, Kind.ERROR, at)
        try:
            with struck(world.instance, faults):
                api_key = make(world)
        except StoreError:
            assert keys_now(world) == before
        else:
            returned += 1
            account_id = caller_of_key(world.instance, api_key, "").account.id
            world.instance.identified.inner = inner
            store_records(world.instance)
            assert {one.hash for one in read_record(world.instance, account_id).keys} == {
                one.hash for one in keys_of(world.instance.catalog, account_id)
            }
        finally:
            world.instance.identified.inner = inner
        if faults.count <= at:
            break
        at += 1
    assert returned >= 1
    assert at >= 1


def test_a_sign_in_link_lets_its_person_in_without_the_store(world: World) -> None:
    link = make_sign_in_link(world.instance, world.account, SYSTEM)
    store = world.instance.home / "store"
    store.rename(store.with_name("away"))
    assert open_sign_in_link(world.instance, link.url.partition("=")[2], "", "", None).token
