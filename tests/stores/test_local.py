"""The local disk: durable order, full disks, what dead processes leave."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.stores.local import LocalStore, make_root
from holdfast.stores.port import StoreError, StoreFull, StoreUnreachable


def test_the_order_of_a_commit_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    steps: list[str] = []
    for name in ("fsync", "rename"):
        real = getattr(os, name)

        def step(*args: object, name: str = name, real: Callable[..., object] = real) -> object:
            what = "folder" if name == "fsync" and os.path.isdir(f"/proc/self/fd/{args[0]}") else name
            steps.append(what)
            return real(*args)

        monkeypatch.setattr(os, name, step)
    writer = store.writer()
    writer.write(b"x")
    writer.commit("packs/ab/abc")
    # The content, then the new folders, then the name, then the folder that holds the name.
    assert steps == ["fsync", "folder", "folder", "rename", "folder"]


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    store = LocalStore(tmp_path)
    store.put("before", b"x")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StoreFull, match="full; free some space"):
        store.put("after", b"y")
    monkeypatch.undo()
    assert [name for name, _ in store.list("")] == ["before"]
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_failed_fsync_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    calls = []

    def broken(fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    writer = store.writer()
    writer.write(b"x")
    with pytest.raises(StoreError, match="check the disk"):
        writer.commit("o")
    assert len(calls) == 1
    assert list(store.list("")) == []


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_a_real_full_disk(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("no tmpfs here")
    try:
        store = LocalStore(tmp_path)
        store.put("small", b"x")
        writer = store.writer()
        with pytest.raises(StoreFull):
            writer.write(bytes(4_000_000))
        writer.abort()
        store.put("small-too", b"y")
        assert [name for name, _ in store.list("")] == ["small", "small-too"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_only_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    living = store.writer()
    living.write(b"still here")
    dead = (
        "import os, sys; from pathlib import Path; from holdfast.stores.local import LocalStore; "
        "w = LocalStore(Path(sys.argv[1])).writer(); w.write(b'x'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", dead, tmp_path], check=False)
    assert len(list((tmp_path / "unfinished").iterdir())) == 2
    assert store.sweep_unfinished() == 1
    living.commit("o")
    assert store.get("o") == b"still here"


def test_a_sweep_between_making_and_locking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    real = fcntl.flock
    swept = []

    def late(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        swept.append(store.sweep_unfinished())
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    store.put("o", b"x")
    assert swept == [1]  # the new file was taken, and the writer made another one
    assert store.get("o") == b"x"


def test_a_sweep_that_holds_the_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    real = fcntl.flock
    held = []

    def late(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        held.append(os.open(next((tmp_path / "unfinished").iterdir()), os.O_RDONLY))
        real(held[0], fcntl.LOCK_EX)
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    store.put("o", b"x")
    os.close(held[0])
    assert store.get("o") == b"x"
    assert store.sweep_unfinished() == 1


def test_what_a_failed_write_left_is_never_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    writer = store.writer()
    writer.write(b"first")
    real = os.write

    def torn(fd: int, data: memoryview) -> int:
        real(fd, data[:2])
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "write", torn)
    with pytest.raises(StoreError):
        writer.write(b"second")
    monkeypatch.undo()
    with pytest.raises(StoreError, match="again with a new writer"):
        writer.commit("o")
    assert list(store.list("")) == []
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_store_that_is_gone_is_not_empty(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    make_root(root)
    store = LocalStore(root)
    store.put("o", b"x")
    root.rename(tmp_path / "unmounted")
    attempts: list[Callable[[], object]] = [
        lambda: store.get("o"),
        lambda: store.size("o"),
        lambda: list(store.list("")),
        lambda: store.delete("o"),
        lambda: store.put("p", b"y"),
        store.sweep_unfinished,
    ]
    for attempt in attempts:
        with pytest.raises(StoreUnreachable):
            attempt()
    assert not root.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become nobody")
def test_a_folder_that_cannot_be_read_gives_no_short_list() -> None:
    program = (
        "import os, sys; from pathlib import Path; from holdfast.stores.local import LocalStore\n"
        "os.setgid(65534); os.setuid(65534); s = LocalStore(Path(sys.argv[1])); s.put('a/1', b''); s.put('b/2', b'')\n"
        "os.chmod(sys.argv[1] + '/a', 0)\n"
        "try: print(list(s.list('')))\n"
        "except Exception as e: print(type(e).__name__)"
    )
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o777)
        run = subprocess.run([sys.executable, "-c", program, top], capture_output=True, text=True, check=False)
    if "holdfast" in run.stderr and "Error" in run.stderr.splitlines()[-1]:
        pytest.skip("the interpreter itself is out of nobody's reach")
    assert run.stdout == "StoreUnreachable\n", run.stderr


def test_strangers_in_the_folder_are_no_objects(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("o", b"x")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "lost+found" / "#12").write_text("")
    (tmp_path / ".hidden").write_text("")
    assert list(store.list("")) == [("o", 1)]
    with pytest.raises(ValueError, match="unfinished objects"):
        store.put("unfinished/o", b"x")


def test_folders_of_other_processes_are_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LocalStore(tmp_path).put("packs/ab/one", b"x")
    synced: list[str] = []
    real = os.fsync

    def noted(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", noted)
    store = LocalStore(tmp_path)
    store.put("packs/ab/two", b"x")
    # The folders are there, but whoever made them may not have come to syncing them.
    assert synced[1:] == [str(tmp_path), str(tmp_path / "packs"), str(tmp_path / "packs" / "ab")]
    synced.clear()
    store.put("packs/ab/three", b"x")
    assert synced[1:] == [str(tmp_path / "packs" / "ab")]
    synced.clear()
    make_root(tmp_path / "new" / "store")
    assert synced == [str(tmp_path), str(tmp_path / "new")]


def test_a_file_too_large_for_the_limit_is_a_full_disk(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path; from holdfast.stores.local import LocalStore\n"
        "s = LocalStore(Path(sys.argv[1])); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: s.put('o', bytes(8192))\n"
        "except Exception as e: print(type(e).__name__, list(s.list('')))"
    )
    run = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert run.stdout == "StoreFull []\n"
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnreachable, match="check it and its permissions"):
        make_root(tmp_path / "file" / "store")
