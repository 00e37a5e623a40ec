"""Archives as a source: what a backup of them has, whatever they were packed with."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.archives import member, tar_of, zip_member, zip_of
from kit.trees import contents_of
from kit.vault_bench import Bench, bench, write

from holdfast.sources.archive.errors import Limits
from holdfast.sources.archive.source import ArchiveSource, check_archive, unpack
from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.manifest.columns import split
from holdfast.vault.manifest.entry import Entry, Kind
from holdfast.vault.vault import TakeResult

__all__ = ["bench", "write"]

LIMITS = Limits(content_bytes_max=1 << 30)
OWNER = (1234, 5678)


@dataclass(frozen=True)
class Row:
    """One entry of a scan."""

    kind: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    target: bytes


def unpacked(folder: Path, data: bytes) -> ArchiveSource:
    (folder / "archive").write_bytes(data)
    check_archive(folder / "archive", LIMITS)
    return unpack(folder / "archive", folder / "contents", LIMITS, owner=OWNER)


def rows(source: ArchiveSource) -> dict[bytes, Row]:
    scan = source.scan()
    paths, targets = list(scan.paths), split(scan.target_bytes, scan.target_length)
    assert paths == sorted(paths, key=lambda path: path.split(b"/"))
    columns = (scan.kind, scan.mode, scan.uid, scan.gid, scan.mtime_ns, scan.size)
    return dict(zip(paths, map(Row, *(c.tolist() for c in columns), targets), strict=True))


def content(source: ArchiveSource, path: bytes) -> bytes:
    reader = source.reader()
    with os.fdopen(reader.open(path), "rb") as file:
        return file.read()


# -- as one is made by others --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["tar", "-cf", "{out}", "-C", "{root}", "."],
        ["tar", "--format=gnu", "-czf", "{out}", "-C", "{root}", "."],
        ["tar", "--format=pax", "-cjf", "{out}", "-C", "{root}", "."],
        ["tar", "--format=ustar", "-cJf", "{out}", "-C", "{root}", "."],
        ["tar", "--format=v7", "-I", "zstd", "-cf", "{out}", "-C", "{root}", "."],
        ["bsdtar", "-czf", "{out}", "-C", "{root}", "."],
        ["bsdtar", "--format=zip", "-cf", "{out}", "-C", "{root}", "."],
        ["zip", "-qry", "{out}.zip", "."],
        ["7z", "a", "-tzip", "-snl", "-bso0", "-bsp0", "{out}.zip", "."],
        ["7z", "a", "-tzip", "-snl", "-mm=BZip2", "-bso0", "-bsp0", "{out}.zip", "."],
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_what_others_pack(command: list[str], bench: Bench, write: Callable[..., Path], tmp_path: Path) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not on this machine")
    write("a.txt", b"hello\n")
    write("sub/deep/b", os.urandom(100_000))
    write("sub/größe", b"")
    write("sub/" + "long-" * 10, b"x")
    (bench.root / "empty").mkdir()
    (bench.root / "sub" / "link").symlink_to("../a.txt")
    os.utime(bench.root / "a.txt", ns=(0, 1_700_000_000_000_000_000))
    (bench.root / "a.txt").chmod(0o640)
    out = tmp_path / "out"
    subprocess.run([part.format(out=out, root=bench.root) for part in command], cwd=bench.root, check=True)
    source = unpacked(tmp_path, next(tmp_path.glob("out*")).read_bytes())
    got = rows(source)
    expected = contents_of(bench.root)
    assert set(got) == set(expected)
    for path, data in expected.items():
        found = os.lstat(os.path.join(os.fsencode(bench.root), path))
        if data is None:
            assert got[path].kind == Kind.FOLDER
        elif stat.S_ISLNK(found.st_mode):
            assert (got[path].kind, got[path].target) == (Kind.SYMLINK, data)
        else:
            assert content(source, path) == data
            assert got[path].mode == stat.S_IMODE(found.st_mode)
    assert got[b"a.txt"].mtime_ns == 1_700_000_000_000_000_000
    assert source.files == 4


def test_several_streams_one_after_the_other(tmp_path: Path) -> None:
    data = tar_of(member("a", b"hello"))
    got = unpacked(tmp_path, gzip.compress(data[:700]) + bytes(100) + gzip.compress(data[700:]) + bytes(512))
    assert content(got, b"a") == b"hello"


def test_a_zip_behind_a_program_and_with_a_comment(tmp_path: Path) -> None:
    out = io.BytesIO(zip_of(zip_member("a", b"hello")))
    with zipfile.ZipFile(out, "a") as file:
        file.comment = b"PK\5\6 is no end" * 10
    assert content(unpacked(tmp_path, out.getvalue()), b"a") == b"hello"


def test_a_zip64(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file, file.open("big", "w", force_zip64=True) as into:
        into.write(b"hello" * 1000)
    assert content(unpacked(tmp_path, out.getvalue()), b"big") == b"hello" * 1000


def test_a_zip_with_more_members_than_16_bits_count(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for n in range(66_000):
            file.writestr(zipfile.ZipInfo(f"{n % 100}/{n}"), b"")
    assert unpacked(tmp_path, out.getvalue()).files == 66_000


def test_names_from_windows(tmp_path: Path) -> None:
    info, data = zip_member("sub/grün\\x", b"hello")
    info.create_system, info.external_attr = 0, 0
    raw = zip_of((info, data))
    got = rows(unpacked(tmp_path, raw))
    assert list(got) == [b"sub", "sub/grün".encode(), "sub/grün/x".encode()]
    assert (got[b"sub"].mode, got["sub/grün/x".encode()].mode) == (0o755, 0o644)


def test_names_without_the_utf8_flag(tmp_path: Path) -> None:
    unix, dos = zip_member("aXX"), zip_member("bX")
    dos[0].create_system = 0
    raw = zip_of(unix, dos).replace(b"aXX", "aä".encode()).replace(b"bX", b"b\x84")  # 0x84 is ä in code page 437
    assert list(rows(unpacked(tmp_path, raw))) == ["aä".encode(), "bä".encode()]


def test_folders_that_are_not_named_are_made(tmp_path: Path) -> None:
    got = rows(
        unpacked(tmp_path, tar_of(member("a/b/c", b"x", uid=7, gid=8), member("a", kind=tarfile.DIRTYPE, mode=0o700)))
    )
    assert got[b"a"].mode == 0o700  # named later
    assert (got[b"a/b"].kind, got[b"a/b"].mode, got[b"a/b"].uid, got[b"a/b"].gid) == (Kind.FOLDER, 0o755, 7, 8)


def test_owners_of_a_zip_are_those_of_the_application(tmp_path: Path) -> None:
    got = rows(unpacked(tmp_path, zip_of(zip_member("a", b"x"))))
    assert (got[b"a"].uid, got[b"a"].gid) == OWNER


@pytest.mark.parametrize(
    "target",
    ["a", "./d/../a", "missing/x", "to-d/x", "..", "/usr/bin/python3", "../../../etc/passwd", "to-d/../../..", "/"],
)
@pytest.mark.parametrize("archive", ["tar", "zip"])
def test_links_are_kept_as_they_are(target: str, archive: str, tmp_path: Path) -> None:
    if archive == "tar":
        links = [("e/to-d", tarfile.SYMTYPE, "../d"), ("e/l", tarfile.SYMTYPE, target), ("e/m", tarfile.LNKTYPE, "e/l")]
        data = tar_of(*(member(name, kind=kind, linkname=to) for name, kind, to in links))
    else:
        mode = stat.S_IFLNK | 0o777
        data = zip_of(zip_member("e/to-d", b"../d", mode), zip_member("e/l", target.encode(), mode))
    got = rows(unpacked(tmp_path, data))
    assert (got[b"e/l"].kind, got[b"e/l"].target) == (Kind.SYMLINK, target.encode())
    assert got[b"e/to-d"].target == b"../d"


def test_an_empty_archive_is_an_empty_backup(tmp_path: Path) -> None:
    for n, data in enumerate((tar_of(), zip_of())):
        folder = tmp_path / str(n)
        folder.mkdir()
        assert rows(unpacked(folder, data)) == {}


# -- there and back ------------------------------------------------------------------------------------------------


def import_into(bench: Bench, folder: Path, data: bytes, backup_id: str) -> TakeResult:
    folder.mkdir()
    (folder / "archive").write_bytes(data)
    owner = (os.getuid(), os.getgid())
    source = unpack(folder / "archive", folder / "contents", LIMITS, owner=owner)
    result = bench.vault().take(source, None, backup_id=backup_id, commit_seq=9, now_ns=time.time_ns())
    assert result.files == source.files
    return result


def download(bench: Bench, layout: Any, length: int) -> bytes:
    snapshot = bench.open()
    try:
        return b"".join(snapshot.reader.render(layout.pieces(snapshot, 0, length)))
    finally:
        snapshot.close()


def entries(bench: Bench, backup_id: str) -> list[Entry]:
    snapshot = bench.open(backup_id)
    try:
        return list(snapshot.entries())
    finally:
        snapshot.close()


@pytest.fixture
def rich(bench: Bench, write: Callable[..., Path]) -> Bench:
    """A folder with everything that a backup can hold."""
    write("a/b.txt", b"hello" * 10_000)
    write("a/empty", b"")
    write("tiny", b"x")
    write("page.db", b"SQLite format 3\0" + os.urandom(80_000))
    big = write("big", os.urandom(3_000_000))
    for n in range(3000):
        write(f"many/{n % 7}/{n}", b"%d" % n * (n % 90))
    os.link(big, bench.root / "a" / "zlink")
    os.link(bench.root / "tiny", bench.root / "a" / "tiny-too")
    (bench.root / "link").symlink_to("a/b.txt")
    (bench.root / "a" / "up").symlink_to("../big")
    (bench.root / "python").symlink_to("/usr/bin/python3")
    (bench.root / "a" / "out").symlink_to("../../elsewhere")
    (bench.root / "a" / "climbs").symlink_to("up/../../..")
    root = os.fsencode(bench.root)
    for name in (b"bad\xff\xfe", b"100%FF?", b"mixed-\xc3\xa4-\xe4.txt", "größe".encode(), b"back\\slash", b"x" * 255):
        Path(os.fsdecode(os.path.join(root, name))).write_bytes(name)
    os.utime(big, ns=(0, 1_234_567_890_123_456_789))
    os.utime(bench.root / "tiny", ns=(0, -1_500_000_000))
    os.utime(bench.root / "a", ns=(0, 5_000_000_000_123_456_789))
    big.chmod(0o6751)
    for name, value in ((b"user.plain", b"v"), (b"user.x=%", b"\x00\xff\n")):
        os.setxattr(bench.root / "tiny", name, value)
    os.setxattr(bench.root / "a", b"user.folder", b"f")
    if os.getuid() == 0:
        os.chown(bench.root / "page.db", 3_000_000, 70_000)
    return bench


@pytest.mark.parametrize("workers", [0, 2])
def test_our_own_tar_gz_gives_the_same_backup(rich: Bench, workers: int, tmp_path: Path) -> None:
    first = rich.take()
    data = download(rich, targz, first.tar_bytes)
    rich.workers = workers
    again = import_into(rich, tmp_path / "import", data, "again")
    assert again.digest == first.digest
    assert again.notices == []
    assert (again.zip_bytes, again.tar_bytes, again.files) == (first.zip_bytes, first.tar_bytes, first.files)
    assert again.stored_bytes < 300_000  # of 3.3 MB: the manifest only


def test_our_own_zip_gives_the_same_tree(rich: Bench, tmp_path: Path) -> None:
    (rich.root / "100%FF?").unlink()  # cannot be told from an escaped name: see names.unescaped
    if os.getuid() == 0:
        os.chown(rich.root / "page.db", 0, 0)
    first = rich.take()
    again = import_into(rich, tmp_path / "import", download(rich, zip_layout, first.zip_bytes), "again")
    assert rich.tree("again") == rich.tree()
    for old, new in zip(entries(rich, "b0"), entries(rich, "again"), strict=True):
        assert (new.path, new.kind, new.mode, new.size, new.crc32) == (
            old.path,
            old.kind,
            old.mode,
            old.size,
            old.crc32,
        )
        assert (new.uid, new.gid, new.extents) == (old.uid, old.gid, old.extents)
        assert new.mtime_ns // 1_000_000_000 == max(0, old.mtime_ns // 1_000_000_000)  # a zip begins in 1970
    assert again.stored_bytes < 300_000


def test_a_folders_backup_after_an_import_reads_what_it_must(rich: Bench, tmp_path: Path) -> None:
    first = rich.take()
    import_into(rich, tmp_path / "import", download(rich, targz, first.tar_bytes), "imported")
    rich.taken.append("imported")
    (rich.root / "tiny").write_bytes(b"y")
    rich.take()
    assert rich.tree() == contents_of(rich.root)


# -- any tree ------------------------------------------------------------------------------------------------------

NAMES = st.binary(min_size=1, max_size=12).filter(lambda n: not {b"/"[0], 0} & set(n) and n not in (b".", b".."))
FILES = st.tuples(st.just("file"), st.binary(max_size=700), st.sampled_from([0o644, 0o600, 0o755]))
TREES = st.recursive(FILES, lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12).filter(
    lambda tree: isinstance(tree, dict)
)
TIMES = st.integers(-(10**18), 10**19 // 2)


def flat(tree: dict[bytes, Any], above: bytes = b"") -> dict[bytes, tuple[str, bytes, int] | None]:
    out: dict[bytes, tuple[str, bytes, int] | None] = {}
    for name, below in tree.items():
        out[above + name] = None if isinstance(below, dict) else below
        if isinstance(below, dict):
            out |= flat(below, above + name + b"/")
    return out


@settings(max_examples=60, deadline=None)
@given(tree=TREES, mtime_ns=TIMES, name_folders=st.booleans(), kind=st.sampled_from(["pax", "gnu"]))
def test_any_tree_through_a_tar(
    tree: dict[bytes, object], mtime_ns: int, name_folders: bool, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts, expected = [], flat(tree)
    for path, file in expected.items():
        if file is None and name_folders:
            parts.append(member(os.fsdecode(path), kind=tarfile.DIRTYPE, mode=0o755))
        if file is not None:
            parts.append(member(os.fsdecode(path), file[1], mode=file[2]))
        if parts and kind == "pax":
            seconds, fraction = divmod(abs(mtime_ns), 10**9)
            parts[-1][0].pax_headers = {"mtime": f"{'-' * (mtime_ns < 0)}{seconds}.{fraction:09d}"}
    source = unpacked(
        tmp_path_factory.mktemp("tar"),
        tar_of(*parts, format=tarfile.PAX_FORMAT if kind == "pax" else tarfile.GNU_FORMAT),
    )
    check_same(source, expected, mtime_ns if kind == "pax" else None, only_files=not name_folders)


@settings(max_examples=60, deadline=None)
@given(tree=TREES, method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
def test_any_tree_through_a_zip(
    tree: dict[bytes, object], method: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = {path: file for path, file in flat(tree).items() if path.isascii()}
    expected = {p: f for p, f in expected.items() if all(p[:i] in expected for i, c in enumerate(p) if c == ord("/"))}
    parts = [
        zip_member(path.decode() + "/", b"", stat.S_IFDIR | 0o755, zipfile.ZIP_STORED)
        if file is None
        else zip_member(path.decode(), file[1], stat.S_IFREG | file[2], method)
        for path, file in expected.items()
    ]
    check_same(unpacked(tmp_path_factory.mktemp("zip"), zip_of(*parts)), expected, None, only_files=False)


def check_same(
    source: ArchiveSource,
    expected: dict[bytes, tuple[str, bytes, int] | None],
    mtime_ns: int | None,
    *,
    only_files: bool,
) -> None:
    got = rows(source)
    if not only_files:
        assert set(got) == set(expected)
    for path, file in expected.items():
        if file is None:
            assert only_files or got[path].kind == Kind.FOLDER
            continue
        assert (got[path].kind, got[path].mode, got[path].size) == (Kind.FILE, file[2], len(file[1]))
        assert content(source, path) == file[1]
        assert mtime_ns is None or got[path].mtime_ns == mtime_ns
