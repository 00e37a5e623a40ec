"""The local disk: durable order, full disks, what dead processes leave."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.stores.local import LocalStore
from holdfast.stores.port import StoreError, StoreFull, StoreUnreachable


def test_the_order_of_a_commit_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    steps: list[str] = []
    for name in ("fsync", "rename"):
        real = getattr(os, name)

        def step(*args: object, name: str = name, real: object = real) -> object:
            what = "folder" if name == "fsync" and os.path.isdir(f"/proc/self/fd/{args[0]}") else name
            steps.append(what)
            return real(*args)  # type: ignore[operator]

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


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnreachable, match="check it and its rights"):
        LocalStore(tmp_path / "file" / "store")
