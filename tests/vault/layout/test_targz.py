"""The tar.gz as other programs read it, and what only it can hold."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zlib
from pathlib import Path

import pytest
from kit.blocks import block_of
from kit.layouts import FRACTION_NS, FakeView, Maker, Sample, expected_tree, folder, run, sample, symlink, tree

from holdfast.vault.layout import targz
from holdfast.vault.layout.tar_header import TarHeaders
from holdfast.vault.manifest.entry import Entry, Kind


@pytest.fixture(scope="module", params=[3, 300])
def made(request: pytest.FixtureRequest) -> Sample:
    return sample(request.param, mtime_ns=FRACTION_NS)


@pytest.fixture(scope="module")
def archive(made: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tar") / "all.tar.gz"
    path.write_bytes(made.view.tar_gz())
    return path


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data)), mode="r:") as tar:
        return {info.name: info for info in tar}


def is_owner_allowed() -> bool:
    return os.geteuid() == 0


@pytest.mark.parametrize("tool", ["tar", "bsdtar"])
def test_tools_restore_all_of_it(made: Sample, archive: Path, tmp_path: Path, tool: str) -> None:
    options = ["--numeric-owner"] if tool == "tar" else []
    run(tool, "-xpzf", archive, "-C", tmp_path, *options)
    assert tree(tmp_path) == expected_tree(made.view.entries, made.contents)
    first, second = (tmp_path / name for name in ("zhard", "zhard2"))
    assert first.stat().st_ino == second.stat().st_ino
    for entry in made.view.entries:
        status = os.lstat(os.path.join(os.fsencode(tmp_path), entry.path))
        assert status.st_mtime_ns == FRACTION_NS


def test_gzip_finds_no_fault(archive: Path) -> None:
    run("gzip", "-t", archive)


def test_it_is_one_gzip_member_with_the_right_trailer(archive: Path) -> None:
    data = archive.read_bytes()
    inflater = zlib.decompressobj(-15)
    tar = inflater.decompress(data[10:])
    assert inflater.eof
    assert inflater.unused_data == struct.pack("<LL", zlib.crc32(tar), len(tar)) == data[-8:]
    assert tar.endswith(bytes(1024))


def test_python_reads_all_of_it(made: Sample, archive: Path) -> None:
    with tarfile.open(archive, errors="surrogateescape") as tar:
        infos = tar.getmembers()
        assert len(infos) == len(made.view.entries)
        for entry, info in zip(made.view.entries, infos, strict=True):
            assert os.fsencode(info.name) == entry.path
            assert (info.mode, info.uid, info.gid, info.uname, info.gname) == (entry.mode, 0, 0, "", "")
            if entry.kind is Kind.SYMLINK:
                assert os.fsencode(info.linkname) == entry.extra.target
            elif entry.extra.hard_link:
                assert (info.type, info.linkname, info.size) == (tarfile.LNKTYPE, "zhard", 0)
            elif entry.kind is Kind.FILE:
                content = tar.extractfile(info)
                assert content is not None
                assert content.read() == made.contents[entry.path]


@pytest.mark.parametrize("tool", ["tar", "bsdtar"])
def test_owners(tmp_path: Path, tool: str) -> None:
    if not is_owner_allowed():
        pytest.skip("only root may give files away")
    maker = Maker()
    owners = {"a": (0, 0), "b": (1234, 5678), "c": (2_097_151, 2_097_151), "d": (2_097_152, 3), "e": (5, 4_294_967_290)}
    view = FakeView(maker, [maker.file(name, b"1", uid=uid, gid=gid) for name, (uid, gid) in owners.items()])
    (tmp_path / "o.tar.gz").write_bytes(view.tar_gz())
    run(tool, "-xpzf", tmp_path / "o.tar.gz", "-C", tmp_path, "--numeric-owner")
    got = {name: ((tmp_path / name).stat().st_uid, (tmp_path / name).stat().st_gid) for name in owners}
    assert got == owners


@pytest.mark.parametrize("tool", ["tar", "bsdtar"])
def test_extended_attributes(tmp_path: Path, tool: str) -> None:
    xattrs = ((b"user.binary", bytes(range(256))), (b"user.large", b"v" * 1500), (b"user.mime", "näme".encode()))
    probe = tmp_path / "probe"
    probe.touch()
    try:
        os.setxattr(probe, b"user.binary", b"1")
    except OSError:
        pytest.skip("this file system keeps no extended attributes")
    maker = Maker()
    view = FakeView(maker, [maker.file("f", b"content", xattrs=xattrs, mtime_ns=FRACTION_NS)])
    (tmp_path / "x.tar.gz").write_bytes(view.tar_gz())
    options = ["--xattrs", "--xattrs-include=*"] if tool == "tar" else ["--xattrs"]
    run(tool, "-xpzf", tmp_path / "x.tar.gz", "-C", tmp_path, *options)
    path = os.fsencode(tmp_path / "f")
    assert tuple((name.encode(), os.getxattr(path, name)) for name in sorted(os.listxattr(path))) == xattrs


def test_an_attribute_whose_name_has_an_equals_sign_comes_back_with_gnu_tar(tmp_path: Path) -> None:
    xattrs = ((b"user.a=b%3D", b"value"),)
    maker = Maker()
    view = FakeView(maker, [maker.file("f", b"content", xattrs=xattrs)])
    (tmp_path / "x.tar.gz").write_bytes(view.tar_gz())
    info = members(view.tar_gz())["f"]
    assert info.pax_headers == {"SCHILY.xattr.user.a%3Db%253D": "value"}


@pytest.mark.parametrize(
    ("mtime_ns", "record"),
    [
        (0, None),
        (1, "0.000000001"),
        (999_999_999, "0.999999999"),
        (9_500_000_000, "9.500000000"),
        (10_500_000_000, "10.500000000"),
        (999_999_999_999_999_999, "999999999.999999999"),
        (1_000_000_000_000_000_001, "1000000000.000000001"),
        (8_589_934_591 * 10**9, None),
        (8_589_934_591 * 10**9 + 5, "8589934591.000000005"),
        (8_589_934_592 * 10**9, "8589934592.000000000"),
        (2**63 - 1, "9223372036.854775807"),
        (-1, "-0.000000001"),
        (-1_000_000_000, "-1.000000000"),
        (-1_500_000_000, "-1.500000000"),
    ],
)
def test_times(mtime_ns: int, record: str | None, tmp_path: Path) -> None:
    maker = Maker()
    view = FakeView(maker, [maker.file("f", b"1", mtime_ns=mtime_ns)])
    data = view.tar_gz()
    assert len(data) == targz.total_bytes(view)
    assert members(data)["f"].pax_headers.get("mtime") == record
    (tmp_path / "t.tar.gz").write_bytes(data)
    if mtime_ns < 2**33 * 10**9:  # ext4 ends in 2446
        run("tar", "-xzf", tmp_path / "t.tar.gz", "-C", tmp_path)
        assert (tmp_path / "f").stat().st_mtime_ns == mtime_ns


def test_large_attributes_pass_the_limit_of_a_stored_block() -> None:
    maker = Maker()
    for size in (65_400, 65_500, 65_535, 65_600, 200_000):
        view = FakeView(maker, [maker.file("f", b"1", xattrs=((b"user.v", b"v" * size),)), maker.file("g", b"2")])
        data = view.tar_gz()
        assert len(data) == targz.total_bytes(view)
        assert members(data)["f"].pax_headers["SCHILY.xattr.user.v"] == "v" * size
        assert members(data)["g"].size == 1


def test_names_and_links_at_the_limit_of_the_header() -> None:
    maker = Maker()
    entries = [maker.file("n" * n, b"1") for n in range(96, 104)]
    entries += [folder("d" * n) for n in range(96, 104)]
    entries += [symlink(f"l{n}", "t" * n) for n in range(96, 104)]
    got = members(FakeView(maker, entries).tar_gz())
    assert {len(name) for name in got if got[name].pax_headers} == {101, 102, 103, 100, 4}
    for n in range(96, 104):
        assert ("path" in got["n" * n].pax_headers) == (n > 100)
        assert ("path" in got["d" * n].pax_headers) == (n > 99)
        assert ("linkpath" in got[f"l{n}"].pax_headers) == (n > 100)
        assert got[f"l{n}"].linkname == "t" * n


def test_a_size_from_8_gib_on_stands_in_a_record() -> None:
    for size, in_header in ((8**11 - 1, b"77777777777"), (8**11, b"00000000000")):
        block = block_of([Entry(b"f", Kind.FILE, 0o644, 0, 0, 0, size, 0)])
        raw = TarHeaders(block, block.extras()).raw(0)
        assert raw[-512:][124:135] == in_header
        assert (b"19 size=8589934592\n" in raw) == (size == 8**11)


def test_nothing_backed_up_gives_an_empty_tar(tmp_path: Path) -> None:
    view = FakeView(Maker(), [])
    data = view.tar_gz()
    assert len(data) == targz.total_bytes(view)
    assert gzip.decompress(data) == bytes(1024)
    for start in range(len(data) + 1):
        assert view.tar_gz(start) == data[start:]
    (tmp_path / "e.tar.gz").write_bytes(data)
    assert run("tar", "-tzf", tmp_path / "e.tar.gz").stdout == b""
    assert run("bsdtar", "-tzf", tmp_path / "e.tar.gz").stdout == b""


def test_ranges_outside_are_refused() -> None:
    view = FakeView(Maker(), [folder("d")])
    total = targz.total_bytes(view)
    for start, stop in ((-1, 3), (5, 4), (0, total + 1)):
        with pytest.raises(ValueError, match="bytes"):
            targz.pieces(view, start, stop)


def test_an_ordinary_header_takes_few_bytes() -> None:
    maker = Maker()
    name = "src/app/" + "m" * 32
    plain = FakeView(maker, [maker.file(name)])
    exact = FakeView(maker, [maker.file(name, mtime_ns=FRACTION_NS)])
    assert plain.blocks[0].sums.tar <= 40 + 82
    assert exact.blocks[0].sums.tar <= 40 + 177
