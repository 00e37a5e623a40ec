"""A state machine against a plain dict of trees: whatever is done in whatever order, every backup is what it was."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from kit.trees import Tree, tree_of
from kit.world import FakeClock

from holdfast.catalog.records import SYSTEM, State
from holdfast.service.access.download import Download
from holdfast.service.instance.home import Instance, create_instance, open_instance
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.integrity.verify import check_account
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import delete_backup, find_backup, list_backups
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.retention.prune import prune_account
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup

NAMES = st.sampled_from(["a", "b", "sub/c", "sub/d", "sub/deep/e"])
CONTENTS = st.integers(0, 5).map(lambda n: bytes([n]) * (n * 30_000) + b"end")
HOUR_NS = 3_600_000_000_000


class Holdfast(RuleBasedStateMachine):
    """One application, its backups, and what a customer and an operator do with them."""

    backups = Bundle("backups")
    downloads = Bundle("downloads")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-machine-"))
        self.root = self.folder / "app"
        self.root.mkdir()
        self.clock = FakeClock()
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("HOLDFAST_WORKERS", "0")
        self.instance: Instance = create_instance(self.folder / "home", clock=self.clock)
        self.account = add_account(self.instance, "ana@example.com", "Silver", SYSTEM).account
        self.app = add_app(self.instance, self.account.id, "bot", self.root, SYSTEM)
        self.model: dict[str, Tree] = {}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.instance.close()
            self.patch.undo()
            shutil.rmtree(self.folder)

    @rule(name=NAMES, content=CONTENTS)
    def write(self, name: str, content: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    @rule(target=backups)
    def take(self) -> str:
        self.clock.ns += HOUR_NS
        asked, _ = request_backup(self.instance, self.app.id, SYSTEM)
        done = run_backup(self.instance, asked.id)
        assert done.state is State.SUCCESSFUL, done.error_message
        self.model[done.id] = tree_of(self.root)
        return done.id

    @rule(backup=consumes(backups))
    def delete(self, backup: str) -> None:
        delete_backup(self.instance, find_backup(self.instance, self.app.id, backup), SYSTEM)
        del self.model[backup]

    @rule(grace_ns=st.sampled_from([0, 24 * HOUR_NS]))
    def prune(self, grace_ns: int) -> None:
        self.clock.ns += HOUR_NS
        prune_account(self.instance, self.account, SYSTEM, grace_ns=grace_ns)

    @rule()
    def check(self) -> None:
        assert check_account(self.instance, self.account, SYSTEM, share=1.0).is_clean

    @rule()
    def lose_the_catalog(self) -> None:
        self.instance.close()
        for path in (self.folder / "home").glob("catalog.sqlite*"):
            path.unlink()
        self.instance = open_instance(self.folder / "home", clock=self.clock, new_catalog=True)
        assert [done.problems for done in rebuild(self.instance, SYSTEM)] == [[]]

    @rule(backup=backups)
    def restore_and_undo(self, backup: str) -> None:
        before = tree_of(self.root)
        self._restore(backup, Wanted())
        assert tree_of(self.root) == self.model[backup]
        safety = [b for b in list_backups(self.instance, self.app.id) if b.origin == "safety"]
        if safety and before != self.model[backup]:
            self._restore(safety[-1].id, Wanted(safety_backup=False))
            assert tree_of(self.root) == before
        for one in safety:
            delete_backup(self.instance, one, SYSTEM)

    def _restore(self, backup: str, wanted: Wanted) -> None:
        self.clock.ns += HOUR_NS
        found = find_backup(self.instance, self.app.id, backup)
        job = request_restore(self.instance, found, self.app, wanted, SYSTEM)
        done = run_restore(self.instance, job.id)
        assert done.state == "successful", done.error_message

    @rule(target=downloads, backup=backups)
    def begin_a_download(self, backup: str) -> tuple[Download, Iterator[memoryview], list[bytes]]:
        ready = Download(self.instance, find_backup(self.instance, self.app.id, backup), "zip")
        stream = ready.stream(0, ready.length)
        return ready, stream, [bytes(next(stream))]

    @rule(download=consumes(downloads))
    def end_a_download(self, download: tuple[Download, Iterator[memoryview], list[bytes]]) -> None:
        ready, stream, got = download
        if ready.backup.id in self.model and ready.instance is self.instance:
            data = b"".join([*got, *(bytes(piece) for piece in stream)])
            assert len(data) == ready.length
            again = Download(self.instance, find_backup(self.instance, self.app.id, ready.backup.id), "zip")
            assert data == b"".join(bytes(piece) for piece in again.stream(0, again.length))

    @invariant()
    def every_backup_is_listed(self) -> None:
        if hasattr(self, "model"):
            assert {b.id for b in list_backups(self.instance, self.app.id)} == set(self.model)

    @rule(backup=backups)
    def compare_a_backup(self, backup: str) -> None:
        target = self.folder / "out"
        self._restore(backup, Wanted(to=str(target), mode="overlay"))
        assert tree_of(target) == self.model[backup]
        shutil.rmtree(target)


Holdfast.TestCase.settings = settings(
    max_examples=8, stateful_step_count=18, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHoldfast = Holdfast.TestCase
