"""A tree that another process changes all the while: its backup ends, in time, and holds nothing from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from kit.command import Run
from kit.hostile import MIB, deep_tree, measured, remove_deep
from kit.sized import sized
from kit.world import World

from holdfast.sources.directory.source import DirectorySource
from holdfast.vault.control import NEVER, Control
from holdfast.vault.source import Scan

pytestmark = pytest.mark.timeout(200)

SECRET = b"THE SECRET OF THE OPERATOR"
CPU_SECONDS_MAX = 40.0
PEAK_MAX = 320 * MIB
FILES = 120
GROWN_BYTES = 16 * MIB
BALLOON_BYTES = 1 << 40

_RACER = """
import ctypes, itertools, os, sys
app, aside = sys.argv[1:]
libc = ctypes.CDLL(None)

def exchange(one, other):
    libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)

pairs = [(f"{app}/swapped/{name}", f"{aside}/{name}") for name in sorted(os.listdir(aside))]
grows = os.open(f"{app}/grows", os.O_WRONLY | os.O_APPEND)
balloon = os.open(f"{app}/balloon", os.O_WRONLY)
deep = next(f"{app}/deep/{name}" for name in os.listdir(f"{app}/deep"))
os.write(1, b"races\\n")
grown = 0
for turn in itertools.count():
    for one, other in pairs:
        exchange(one, other)
    grown += os.write(grows, bytes(1 << 16))
    if grown >= 16 << 20:
        os.truncate(f"{app}/grows", grown := 0)
    os.truncate(balloon, (1 << 40) if turn % 2 else 4096)
    exchange(deep, f"{app}/deep/other")
    os.rename(f"{app}/moves-{turn % 2}", f"{app}/moves-{(turn + 1) % 2}")
    try:
        os.unlink(f"{app}/linked")
    except FileNotFoundError:
        pass
    os.link(f"{app}/moves-{(turn + 1) % 2}/file", f"{app}/linked")
"""


@contextmanager
def racing(app: Path, aside: Path) -> Iterator[None]:
    """Change the tree from a process of its own, without a pause."""
    racer = subprocess.Popen([sys.executable, "-S", "-c", _RACER, str(app), str(aside)], stdout=subprocess.PIPE)
    assert racer.stdout is not None
    assert racer.stdout.readline() == b"races\n"
    try:
        yield
        assert racer.poll() is None, "it raced to the end"
    finally:
        racer.kill()
        racer.communicate()


@pytest.fixture
def aside(tmp_path: Path, bot: tuple[str, str]) -> Iterator[Path]:
    """Fill the application's folder; return the folder of what its files are swapped for."""
    app, outside, made = tmp_path / "app", tmp_path / "outside", tmp_path / "aside"
    for folder in (outside, made, app / "swapped", app / "moves-0", app / "deep" / "other"):
        folder.mkdir(parents=True)
    (outside / "shadow").write_bytes(SECRET)
    (app / "moves-0" / "file").write_bytes(b"moves" * 5000)
    (app / "grows").write_bytes(b"")
    (app / "balloon").write_bytes(b"b" * 4096)
    deep_tree(app / "deep" / "d", 60, 20)
    for number in range(FILES):
        name = f"{number:03}"
        (app / "swapped" / name).write_bytes(b"harmless" * 1000)
        match number % 4:
            case 0:
                os.mkfifo(made / name)
            case 1:
                (made / name).symlink_to(outside / "shadow")
            case 2:
                (made / name).symlink_to(outside)
            case 3:
                os.mknod(made / name, 0o140644)  # a socket that nobody listens on
    yield made
    remove_deep(app)


def test_a_backup_of_a_racing_tree_ends_and_holds_nothing_from_outside(tmp_path: Path, run: Run, aside: Path) -> None:
    with racing(tmp_path / "app", aside):
        done = [measured(["backup", "create", "bot", "--json"], tmp_path) for _ in range(sized(2, short=1))]
    for one in done:
        assert one.code == 0, one.output
        assert one.cpu_seconds < CPU_SECONDS_MAX
        assert one.peak_bytes < PEAK_MAX
    for made in json.loads(run("backup", "list", "bot", "--json").stdout):
        run("backup", "download", "bot", made["name"], "-o", "made.zip", "--force", "--format", "zip")
        with zipfile.ZipFile(tmp_path / "made.zip") as archive:
            assert sum(member.file_size for member in archive.infolist()) < 2 * BALLOON_BYTES
            for member in archive.infolist():
                assert "shadow" not in member.filename
                if member.file_size < GROWN_BYTES * 2:
                    assert SECRET not in archive.read(member)
    assert json.loads(run("check", "--json").stdout)


def test_a_file_that_grows_behind_the_walk_stays_within_the_bounds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk counts what it sees; what is read later may be as large as the file system allows."""
    balloon = world.root / "balloon"
    balloon.write_bytes(b"b" * 4096)
    world.instance.config = msgspec.structs.replace(world.instance.config, tree_file_bytes_max=MIB)
    whole_walk = DirectorySource.scan_with_spared

    def grown_behind(source: DirectorySource, control: Control = NEVER) -> Scan:
        scan = whole_walk(source, control)
        os.truncate(balloon, 1 << 43)
        return scan

    monkeypatch.setattr(DirectorySource, "scan_with_spared", grown_behind)
    done = world.take()
    assert done.state == "successful", done.error_message
    assert done.content_bytes < 2 * MIB, done
    assert "it has grown to 8,796,093,022,208 bytes, and 1,048,576 are the most" in done.warnings[0].message


@pytest.mark.parametrize("workers", [0, 2])
def test_files_that_grow_within_their_own_bound_stay_within_that_of_the_tree(
    world: World, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Each of them may become so large, all of them may not: what is read counts, and what is taken over as well."""
    config = msgspec.structs.replace(world.instance.config, workers=workers, tree_file_bytes_max=1 << 43)
    world.instance.config = msgspec.structs.replace(config, tree_bytes_max=3 << 42)
    monkeypatch.setattr("holdfast.vault.vault.INLINE_POOL_FILES_MAX", 0 if workers else 400)
    kept = world.root / "kept"
    os.truncate(os.open(kept, os.O_WRONLY | os.O_CREAT), 1 << 42)
    for number in range(4):
        (world.root / f"grows-{number}").write_bytes(b"small")
    assert world.take().state == "successful"
    whole_walk, grow = DirectorySource.scan_with_spared, [0, 1, 2, 3]

    def grown_behind(source: DirectorySource, control: Control = NEVER) -> Scan:
        for number in grow:
            (world.root / f"grows-{number}").write_bytes(b"newer")
        scan = whole_walk(source, control)
        for number in grow:
            os.truncate(world.root / f"grows-{number}", 1 << 42)
        return scan

    monkeypatch.setattr(DirectorySource, "scan_with_spared", grown_behind)
    failed = world.take()
    assert (failed.state, failed.error_code) == ("failed", "SOURCE_TOO_LARGE"), failed.content_bytes
    assert "grew to more than 13,194,139,533,312 bytes" in (failed.error_message or "")
    assert "ignore patterns" in (failed.error_message or "")
    grow[:] = [0]
    for number in range(1, 4):
        (world.root / f"grows-{number}").write_bytes(b"small again")
    done = world.take()
    assert done.state == "successful", done.error_message
    assert done.content_bytes > 2 << 42
