"""The record of an account: its two copies, damaged and lost ones, and what comes back without the catalog."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kit.world import World

from holdfast.catalog.accounts.apps import list_apps
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


APPS = 20
TURNS = 1000
WRITER = f"""
import sys
from pathlib import Path
from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.home import open_instance
from holdfast.service.instance.locks import held_in_turn
from holdfast.service.registry.apps import add_app

name, home, account_id, folder, count = sys.argv[1:]
instance = open_instance(Path(home))
for number in range({APPS}):
    add_app(instance, account_id, f"{{name}} {{number}}", Path(folder), SYSTEM)
for _ in range({TURNS}):
    with held_in_turn(instance, "record-x"):
        counted = int(Path(count).read_text())
        Path(count).write_text(str(counted + 1))
instance.close()
"""


def test_two_processes_that_write_one_record_lose_nothing(world: World, tmp_path: Path) -> None:
    """Whoever has its lock is alone, though each removes the lock's file; the last to write is the last who read."""
    (tmp_path / "count").write_text("0")
    given = (str(world.instance.home), world.account.id, str(world.app.path), str(tmp_path / "count"))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, *given]) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert int((tmp_path / "count").read_text()) == 2 * TURNS
    apps = list_apps(world.instance.catalog, world.account.id)
    assert len(apps) == 1 + 2 * APPS
    assert sorted(read_record(world.instance, world.account.id).apps, key=lambda app: app.id) == sorted(
        apps, key=lambda app: app.id
    )
    assert list(world.instance.run.glob("record-*")) == []
