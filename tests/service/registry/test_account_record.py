"""The record of an account: its two copies, damaged and lost ones, and what comes back without the catalog."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.world import World

from holdfast.catalog.records import SYSTEM
from holdfast.service.doctor.diagnose import CHECKS, lines_of
from holdfast.service.instance.home import InstanceError, open_instance
from holdfast.service.integrity.read_back import read_back
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.integrity.reconcile import reconcile_account
from holdfast.service.integrity.verify import check_account
from holdfast.service.registry.account_record import bad_copies, read_record, store_records
from holdfast.service.registry.accounts import add_account
from holdfast.units import DAY_NS


def paths(world: World) -> tuple[Path, Path]:
    store = world.instance.home / "store"
    return store / "vaults" / world.account.id / "account", store / "records" / world.account.id


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def doctor_says(world: World) -> str:
    (check,) = [one for one in CHECKS if one.name == "records"]
    return " ".join(line.message for line in lines_of(check, world.instance))


@pytest.mark.parametrize("which", [0, 1])
def test_one_flipped_bit_is_found_and_mended(world: World, which: int) -> None:
    world.take()
    good = paths(world)[which].read_bytes()
    for operation in (
        lambda: check_account(world.instance, world.account, SYSTEM),
        lambda: reconcile_account(world.instance, world.account),
        lambda: store_records(world.instance),
    ):
        flip(paths(world)[which])
        assert bad_copies(world.instance, world.account.id) == 1
        assert read_record(world.instance, world.account.id).account == world.account
        assert "damaged or missing" in doctor_says(world)
        operation()
        assert bad_copies(world.instance, world.account.id) == 0
        assert "damaged" not in doctor_says(world)
    assert len(paths(world)[which].read_bytes()) == len(good)


def test_the_read_back_mends_it(world: World) -> None:
    world.take()
    flip(paths(world)[0])
    world.clock.ns += 100 * DAY_NS
    assert read_back(world.instance) > 0
    assert bad_copies(world.instance, world.account.id) == 0


def test_a_check_reports_it_and_without_repair_changes_nothing(world: World) -> None:
    world.take()
    flip(paths(world)[0])
    found = check_account(world.instance, world.account, SYSTEM, repair=False)
    assert (found.is_clean, found.damaged_records) == (False, 1)
    assert bad_copies(world.instance, world.account.id) == 1
    assert check_account(world.instance, world.account, SYSTEM).damaged_records == 1
    assert check_account(world.instance, world.account, SYSTEM).is_clean


def test_without_the_catalog_the_copy_opens_the_vault(world: World) -> None:
    """And a damaged record of the first account by name blames neither the master key nor the other accounts."""
    others = [add_account(world.instance, f"other{n}@example.com", "Silver", SYSTEM).account for n in range(3)]
    backup = world.take()
    world.instance.close()
    for path in world.instance.home.glob("catalog.sqlite*"):
        path.unlink()
    for account in (*others, world.account):
        flip(world.instance.home / "store" / "vaults" / account.id / "account")
    again = open_instance(world.instance.home, clock=world.clock, new_catalog=True)
    done = rebuild(again, SYSTEM)
    assert sorted(one.account_id for one in done) == sorted(a.id for a in (*others, world.account))
    assert not any(one.problems for one in done)
    assert again.vault(world.account.id).missing_of(backup.id) is None
    again.close()


def test_a_wrong_key_is_still_told(world: World) -> None:
    world.take()
    world.instance.close()
    for path in world.instance.home.glob("catalog.sqlite*"):
        path.unlink()
    (world.instance.home / "master.key").write_text("00" * 32)
    with pytest.raises(InstanceError, match="does not open the vaults"):
        open_instance(world.instance.home, clock=world.clock, new_catalog=True)
