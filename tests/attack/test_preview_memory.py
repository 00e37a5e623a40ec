"""A tenant's folder is looked through in a process with limits, never in the one that serves the web."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.hostile import MIB, deep_tree, remove_deep
from kit.site import Site, start_site
from kit.sized import sized
from kit.world import World

from holdfast.service.instance.locks import held
from holdfast.service.preview import apart
from holdfast.service.preview.apart import ignored_apart
from holdfast.service.restore.plan import Wanted, preview_restore
from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.port import SourceError
from holdfast.vault.control import NEVER, Control
from holdfast.vault.source import Scan

AT_ONCE = sized(8, short=5)
FILES = sized(4000, short=2500)
"""Paths of 130 MB (80 MB)."""
GROWTH_MAX = 64 * MIB


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from start_site(tmp_path)


def resident_bytes() -> int:
    """Memory of this process, in which the web server runs as threads."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Watch:
    """The largest memory of this process, and the most processes of previews at once, while something runs."""

    def __enter__(self) -> Watch:
        self.start = self.peak = resident_bytes()
        self.at_once = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.peak = max(self.peak, resident_bytes())
            lists = (path.read_text().split() for path in Path("/proc/self/task").glob("*/children"))
            found = [c for children in lists for c in children if b"preview.process" in _command_of(c)]
            self.at_once = max(self.at_once, len(found))


def _command_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_many_previews_of_a_hostile_folder_leave_the_web_process_small(site: Site) -> None:
    deep_tree(site.folder, 126, FILES)
    backup = site.take()

    def ask(number: int) -> Any:
        with site.client(site.silver.api_key) as client:
            if number % 2:
                restore = f"/v3/apps/{site.app.id}/backups/{backup.id}/restore"
                return client.post(restore, json={"dry_run": True}, timeout=60)
            return client.get(f"/v3/apps/{site.app.id}/schedule", timeout=60)

    ask(0), ask(1)
    with Watch() as watch, ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(ask, range(AT_ONCE)))
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert {answer.status_code for answer in answers[::2]} == {200}, "a schedule is shown, with or without `ignored`"
    shown = [answer.json()["response"]["ignored"] for answer in answers[::2]]
    assert any(ignored and ignored["total_files"] == FILES + 2 for ignored in shown)
    assert any(answer.status_code == 200 for answer in answers[1::2])
    assert watch.peak - watch.start < GROWTH_MAX
    assert watch.at_once == 1, "one of an account"
    remove_deep(site.folder)
    site.folder.mkdir()


def test_a_folder_that_takes_more_memory_than_a_preview_may_gets_a_sentence(site: Site) -> None:
    config = site.instance.config
    site.instance.config = msgspec.structs.replace(config, preview_memory_max=256 * MIB)
    folder = os.open(site.folder, os.O_RDONLY)
    for number in range(20_000):
        os.symlink("x" * 4000, f"{number}", dir_fd=folder)
    os.close(folder)
    with site.client(site.silver.api_key) as client:
        too_large = client.get(f"/v3/apps/{site.app.id}/schedule").json()["response"]["ignored_error"]
        site.instance.config = msgspec.structs.replace(config, tree_name_bytes_max=64 * 1024)
        refused = client.get(f"/v3/apps/{site.app.id}/schedule").json()["response"]["ignored_error"]
        site.instance.config = config  # last, as what was found is kept for a minute
        fine = client.get(f"/v3/apps/{site.app.id}/schedule").json()["response"]["ignored"]
    assert fine["total_files"] == 2
    assert (too_large["code"], refused["code"]) == ("APP_NOT_READABLE", "APP_NOT_READABLE")
    assert "ignore patterns" in too_large["message"]
    assert "more than 65,536 bytes" in refused["message"]


def test_a_preview_waits_for_its_place_and_says_when_there_is_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "WAIT_SECONDS", 0.2)
    with held(site.instance, "preview-0"), held(site.instance, "preview-1"), site.client(site.silver.api_key) as client:
        began = time.monotonic()
        answer = client.get(f"/v3/apps/{site.app.id}/schedule").json()["response"]
        assert answer["ignored_error"]["code"] == "KEEP_CALM"
        dry_run = {"dry_run": True}
        refused = client.post(f"/v3/apps/{site.app.id}/backups/{site.take().id}/restore", json=dry_run)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert time.monotonic() - began < 10
    assert ignored_apart(site.instance, site.app).total_files == 2


def test_a_dry_run_says_when_the_folder_is_swapped_for_a_link_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = world.take()
    whole_walk = DirectorySource.scan

    def swapped_behind(source: DirectorySource, control: Control = NEVER) -> Scan:
        scan = whole_walk(source, control)
        world.root.rename(world.root.with_name("moved"))
        world.root.symlink_to("moved")
        return scan

    monkeypatch.setattr(DirectorySource, "scan", swapped_behind)
    with pytest.raises(SourceError, match="there is a link in its path now"):
        preview_restore(world.instance, backup, world.app, Wanted())
