"""The zip as other programs read it, and its headers field by field."""

from __future__ import annotations

import io
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
from kit.blocks import block_of
from kit.layouts import MTIME_NS, FakeView, Maker, Sample, expected_tree, folder, java, run, sample, symlink, tree

from holdfast.vault.errors import FormatError
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.layout.names import zip_name
from holdfast.vault.manifest.entry import Entry, Kind


@pytest.fixture(scope="module", params=[3, 300])
def made(request: pytest.FixtureRequest) -> Sample:
    return sample(request.param)


@pytest.fixture(scope="module")
def utf8(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, Path]:
    made = sample(7, is_utf8=True)
    path = tmp_path_factory.mktemp("zip") / "utf8.zip"
    path.write_bytes(made.view.zip())
    return made, path


@pytest.fixture(scope="module")
def archive(made: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zip") / "all.zip"
    path.write_bytes(made.view.zip())
    return path


def fields_of(data: bytes, wanted: int) -> bytes | None:
    """The data of an extra field."""
    at = 0
    while at < len(data):
        number, size = struct.unpack_from("<HH", data, at)
        if number == wanted:
            return data[at + 4 : at + 4 + size]
        at += 4 + size
    assert at == len(data)
    return None


def test_unzip_and_7z_find_no_fault(archive: Path) -> None:
    assert b"No errors detected" in run("unzip", "-tq", archive).stdout
    out = run("7z", "t", archive).stdout
    assert b"Everything is Ok" in out
    assert b"arning" not in out


def test_python_reads_every_entry(made: Sample, archive: Path) -> None:
    with zipfile.ZipFile(archive) as zf:
        assert zf.testzip() is None
        assert len(zf.infolist()) == len(made.view.entries)
        for entry, info in zip(made.view.entries, zf.infolist(), strict=True):
            name = zip_name(entry.path).decode() + ("/" if entry.kind is Kind.FOLDER else "")
            assert info.filename == name
            wanted = entry.extra.target if entry.kind is Kind.SYMLINK else made.contents.get(entry.path, b"")
            assert zf.read(info) == wanted
            assert info.external_attr >> 16 & 0o7777 == entry.mode
            assert info.date_time == (2023, 11, 14, 22, 13, 20)


def test_java_reads_it_as_file_and_as_stream(made: Sample, archive: Path) -> None:
    lines = java("-s", archive)
    assert lines[0] == f"entries {len(made.view.entries)}"
    wanted = []
    for e in made.view.entries:
        data = e.extra.target or made.contents.get(e.path, b"")
        name = zip_name(e.path).decode() + ("/" if e.kind is Kind.FOLDER else "")
        wanted.append(f"{len(data)} {zlib.crc32(data)} {MTIME_NS // 10**6} {name}")
    assert sorted(lines[1:]) == sorted(f"{how} {line}" for how in ("file", "stream") for line in wanted)


@pytest.mark.parametrize("how", ["file", "pipe"])
def test_bsdtar_restores_modes_and_links_from_file_and_pipe(
    utf8: tuple[Sample, Path], tmp_path: Path, how: str
) -> None:
    made, path = utf8
    if how == "file":
        run("bsdtar", "-xpf", path, "-C", tmp_path)
    else:
        # A real pipe: with a file on stdin bsdtar would seek to the central directory.
        with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as source:
            run("bsdtar", "-xpf", "-", "-C", tmp_path, stdin=source.stdout)
    assert tree(tmp_path) == expected_tree(made.view.entries, made.contents)


def test_unzip_restores_modes_and_links(utf8: tuple[Sample, Path], tmp_path: Path) -> None:
    made, path = utf8
    run("unzip", "-qK", path, "-d", tmp_path)  # -K: keep setuid
    assert tree(tmp_path) == expected_tree(made.view.entries, made.contents)


def test_7z_restores_links(utf8: tuple[Sample, Path], tmp_path: Path) -> None:
    made, path = utf8
    run("7z", "x", "-snld", f"-o{tmp_path}", path)
    got, wanted = tree(tmp_path), expected_tree(made.view.entries, made.contents)
    assert {k: v[-1] for k, v in got.items() if v[0] != "folder"} == {
        k: v[-1] for k, v in wanted.items() if v[0] != "folder"
    }


def test_local_and_central_headers_agree_and_there_are_no_gaps(made: Sample, archive: Path) -> None:
    data = archive.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as zf:
        infos = zf.infolist()
        central = zf.start_dir
    at = 0
    for info in infos:
        assert info.header_offset == at
        needed, flags, method, time, date, crc, packed, size, name_size, extra_size = struct.unpack_from(
            "<4xHHHHHLLLHH", data, at
        )
        assert data[at : at + 4] == b"PK\x03\x04"
        assert (needed, flags, method) == (20, 0x800, info.compress_type)
        assert (info.extract_version, info.flag_bits, info.create_system) == (20, 0x800, 3)
        assert (crc, packed, size) == (info.CRC, info.compress_size, info.file_size)
        assert (time, date) == struct.unpack_from("<HH", data, central + 12)
        extra = data[at + 30 + name_size : at + 30 + name_size + extra_size]
        assert (
            fields_of(extra, 0x5455) == fields_of(info.extra, 0x5455) == b"\x01" + struct.pack("<l", MTIME_NS // 10**9)
        )
        assert fields_of(extra, 0x6C78) == struct.pack("<BHL", 5, 3 << 8 | 45, info.external_attr)
        assert fields_of(info.extra, 0x6C78) is None
        assert fields_of(extra, 1) is None
        at += 30 + name_size + extra_size + packed
        central += 46 + sum(struct.unpack_from("<HHH", data, central + 28))
    assert at == zf.start_dir
    assert len(data) == central + 22


def test_external_attributes_say_what_an_entry_is() -> None:
    maker = Maker()
    view = FakeView(maker, [folder("d", 0o1777), maker.file("f", b"1", mode=0o4711), symlink("l", "f")])
    with zipfile.ZipFile(io.BytesIO(view.zip())) as zf:
        assert [info.external_attr for info in zf.infolist()] == [
            0o041777 << 16 | 0x10,
            0o104711 << 16,
            0o120777 << 16,
        ]


def test_nothing_backed_up_gives_the_end_record_alone() -> None:
    view = FakeView(Maker(), [])
    assert view.zip() == b"PK\x05\x06" + bytes(18)
    assert list(zip_layout.pieces(view, 22, 22)) == []


@pytest.mark.parametrize(
    ("seconds", "is_ntfs", "dos"),
    [
        (0, False, (1980, 1, 1, 0, 0, 0)),
        (315_532_799, False, (1980, 1, 1, 0, 0, 0)),
        (951_782_399, False, (2000, 2, 28, 23, 59, 58)),
        (951_782_400, False, (2000, 2, 29, 0, 0, 0)),
        (2**31 - 1, False, (2038, 1, 19, 3, 14, 6)),
        (2**31, True, (2038, 1, 19, 3, 14, 8)),
        (4_354_819_199, True, (2107, 12, 31, 23, 59, 58)),
        (4_354_819_200, True, (2107, 12, 31, 23, 59, 58)),
        (9_223_372_036, True, (2107, 12, 31, 23, 59, 58)),
        (-1, True, (1980, 1, 1, 0, 0, 0)),
        (-(2**33), True, (1980, 1, 1, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("layout", [1, 2])
def test_times(seconds: int, is_ntfs: bool, dos: tuple[int, ...], layout: int, tmp_path: Path) -> None:
    maker = Maker()
    entries = [maker.file("f", b"1", mtime_ns=seconds * 10**9), maker.file("g", b"1")]
    view = FakeView(maker, entries, zip_layout=layout)
    data = view.zip()
    (tmp_path / "t.zip").write_bytes(data)
    with zipfile.ZipFile(io.BytesIO(data)) as zf:
        info = zf.infolist()[0]
        assert info.date_time == dos
        ticks = ((seconds if layout == 1 else max(0, seconds)) + 11_644_473_600) * 10**7
        ntfs = struct.pack("<LHHQQQ", 0, 1, 24, ticks, ticks, ticks)
        assert fields_of(info.extra, 0x000A) == (ntfs if is_ntfs else None)
        assert fields_of(info.extra, 0x5455) == (None if is_ntfs else struct.pack("<Bl", 1, seconds))
        assert zf.testzip() is None
    run("unzip", "-tq", tmp_path / "t.zip")
    if seconds >= 0:
        line = run("7z", "l", "-slt", tmp_path / "t.zip").stdout
        assert b"Modified = " in line


def test_java_takes_the_ntfs_time(tmp_path: Path) -> None:
    maker = Maker()
    entries = [maker.file(f"f{n}", b"1", mtime_ns=n * 10**9) for n in (-86_400, 2**31, 2**33)]
    for layout, first in ((1, -86_400), (2, 0)):
        (tmp_path / "t.zip").write_bytes(FakeView(maker, entries, zip_layout=layout).zip())
        times = {line.split()[-1]: int(line.split()[3]) for line in java("-s", tmp_path / "t.zip")[1:]}
        assert times == {"f-86400": first * 1000, **{f"f{n}": n * 1000 for n in (2**31, 2**33)}}


def test_a_file_without_its_content_is_refused_rather_than_laid_out_wrong() -> None:
    entry = Entry(b"f", Kind.FILE, 0o644, 0, 0, MTIME_NS, 5, 0)
    view = FakeView(Maker(), [entry])
    with pytest.raises(FormatError):
        view.zip()
    with pytest.raises(FormatError):
        zip_layout.measure(block_of([Entry(b"l", Kind.SYMLINK, 0o777, 0, 0, MTIME_NS, 5, 0)]))


def test_ranges_outside_are_refused() -> None:
    view = FakeView(Maker(), [folder("d")])
    total = zip_layout.total_bytes(view)
    for start, stop in ((-1, 3), (5, 4), (0, total + 1)):
        with pytest.raises(ValueError, match="bytes"):
            zip_layout.pieces(view, start, stop)
