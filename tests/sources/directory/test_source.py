"""The walk: the whole tree, in manifest order, and nothing but it."""

from __future__ import annotations

import os
import pickle
import socket
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.port import SourceError, SourceMissing
from holdfast.sources.reader import DirectoryReader, SourceFileRefused
from holdfast.vault.manifest.columns import split
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.source import Scan


def paths(scan: Scan) -> list[bytes]:
    return list(scan.paths)


def reference(root: bytes, prefix: bytes = b"") -> list[tuple[bytes, os.stat_result]]:
    """The same walk in plain Python."""
    out = []
    for name in sorted(os.listdir(os.path.join(root, prefix) if prefix else root)):
        path = prefix + b"/" + name if prefix else name
        found = os.lstat(os.path.join(root, path))
        out.append((path, found))
        if stat.S_ISDIR(found.st_mode):
            out += reference(root, path)
    return out


def check(root: Path) -> Scan:
    scan = DirectorySource(root).scan()
    expected = reference(os.fsencode(root))
    assert paths(scan) == [path for path, _ in expected]
    fields = {
        "mtime_ns": "st_mtime_ns",
        "ctime_ns": "st_ctime_ns",
        "inode": "st_ino",
        "device": "st_dev",
        "uid": "st_uid",
        "gid": "st_gid",
        "nlink": "st_nlink",
    }
    for column, field in fields.items():
        assert getattr(scan, column).tolist() == [getattr(s, field) for _, s in expected], column
    assert scan.mode.tolist() == [s.st_mode & 0o7777 for _, s in expected]
    assert scan.size.tolist() == [0 if stat.S_ISDIR(s.st_mode) else s.st_size for _, s in expected]
    return scan


names = st.binary(min_size=1, max_size=6).filter(lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b".."))
trees = st.recursive(
    st.sampled_from(["file", "link"]), lambda inner: st.dictionaries(names, inner, max_size=5), max_leaves=20
)


def build(folder: bytes, tree: object) -> None:
    for name, inner in tree.items() if isinstance(tree, dict) else ():
        path = os.path.join(folder, name)
        if inner == "file":
            Path(os.fsdecode(path)).write_bytes(name)
        elif inner == "link":
            os.symlink(b"to " + name, path)
        else:
            os.mkdir(path)
            build(path, inner)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names, trees, max_size=6))
def test_any_tree_is_walked_as_a_plain_walk_would(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    root = tmp_path_factory.mktemp("tree")
    build(os.fsencode(root), tree)
    check(root)


def test_order_is_by_component(tmp_path: Path) -> None:
    for name in ("a/z", "a.txt", "a-b", "b"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert paths(check(tmp_path)) == [b"a", b"a/z", b"a-b", b"a.txt", b"b"]


def test_links_are_kept_as_links(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "out").symlink_to("/etc")
    scan = check(tmp_path)
    assert scan.kind.tolist() == [Kind.SYMLINK, Kind.SYMLINK]
    assert split(scan.target_bytes, scan.target_length) == [b".", b"/etc"]


def test_special_files_are_named_and_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "sock"))
    scan = DirectorySource(tmp_path).scan()
    listener.close()
    assert len(scan.kind) == 0
    assert [(n.path, n.code) for n in scan.notices] == [(b"pipe", "SPECIAL_FILE"), (b"sock", "SPECIAL_FILE")]
    assert "FIFO" in scan.notices[0].message
    assert "socket" in scan.notices[1].message


def test_excluded_paths_are_left_out_with_all_below(tmp_path: Path) -> None:
    for name in ("keep/a", "run/home/x", "run2"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert paths(DirectorySource(tmp_path, (b"run",)).scan()) == [b"keep", b"keep/a", b"run2"]
    assert paths(DirectorySource(tmp_path, (b"run/home",)).scan()) == [b"keep", b"keep/a", b"run", b"run2"]


def test_a_very_deep_tree_is_cut_with_a_notice(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    scan = DirectorySource(tmp_path).scan()
    assert [n.code for n in scan.notices] == ["TOO_DEEP"]
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_a_deep_tree_is_walked_on_a_thread_with_a_small_stack(tmp_path: Path) -> None:
    code = """
import os, sys, threading
from pathlib import Path
from holdfast.sources.directory.source import DirectorySource
threading.stack_size(1024 * 1024)
root = Path(sys.argv[1])
fd = os.open(root, os.O_RDONLY)
for _ in range(500):
    os.mkdir("d", dir_fd=fd)
    fd, above = os.open("d", os.O_RDONLY, dir_fd=fd), fd
    os.close(above)
thread = threading.Thread(target=lambda: print(len(DirectorySource(root).scan().kind)))
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "500\n"
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_a_link_that_came_into_the_path_of_the_root_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret" / "app").mkdir(parents=True)
    (tmp_path / "secret" / "app" / "file").write_bytes(b"secret")
    (tmp_path / "above" / "app").mkdir(parents=True)
    source = DirectorySource(tmp_path / "above" / "app")
    assert len(source.scan().kind) == 0
    (tmp_path / "above" / "app").rmdir()
    (tmp_path / "above" / "app").symlink_to(tmp_path / "secret" / "app")
    refused(source)
    (tmp_path / "above").rename(tmp_path / "moved")
    (tmp_path / "above").symlink_to(tmp_path / "secret")
    refused(source)


def refused(source: DirectorySource) -> None:
    with pytest.raises(SourceError, match="now contains a link"):
        source.scan()
    with pytest.raises(SourceFileRefused):
        source.reader()


def test_ten_thousand_files_in_one_folder(tmp_path: Path) -> None:
    for i in range(10_000):
        (tmp_path / f"{i}").touch()
    scan = check(tmp_path)
    assert len(scan.kind) == 10_000


def test_sparse_files_show_their_whole_size(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10_000_000)
    scan = DirectorySource(tmp_path).scan()
    assert scan.size.tolist() == [10_000_000]
    assert scan.size.dtype == np.uint64


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("nowhere", "file"):
        with pytest.raises(SourceMissing, match="put it back"):
            DirectorySource(tmp_path / name).scan()


@pytest.mark.parametrize("by_component", [False, True])
class TestReader:
    """Both ways of opening."""

    def test_opens_regular_files(self, tmp_path: Path, by_component: bool) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "b" / "c").write_bytes(b"content")
        (tmp_path / "a" / "d").write_bytes(b"other")
        reader = DirectoryReader(tmp_path, by_component=by_component)
        for path, content in ((b"a/b/c", b"content"), (b"a/d", b"other"), (b"a/b/c", b"content")):
            fd = reader.open(path)
            assert os.read(fd, 100) == content
            os.close(fd)
        reader.close()

    def test_refuses_everything_else(self, tmp_path: Path, by_component: bool) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "secret").write_bytes(b"secret")
        root = tmp_path / "root"
        root.mkdir()
        (root / "folder").symlink_to(tmp_path / "out")
        (root / "file").symlink_to(tmp_path / "out" / "secret")
        (root / "sub").mkdir()
        os.mkfifo(root / "pipe")
        reader = DirectoryReader(root, by_component=by_component)
        for path in (b"folder/secret", b"file", b"pipe", b"sub"):
            with pytest.raises(OSError, match=r"link|regular|Not a directory") as caught:
                reader.open(path)
            assert isinstance(caught.value, SourceFileRefused | NotADirectoryError)
        with pytest.raises(FileNotFoundError):
            reader.open(b"none")
        reader.close()

    def test_a_path_longer_than_the_kernel_takes_at_once(self, tmp_path: Path, by_component: bool) -> None:
        fd = os.open(tmp_path, os.O_RDONLY)
        for _ in range(30):
            os.mkdir("d" * 200, dir_fd=fd)
            fd, above = os.open("d" * 200, os.O_RDONLY, dir_fd=fd), fd
            os.close(above)
        inner = os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
        os.write(inner, b"deep")
        os.close(inner)
        os.close(fd)
        reader = DirectoryReader(tmp_path, by_component=by_component)
        found = reader.open(paths(DirectorySource(tmp_path).scan())[-1])
        assert os.read(found, 10) == b"deep"
        os.close(found)
        reader.close()

    def test_no_way_up_is_taken(self, tmp_path: Path, by_component: bool) -> None:
        (tmp_path / "root" / "sub").mkdir(parents=True)
        (tmp_path / "secret").write_bytes(b"secret")
        reader = DirectoryReader(tmp_path / "root", by_component=by_component)
        for path in (b"../secret", b"sub/../../secret", b"/etc/passwd"):
            with pytest.raises(OSError, match="path"):
                reader.open(path)
        reader.close()

    def test_extended_attributes(self, tmp_path: Path, by_component: bool) -> None:
        path = tmp_path / "f"
        path.write_bytes(b"")
        try:
            os.setxattr(path, "user.b", b"2")
            os.setxattr(path, "user.a", b"1")
        except OSError:
            pytest.skip("no extended attributes here")
        reader = DirectoryReader(tmp_path, by_component=by_component)
        fd = reader.open(b"f")
        assert reader.xattrs(fd) == ((b"user.a", b"1"), (b"user.b", b"2"))
        os.close(fd)
        assert reader.folder_xattrs(b"none") == ()
        reader.close()


def test_a_source_goes_to_another_process(tmp_path: Path) -> None:
    source = DirectorySource(tmp_path, (b"x",))
    assert pickle.loads(pickle.dumps(source)) == source


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become nobody")
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from holdfast.sources.directory.source import DirectorySource
import holdfast.sources.directory.walk
os.setgroups([]); os.setgid(65534); os.setuid(65534)
source = DirectorySource(Path(sys.argv[1]))
scan = source.scan()
print([(n.path, n.code) for n in scan.notices], b"".join(scan.paths))
try:
    source.reader().open(b"file")
except PermissionError:
    print("denied")
"""
    root = Path("/tmp") / f"holdfast-unreadable-{os.getpid()}"
    root.mkdir(mode=0o755)
    try:
        (root / "file").write_text("x")
        (root / "file").chmod(0o600)
        (root / "folder").mkdir(mode=0o700)
        run = subprocess.run([sys.executable, "-c", program, root], capture_output=True, text=True, check=False)
        if "Permission denied" in run.stderr:
            pytest.skip("the interpreter itself is out of nobody's reach")
        assert run.stdout.splitlines() == ["[(b'folder', 'UNREADABLE_FOLDER')] b'filefolder'", "denied"], run.stderr
    finally:
        subprocess.run(["rm", "-rf", root], check=True)
