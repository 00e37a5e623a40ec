"""A deletion, or what undoes it, before each call that a prune or a restore makes to the store.

The short form (`make test`) takes every few of them; `make faults` takes all.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import pytest
from kit.fault_operations import Ground, do_prune, do_restore, fault_ground
from kit.ground import zip_digest
from kit.stores.fault_kinds import Faults, Kind, Place
from kit.stores.faults import struck

from holdfast.catalog.records import SYSTEM, Job, JobState, State
from holdfast.service.instance.home import Instance, open_instance
from holdfast.service.registry.backups import list_backups
from holdfast.service.registry.trash import delete_backup, list_trash, undelete

T = TypeVar("T")
IS_ALL = os.environ.get("HOLDFAST_FAULTS") == "all"
STEP = 1 if IS_ALL else 7
CALLS_MIN = 14


@dataclass
class Meanwhile(Faults):
    """Not a fault: somebody else does something just before call number `at`."""

    action: Callable[[], object] = print

    def call(self, operation: Callable[[], T], *_: object, **__: object) -> T:
        number, self.count = self.count, self.count + 1
        if number == self.at:
            self.at = -1  # its own calls are not counted
            self.action()
        return operation()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with fault_ground(tmp_path_factory.mktemp("ground")) as made:
        yield made


def put_into_trash(instance: Instance, ground: Ground) -> None:
    delete_backup(instance, list_backups(instance, ground.app_id)[0], SYSTEM)


def bring_back(instance: Instance, ground: Ground) -> None:
    for one in list_trash(instance, ground.app_id):
        undelete(instance, one, SYSTEM)


def delete_for_good(instance: Instance, ground: Ground) -> None:
    delete_backup(instance, list_backups(instance, ground.app_id)[0], SYSTEM, is_final=True)


def nothing(_instance: Instance, _ground: Ground) -> None:
    pass


Step = Callable[[Instance, Ground], object]


def at_calls(ground: Ground, before: Step, operation: Step, action: Step) -> Iterator[tuple[Instance, object]]:
    """For calls of an operation: a fresh instance on which it ran, with the action just before that call."""
    for at in itertools.count(0, STEP):
        ground.reset(without_catalog=False)
        instance = open_instance(ground.home)
        try:
            before(instance, ground)
            calls = Meanwhile(Place.STORE, Kind.SLOW, at, action=partial(action, instance, ground))
            with struck(instance, calls):
                ended = operation(instance, ground)
            if calls.at == at:
                assert at >= CALLS_MIN, "calls are no longer counted"
                return  # it makes no more calls
            yield instance, ended
        finally:
            instance.close()


def check(instance: Instance, ground: Ground, gone: int) -> None:
    """Bring back what is in the trash: all backups but the `gone` oldest are what they were, before and after prune."""
    bring_back(instance, ground)
    for is_pruned in (False, True):
        if is_pruned:
            do_prune(instance, ground)
        there = {backup.id: backup for backup in list_backups(instance, ground.app_id) if backup.origin != "safety"}
        assert list(there) == list(ground.zips)[gone:]
        for backup in there.values():
            assert (backup.state, backup.damage) == (State.SUCCESSFUL, ())
            assert zip_digest(instance, backup) == ground.zips[backup.id]


@pytest.mark.parametrize(("before", "action"), [(nothing, put_into_trash), (put_into_trash, bring_back)])
def test_a_prune_takes_nothing_of_the_trash(ground: Ground, before: Step, action: Step) -> None:
    for instance, _ in at_calls(ground, before, do_prune, action):
        check(instance, ground, 0)


@pytest.mark.parametrize(("action", "gone"), [(put_into_trash, 0), (delete_for_good, 1)])
def test_a_restore_ends_whole_or_changes_nothing(ground: Ground, action: Step, gone: int) -> None:
    ground.reset(without_catalog=False)
    old = ground.tree()
    restored = None
    for instance, ended in at_calls(ground, nothing, do_restore, action):
        assert isinstance(ended, Job)
        if ended.state is JobState.SUCCESSFUL:
            restored = restored or ground.tree()
            assert ground.tree() == restored != old
        else:
            assert ended.error_message
            assert ground.tree() == old
        check(instance, ground, gone)
    assert restored is not None
