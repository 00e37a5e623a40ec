"""Archives that must not become a backup: each is refused in one sentence that says which member and why."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.archives import Build, fields_changed, member, patched, tar_of, zip_member, zip_of
from kit.zstandard import zstd

from holdfast.sources.archive import scratch as scratch_module
from holdfast.sources.archive.errors import ArchiveRefused, ArchiveTooLarge, Limits, ScratchFailed
from holdfast.sources.archive.source import ArchiveSource, check_archive, unpack

LIMITS = Limits(content_bytes_max=1_000_000)
LINK, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
S_LINK = stat.S_IFLNK | 0o777


def unpacked(folder: Path, data: bytes, limits: Limits = LIMITS) -> ArchiveSource:
    (folder / "archive").write_bytes(data)
    return unpack(folder / "archive", folder / "contents", limits)


def reason(folder: Path, data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(ArchiveRefused) as refusal:
        unpacked(folder, data, limits)
    text = str(refusal.value)
    assert "\n" not in text
    assert text.isprintable()
    assert text.endswith(".")
    return text


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=LINK, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=HARD, linkname=target)


def zip_link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    return zip_member(name, target.encode(), S_LINK)


def sparse() -> bytes:
    info, data = member("holes", b"x" * 512)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    return tar_of((info, data))


def pax(**records: str) -> bytes:
    info, data = member("odd")
    info.pax_headers = records
    return tar_of((info, data))


CASES: list[tuple[str, Build, str, str]] = [
    ("absolute", lambda: tar_of(member("/etc/passwd", b"x")), "/etc/passwd", "absolute"),
    ("absolute in zip", lambda: zip_of(zip_member("/etc/passwd", b"x")), "/etc/passwd", "absolute"),
    ("dots", lambda: tar_of(member("../evil", b"x")), "../evil", "'..'"),
    ("dots in the middle", lambda: tar_of(member("a/../../evil", b"x")), "a/../../evil", "'..'"),
    ("dots in zip", lambda: zip_of(zip_member("a/../../evil", b"x")), "a/../../evil", "'..'"),
    ("link nowhere", lambda: zip_of(zip_link("l", "")), "l", "without a proper target"),
    ("long target", lambda: tar_of(link("l", "x/" * 2048)), "l", "more than 4,095 bytes"),
    (
        "below a link that leads out",
        lambda: tar_of(link("l", "../out"), member("l/x", b"x")),
        "l/x",
        "is a symbolic link",
    ),
    (
        "below a link to / in zip",
        lambda: zip_of(zip_member("l/x", b"x"), zip_link("l", "/etc")),
        "l",
        "other members lie below it",
    ),
    (
        "a folder over a link out",
        lambda: tar_of(link("l", "/tmp"), member("l", kind=FOLDER), member("l/x", b"x")),
        "l",
        "twice",
    ),
    (
        "a hard link through a link out",
        lambda: tar_of(link("l", "/etc"), hard("h", "l/passwd")),
        "h",
        "does not come before",
    ),
    ("below a link", lambda: tar_of(link("l", "d"), member("l/x", b"x")), "l/x", "is a symbolic link"),
    ("below a link in zip", lambda: zip_of(zip_link("l", "d"), zip_member("l/x", b"x")), "l/x", "is a symbolic link"),
    ("below a file", lambda: tar_of(member("f", b"x"), member("f/x", b"x")), "f/x", "is a file"),
    ("a link where a folder is", lambda: tar_of(member("d/x", b"x"), link("d", "e")), "d", "below it"),
    ("hard link out", lambda: tar_of(hard("h", "../../etc/passwd")), "h", "outside"),
    ("hard link to /", lambda: tar_of(hard("h", "/etc/passwd")), "h", "outside"),
    ("hard link to what is not there", lambda: tar_of(hard("h", "x")), "h", "does not come before"),
    ("hard link forward", lambda: tar_of(hard("h", "x"), member("x", b"x")), "h", "does not come before"),
    ("hard link to itself", lambda: tar_of(hard("h", "h")), "h", "does not come before"),
    ("hard link to a folder", lambda: tar_of(member("d", kind=FOLDER), hard("h", "d")), "h", "folder d"),
    ("device", lambda: tar_of(member("sda", kind=tarfile.BLKTYPE)), "sda", "device"),
    ("tty", lambda: tar_of(member("tty", kind=tarfile.CHRTYPE)), "tty", "device"),
    ("pipe", lambda: tar_of(member("pipe", kind=tarfile.FIFOTYPE)), "pipe", "FIFO"),
    ("pipe in zip", lambda: zip_of(zip_member("pipe", mode=stat.S_IFIFO | 0o644)), "pipe", "FIFO"),
    ("odd kind", lambda: tar_of(member("odd", kind=b"Q")), "odd", "of a kind"),
    ("sparse", sparse, "holes", "--sparse"),
    ("twice", lambda: tar_of(member("a", b"1"), member("./a", b"2")), "a", "twice"),
    ("folder twice", lambda: tar_of(member("d", kind=FOLDER), member("d", kind=FOLDER)), "d", "twice"),
    ("twice in zip", lambda: zip_of(zip_member("a", b"1"), zip_member("b", b"")).replace(b"b", b"a"), "a", "twice"),
    ("no name", lambda: tar_of(member(".", b"x")), ".", "no name"),
    ("long component", lambda: tar_of(member("x" * 256)), "x", "more than 255 bytes"),
    ("long component in zip", lambda: zip_of(zip_member("x" * 256)), "x", "more than 255 bytes"),
    ("long path", lambda: tar_of(member("x/" * 17_000 + "x")), "x/x", "more than 32,766 bytes"),
    ("zero in a name", lambda: patched(pax(path="aXb"), (b"aXb", b"a\0b")), "a\\x00b", "zero byte"),
    ("odd time", lambda: pax(mtime="soon"), "odd", "time"),
    ("time too far", lambda: pax(mtime="99999999999"), "odd", "time"),
    ("odd size", lambda: pax(size="-1"), "odd", "negative"),
    ("odd owner", lambda: pax(uid="4294967296"), "odd", "owner"),
    ("long attribute name", lambda: pax(**{"SCHILY.xattr." + "u" * 256: "x"}), "odd", "attribute"),
    ("checksum", lambda: patched(tar_of(member("abc", b"x")), (b"abc", b"abd")), "", "checksum"),
    ("truncated", lambda: tar_of(member("a", b"x" * 5000))[:3000], "", "ends in the middle"),
    ("between members", lambda: tar_of(member("a", b"x"), member("b", b"x"))[:1024], "", "ends in the middle"),
    ("two tars", lambda: tar_of(member("a", b"x")) + tar_of(member("b", b"x")), "", "data after its end"),
    ("truncated gz", lambda: tar_of(member("a", os.urandom(9000)), mode="w:gz")[:5000], "", "gzip"),
    ("gz without its sum", lambda: tar_of(member("a", b"x"), mode="w:gz")[:-8], "", "gzip"),
    ("xz cut", lambda: tar_of(member("a", os.urandom(9000)), mode="w:xz")[:-20], "", "xz"),
    ("bz2 cut", lambda: tar_of(member("a", os.urandom(9000)), mode="w:bz2")[:-20], "", "bzip2"),
    ("zst cut", lambda: zstd.compress(tar_of(member("a", os.urandom(9000))))[:-20], "", "zstd"),
    ("gz of nothing known", lambda: gzip.compress(b"hello" * 1000), "", "checksum"),
    ("no archive", lambda: b"hello\n" * 1000, "", "checksum"),
    ("encrypted", lambda: fields_changed(zip_of(zip_member("a", b"x")), b"PK\1\2", 8, b"\1\0"), "a", "encrypted"),
    ("AES", lambda: fields_changed(zip_of(zip_member("a", b"x")), b"PK\1\2", 10, b"\x63\0"), "a", "encrypted"),
    ("deflate64", lambda: fields_changed(zip_of(zip_member("a", b"x")), b"PK\1\2", 10, b"\x09\0"), "a", "deflate64"),
    ("zip cut", lambda: zip_of(zip_member("a", b"x" * 5000))[:-30], "", "end of the zip"),
    ("zip cut in front", lambda: b"PK\3\4" + zip_of(zip_member("a", os.urandom(500)))[200:], "", "damaged"),
    (
        "wrong CRC-32",
        lambda: patched(zip_of(zip_member("a", b"hello", method=zipfile.ZIP_STORED)), (b"hello", b"jello")),
        "a",
        "CRC-32",
    ),
    (
        "two names",
        lambda: zip_of(zip_member("abc", b"x")).replace(b"abc", b"abd", 1),
        "abc",
        "another name",
    ),
    (
        "two methods",
        lambda: fields_changed(zip_of(zip_member("a", b"x")), b"PK\3\4", 8, b"\0\0"),
        "a",
        "another compression method",
    ),
    (
        "larger than said",
        lambda: fields_changed(zip_of(zip_member("a", b"x" * 500)), b"PK\1\2", 24, struct.pack("<L", 499)),
        "a",
        "larger than the zip says",
    ),
    (
        "smaller than said",
        lambda: fields_changed(zip_of(zip_member("a", b"x" * 500)), b"PK\1\2", 24, struct.pack("<L", 501)),
        "a",
        "another size",
    ),
    ("a drive", lambda: windows("C:\\evil"), "C:\\evil", "absolute"),
    ("dots with backslashes", lambda: windows("..\\evil"), "../evil", "'..'"),
    ("two at one place", lambda: overlapping(), "", "over another member"),
    ("split", lambda: fields_changed(zip_of(zip_member("a", b"x")), b"PK\5\6", 4, b"\1\0\1\0"), "", "several"),
]


def windows(name: str) -> bytes:
    info, data = zip_member("x" * len(name), b"x")
    info.create_system = 0
    return zip_of((info, data)).replace(b"x" * len(name), name.encode())


def overlapping() -> bytes:
    """Two members of the same content: the local header of the second is the first's."""
    data = zip_of(zip_member("a", b"hello"), zip_member("b", b"hello"))
    second = data.rfind(b"PK\1\2")
    return data[: second + 42] + struct.pack("<L", 0) + data[second + 46 :]


@pytest.mark.parametrize(("build", "name", "why"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_it_is_refused(build: Build, name: str, why: str, tmp_path: Path) -> None:
    text = reason(tmp_path, build())
    assert why in text
    assert not name or f"member {name}" in text


@pytest.mark.parametrize("case", ["absolute", "dots", "pipe", "twice", "long component"])
def test_a_zips_directory_is_looked_at_before_it_is_unpacked(case: str, tmp_path: Path) -> None:
    (tmp_path / "zip").write_bytes(next(build for named, build, _, _ in CASES if named == f"{case} in zip")())
    with pytest.raises(ArchiveRefused):
        check_archive(tmp_path / "zip", LIMITS)


def bomb(size: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("zeros")
        info.size = size
        tar.addfile(info, io.BytesIO(bytes(size)))
    return out.getvalue()


@pytest.mark.parametrize(
    "pack", [gzip.compress, lzma.compress, bz2.compress, zstd.compress, bytes], ids=["gz", "xz", "bz2", "zst", "plain"]
)
def test_a_bomb_in_a_tar_writes_nothing(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    assert "larger than the 1,000,000 bytes" in reason(tmp_path, pack(bomb(20_000_000)))
    assert sum(path.stat().st_size for path in (tmp_path / "contents").rglob("*") if path.is_file()) == 0


def test_a_bomb_in_a_zip_is_told_by_its_directory(tmp_path: Path) -> None:
    (tmp_path / "zip").write_bytes(zip_of(zip_member("a", bytes(600_000)), zip_member("b", bytes(600_000))))
    with pytest.raises(ArchiveTooLarge):
        check_archive(tmp_path / "zip", LIMITS)


def test_many_small_files_and_hard_links_are_bombs_too(tmp_path: Path) -> None:
    links = [hard(f"h{n}", "a") for n in range(30)]
    assert "larger than" in reason(tmp_path, tar_of(member("a", bytes(50_000)), *links))


def test_endless_zeros_behind_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.sources.archive.tar.OVERHEAD_BYTES", 1_000_000)
    zeros = gzip.compress(tar_of(member("a", b"x")) + bytes(5_000_000))
    assert "more headers and padding than" in reason(tmp_path, zeros)


def test_too_many_members(tmp_path: Path) -> None:
    members = [member(f"f{n}") for n in range(11)]
    assert "more than 10 files" in reason(tmp_path, tar_of(*members), Limits(1000, entries_max=10))


def test_one_deep_path_makes_no_more_folders_than_allowed(tmp_path: Path) -> None:
    deep = member("x/" * 10_000 + "x")
    assert "more than 5,000 files and folders" in reason(tmp_path, tar_of(deep), Limits(1000, entries_max=5_000))


def test_extended_headers_may_not_pile_up(tmp_path: Path) -> None:
    info, data = member("a")
    info.pax_headers = {"comment": "x" * 5_000_000}
    assert "extended header of more than" in reason(tmp_path, tar_of((info, data)))


def test_a_disk_that_gets_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_module, "DISK_RESERVE_BYTES", 1 << 60)
    monkeypatch.setattr(scratch_module.DiskWatch.__init__, "__defaults__", (1 << 60,))
    with pytest.raises(ScratchFailed, match="too full"):
        unpacked(tmp_path, tar_of(member("a", b"x")))


def test_no_name_of_the_archive_comes_near_the_disk(tmp_path: Path) -> None:
    unpacked(tmp_path, tar_of(member("secret-name/other", b"x"), member("secret-name/third")))
    assert not [path for path in tmp_path.rglob("*") if "secret" in path.name or "other" in path.name]
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "contents").rglob("*")} == {0o700, 0o600}


GOOD_TAR = tar_of(
    member("d/a", b"hello" * 300), link("l", "d/a"), hard("h", "d/a"), member("ü", b"x", pax_headers={"mtime": "1.5"})
)
GOOD_ZIP = zip_of(zip_member("d/a", b"hello" * 300), zip_link("l", "d/a"), zip_member("ü", b"x"))


@pytest.mark.parametrize("data", [GOOD_TAR, zlib_tar := gzip.compress(GOOD_TAR, mtime=0), GOOD_ZIP])
@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_anywhere_is_refused_or_harmless(
    data: bytes, changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    odd = bytearray(data)
    for at, value in changes:
        odd[at % len(odd)] = value
    with suppress(ArchiveRefused):
        assert unpacked(folder, bytes(odd)).files <= 3


@pytest.mark.parametrize("data", [GOOD_TAR, zlib_tar, GOOD_ZIP])
def test_truncation_anywhere_is_refused(data: bytes, tmp_path: Path) -> None:
    end = len(GOOD_TAR.rstrip(b"\0")) if data is GOOD_TAR else len(data) - 1
    for length in range(1, end, 37):
        folder = tmp_path / str(length)
        folder.mkdir()
        reason(folder, data[:length])
