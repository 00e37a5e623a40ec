"""The text of keys, and main keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.world import World

from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import AccessDenied, NotFound
from holdfast.service.people.callers import caller_of_key
from holdfast.service.registry import keys
from holdfast.units import SECOND_NS


def test_a_key_opens_its_account_and_no_other_does(world: World) -> None:
    assert caller_of_key(world.instance, world.api_key, "192.0.2.1").account.id == world.account.id
    for key in ("", "hf_", world.api_key[:-1], world.api_key + "0", keys.new_api_key(), "x" * 76):
        with pytest.raises(AccessDenied):
            caller_of_key(world.instance, key, "192.0.2.1")


def test_a_rotated_key_ends_at_once(world: World) -> None:
    new = keys.rotate_key(world.instance, world.account, SYSTEM).api_key
    assert caller_of_key(world.instance, new, "192.0.2.1").account.id == world.account.id
    with pytest.raises(AccessDenied):
        caller_of_key(world.instance, world.api_key, "192.0.2.1")
    assert keys.reveal_key(world.instance, world.account.id) == new


def test_with_an_overlap_both_work_until_its_end(world: World) -> None:
    new = keys.rotate_key(world.instance, world.account, SYSTEM, overlap_seconds=60).api_key
    newer = keys.rotate_key(world.instance, world.account, SYSTEM, overlap_seconds=10).api_key
    for key in (world.api_key, new, newer):
        assert caller_of_key(world.instance, key, "").account.id == world.account.id
    world.clock.ns += 11 * SECOND_NS
    for key in (world.api_key, new):
        with pytest.raises(AccessDenied):
            caller_of_key(world.instance, key, "")
    assert keys.reveal_key(world.instance, world.account.id) == newer


def test_an_account_that_is_gone_has_no_key_to_show(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        keys.reveal_key(world.instance, "nobody")
    assert refused.value.code == "KEY_NOT_FOUND"


@given(st.text(max_size=100))
def test_only_keys_with_their_checksum_are_well_formed(text: str) -> None:
    assert not keys.is_well_formed(text)
    assert not keys.is_well_formed("hf_" + text)
    assert keys.is_well_formed(keys.new_api_key())
