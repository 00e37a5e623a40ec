"""A restore that dies at any of its renames leaves, after the next start, the old state or the new: no mixture."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.sized import sized
from kit.trees import fill, mess_up, staging_left, tree_of
from kit.world import World

from holdfast.catalog.records import SYSTEM, JobState
from holdfast.native import library as native
from holdfast.restorer import swap
from holdfast.service.jobs.lifecycle import get_job
from holdfast.service.restore.files import recover_restores, request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.stores.durable import write_durably


class Counted:
    """Lets the process die (in a child) or fail at effect number `at` of the swap."""

    def __init__(self, at: int, error: OSError | None, after: bool) -> None:
        self.at = at
        self.error = error
        self.after = after
        self.count = 0

    def __call__(self, operation: Callable[..., object], *args: object, **options: object) -> object:
        number, self.count = self.count, self.count + 1
        if number != self.at:
            return operation(*args, **options)
        if self.after:
            operation(*args, **options)
        if self.error is not None:
            raise self.error
        os._exit(9)


def count_effects(monkeypatch: pytest.MonkeyPatch, counted: Counted) -> None:
    """All that the swap changes on the disk goes through these."""
    rename, put, fix, journal, unlink = os.rename, native.rename_new, swap._set, write_durably, os.unlink
    monkeypatch.setattr(os, "rename", lambda *a, **o: counted(rename, *a, **o))
    monkeypatch.setattr(native, "rename_new", lambda *a: counted(put, *a))
    monkeypatch.setattr(swap, "_set", lambda *a, **o: counted(fix, *a, **o))
    monkeypatch.setattr(swap, "write_durably", lambda *a: counted(journal, *a))
    monkeypatch.setattr(os, "unlink", lambda *a, **o: counted(unlink, *a, **o))


def small(root: Path) -> None:
    """The same kinds of things as `fill`, fewer of them."""
    fill(root)
    for n in range(10, 199):
        (root / "deep" / f"f{n:03}").unlink()
    for name in ("big", "another big", "zeros", "sparse"):
        (root / name).unlink()
    (root / "big").write_bytes(os.urandom(100_000))
    os.link(root / "big", root / "another big")


STRIDE = sized(1, short=3)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["kill", "EIO"])
def test_every_point_of_the_swap(world: World, monkeypatch: pytest.MonkeyPatch, kind: str, after: bool) -> None:
    small(world.root)
    before = tree_of(world.root)
    backup = world.take()
    mess_up(world.root)
    messed = tree_of(world.root)
    wanted = Wanted(safety_backup=False)
    points = 0
    for at in range(0, 1000, STRIDE):
        job = request_restore(world.instance, backup, world.app, wanted, SYSTEM)
        counted = Counted(at, None if kind == "kill" else OSError(5, "Input/output error"), after)
        if kind == "kill":
            child = os.fork()
            if not child:
                with pytest.MonkeyPatch.context() as patched:
                    count_effects(patched, counted)
                    try:
                        run_restore(world.instance, job.id)
                    finally:
                        os._exit(0)
            died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        else:
            with monkeypatch.context() as patched:
                count_effects(patched, counted)
                run_restore(world.instance, job.id)
            died = counted.count > at
        if not died:
            break
        points += 1
        recover_restores(world.instance)
        ended = get_job(world.instance, job.id)
        assert ended.state in (JobState.FAILED, JobState.SUCCESSFUL)
        now = tree_of(world.root)
        assert now == (messed if ended.state is JobState.FAILED else before), (
            kind,
            after,
            at,
            ended.error_code,
            ended.error_message,
        )
        if "STAGING_LEFT" not in (ended.result or ""):
            assert staging_left(world) == []
        if ended.state is JobState.SUCCESSFUL:
            break
    assert points > 20 // STRIDE
    print(f"{points} points")


def test_one_that_was_never_begun_is_never_begun_by_others(world: World) -> None:
    backup = world.take()
    (world.root / "a.txt").write_text("mine")
    job = request_restore(world.instance, backup, world.app, Wanted(is_inline=True), SYSTEM)
    recover_restores(world.instance)
    assert get_job(world.instance, job.id).state is JobState.QUEUED  # its process may just be about to begin
    world.clock.ns += 31_000_000_000
    recover_restores(world.instance)
    assert get_job(world.instance, job.id).state is JobState.CANCELLED
    assert run_restore(world.instance, job.id).state is JobState.CANCELLED
    assert (world.root / "a.txt").read_text() == "mine"
    waiting = request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    recover_restores(world.instance)
    assert get_job(world.instance, waiting.id).state is JobState.QUEUED  # that one is for the queue
