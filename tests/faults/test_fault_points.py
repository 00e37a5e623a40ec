"""Every operation against a store and a home of which the n-th call goes wrong, for each n.

After each: nothing acknowledged is lost, the sentence says what to do, and the same operation succeeds the next time.
`make test-whole` has one kind of fault, and `make test` every third call of it; all kinds on all places are `make
faults` (HOLDFAST_FAULTS=all).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kit.fault_operations import MAY_GO, MOVES_FILES, OPERATIONS, POINTS_TRIED, PREPARE, Ground, fault_ground
from kit.ground import zip_digest
from kit.sized import sized
from kit.stores.fault_kinds import Faults, Kind, Place
from kit.stores.faults import struck

from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.records import SYSTEM, State
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance, InstanceError, open_instance
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.jobs.leftovers import sweep_leftovers
from holdfast.service.jobs.lifecycle import queued_jobs
from holdfast.service.registry.account_record import store_records
from holdfast.service.registry.backups import list_backups
from holdfast.service.registry.trash import list_trash, resume_deletions, undelete
from holdfast.service.take.request import queued_backups
from holdfast.service.take.run import run_backup
from holdfast.stores.port import StoreError
from holdfast.vault.errors import VaultError
from holdfast.worker.job_kinds import JOBS, recover

IS_ALL = os.environ.get("HOLDFAST_FAULTS") == "all"
STRIDE = 1 if IS_ALL else sized(1, short=3)
"""Every so many calls, another first one for each operation."""
pytestmark = pytest.mark.timeout(1200 if IS_ALL else 300)

UNTOUCHED = {
    Place.STORE: ("recover", "links"),
    Place.RUN: ("delete", "trash", "undelete", "retain", "rebuild", "links"),
}
"""The operations that make no call to a place."""

SHORT = {
    Place.STORE: (
        "take",
        "delete",
        "trash",
        "prune",
        "retain",
        "restore",
        "import",
        "prove",
        "rebuild",
        "undo",
        "keys",
    ),
    Place.HOME: ("links", "undelete"),
    Place.RUN: ("hooks", "recover"),
}
"""The operations that `make test` tries with an error in a place; each of them in one at least."""

NO_WRITES = {
    **dict.fromkeys([(Place.STORE, kind) for kind in (Kind.FULL, Kind.READ_ONLY, Kind.TORN)], ("prove", "rebuild")),
    (Place.RUN, Kind.TORN): ("take", "prune", "recover", "keys"),
    (Place.RUN, Kind.FULL): ("keys",),
}
"""The operations that write no content there, or make nothing new."""

SAME_CALLS = {("hooks", Place.STORE), ("hooks", Place.HOME)}
"""A take with hooks differs from one without only in the files of `run/`."""

POINTS = Path(__file__).parent / "points.txt"
"""How many points each case tries at least: fewer mean that calls are no longer counted."""

FORESEEN = (ServiceError, StoreError, VaultError, CatalogError, InstanceError)
ADVICE = re.compile(
    r"check|see (its|the) disk|mount|free|try again|run |take |put |restore|choose|back |ask for it again|wait|remove"
    r"|fix|`holdfast"
)
"""Words of a sentence that says what to do."""


def cases() -> Iterator[tuple[Place, Kind, str]]:
    """Place, kind and operation of all that is tried."""
    for place in Place:
        for name in OPERATIONS:
            if name in UNTOUCHED.get(place, ()) or (name, place) in SAME_CALLS:
                continue
            if IS_ALL:
                yield from ((place, kind, name) for kind in Kind if name not in NO_WRITES.get((place, kind), ()))
            elif name in SHORT[place]:
                yield place, Kind.ERROR, name


def key_of(place: Place, kind: Kind, name: str) -> str:
    return f"{place} {kind} {name}".replace(" ", "-")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with fault_ground(tmp_path_factory.mktemp("ground")) as made:
        yield made


def try_one(ground: Ground, name: str, faults: Faults) -> str | None:
    """Run an operation with a fault; return the sentence of its failure, None when it went well all the same."""
    instance = open_instance(ground.home, new_catalog=name == "rebuild")
    if name in PREPARE:
        PREPARE[name](instance, ground)
    try:
        with struck(instance, faults):
            ended = OPERATIONS[name](instance, ground)
        if ended is None or ended.state == "successful":
            return None
        return f"{ended.error_code}: {ended.reason}"
    except FORESEEN as error:
        return error.detail if isinstance(error, ServiceError) else str(error)
    finally:
        with suppress(*FORESEEN):
            instance.close()


def settle(instance: Instance) -> None:
    """As the jobs' process does at its start."""
    recover(instance)
    resume_deletions(instance)
    store_records(instance)
    for waiting in queued_jobs(instance):
        JOBS[waiting.kind](instance, waiting.id)
    for queued in queued_backups(instance):
        run_backup(instance, queued.id)


def verify(ground: Ground, name: str, trees: list[dict[str, bytes]]) -> None:
    """Nothing acknowledged is lost, the operation succeeds now, and nothing stays in `run/`."""
    instance = open_instance(ground.home, new_catalog=name == "rebuild")
    try:
        if name == "rebuild":
            assert not any(done.problems for done in rebuild(instance, SYSTEM))
        settle(instance)
        there = {backup.id: backup for backup in list_backups(instance, ground.app_id)}
        for one in list_trash(instance, ground.app_id):
            there[one.id] = undelete(instance, one, SYSTEM)
        for backup_id in list(ground.zips)[MAY_GO.get(name, 0) :]:
            assert there[backup_id].state is State.SUCCESSFUL
            assert not there[backup_id].damage
            assert zip_digest(instance, there[backup_id]) == ground.zips[backup_id]
        if name in MOVES_FILES:
            assert ground.tree() in trees, "the application's folder is neither as before nor as after"
        ended = OPERATIONS[name](instance, ground)
        assert ended is None or ended.state == "successful", ended.error_message
        for path in instance.run.iterdir():
            os.utime(path, ns=(0, 0))  # what is young may be in use
        sweep_leftovers(instance)
    finally:
        instance.close()
    if name == "hooks" and ground.hooks_log.exists():
        ran = ground.hooks_log.read_text().split()
        assert ran.count("before") <= ran.count("after"), ran
    left = [path.name for path in (ground.home / "run").iterdir()]
    assert left == [], f"files stay in run/: {left}"


def trees_of(ground: Ground) -> list[dict[str, bytes]]:
    """The application's folder as it is at the start, and as a restore of the oldest backup makes it."""
    ground.reset(without_catalog=False)
    before = ground.tree()
    assert try_one(ground, "restore", Faults(Place.STORE, Kind.ERROR)) is None
    return [before, ground.tree()]


@pytest.mark.parametrize(("place", "kind", "name"), list(cases()))
def test_a_fault_at_every_call(
    ground: Ground, place: Place, kind: Kind, name: str, record_property: Callable[[str, object], None]
) -> None:
    trees = trees_of(ground) if name in MOVES_FILES else []
    ground.reset(without_catalog=name == "rebuild")
    counting = Faults(place, kind)
    assert try_one(ground, name, counting) is None
    least = dict(line.split() for line in POINTS.read_text().splitlines())
    assert counting.count >= int(least[key_of(place, kind, name)]), "calls are no longer counted"
    tried = range(list(OPERATIONS).index(name) % STRIDE, counting.count, STRIDE)
    for at in tried:
        ground.reset(without_catalog=name == "rebuild")
        said = try_one(ground, name, Faults(place, kind, at))
        if said is not None:
            assert "Traceback" not in said
            assert "unexpected" not in said, said
            assert ADVICE.search(said), f"call {at}: {said}"
        verify(ground, name, trees)
    record_property(POINTS_TRIED, len(tried))  # `conftest.py` prints them


def test_every_case_has_its_number_of_points() -> None:
    least = dict(line.split() for line in POINTS.read_text().splitlines())
    assert all(int(count) > 0 for count in least.values())
    wanted = {key_of(*case) for case in cases()}
    assert wanted == set(least) if IS_ALL else wanted < set(least)
    assert {name for names in SHORT.values() for name in names} == set(OPERATIONS)
