"""Where zip64 begins: over 65,534 entries, entries over 4 GiB, offsets beyond 4 GiB. And large files in the tar.gz.

Nothing large is written: zeros deflate a thousandfold, and what is never read is a hole.
"""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from isal.isal_zlib import crc32_combine
from kit.layouts import FakeView, Maker, java, run

from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.layout.pieces import SegmentPiece
from holdfast.vault.layout.zip_records import LIMIT_32, end_records
from holdfast.vault.manifest.entry import Entry
from holdfast.vault.pack.segment import stored_blocks

GIB = 1 << 30
MIB = 1 << 20


def crcs(lines: list[str], how: str) -> dict[str, tuple[int, int]]:
    """(size, CRC-32) by name of what Java said."""
    parts = [line.split(" ", 4) for line in lines]
    return {p[4]: (int(p[1]), int(p[2])) for p in parts if p[0] == how}


@pytest.fixture(scope="module")
def huge_entry() -> FakeView:
    """An entry of 4 GiB and 1 MiB of zeros between two small ones."""
    maker = Maker()
    huge = maker.repeated("huge", bytes(MIB), 4097)
    return FakeView(maker, [maker.file("first", b"1st"), huge, maker.file("last", b"x" * 300)], 2)


@pytest.fixture(scope="module")
def huge_zip(huge_entry: FakeView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("huge") / "huge.zip"
    with path.open("wb") as out:
        huge_entry.write_zip(out)
    assert path.stat().st_size == zip_layout.total_bytes(huge_entry) < 10 * MIB
    return path


def test_headers_of_an_entry_over_4_gib(huge_zip: Path) -> None:
    data = huge_zip.read_bytes()
    with zipfile.ZipFile(huge_zip) as zf:
        info = zf.infolist()[1]
        assert (info.file_size, info.extract_version) == (4097 * MIB, 45)
        assert [i.extract_version for i in zf.infolist()] == [20, 45, 20]
        assert zf.read("last") == b"x" * 300
        sizes = struct.pack("<HHQQ", 1, 16, info.file_size, info.compress_size)
        at = info.header_offset
        assert data[at + 14 : at + 26] == struct.pack("<LLL", info.CRC, LIMIT_32, LIMIT_32)
        assert data[at + 34 : at + 54] == sizes
        assert info.extra[:20] == sizes
        central = data.index(b"PK\x01\x02", zf.start_dir + 4)
        assert data[central + 16 : central + 28] == struct.pack("<LLL", info.CRC, LIMIT_32, LIMIT_32)
        assert len(data) == zf.start_dir + 3 * (46 + 9) + 13 + 20 + 22  # no zip64 end records for that


def test_7z_and_java_read_an_entry_over_4_gib(huge_entry: FakeView, huge_zip: Path) -> None:
    assert b"Everything is Ok" in run("7z", "t", huge_zip).stdout
    lines = java(f"{huge_zip}::last")
    assert lines[0] == "entries 3"
    assert crcs(lines, "listed")["huge"] == (4097 * MIB, huge_entry.entries[1].crc32)
    assert crcs(lines, "file")["last"] == (300, zlib.crc32(b"x" * 300))


def test_unzip_lists_an_entry_over_4_gib_and_finds_what_is_behind_it(huge_zip: Path) -> None:
    # It takes 20 s to inflate that much; 7-Zip does it above.
    assert b"4296015872" in run("unzip", "-l", huge_zip).stdout
    assert b"No errors detected" in run("unzip", "-tq", huge_zip, "first", "last").stdout


def through_pipe(data: bytes, *command: str) -> str:
    """What a tool says of `data` that it reads from a pipe; skips the test when the tool is not on the machine."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        command, input=data, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_bsdtar_reads_an_entry_over_4_gib_from_a_pipe(huge_zip: Path) -> None:
    lines = through_pipe(huge_zip.read_bytes(), "bsdtar", "-tvf", "-").splitlines()
    assert [line.split()[4] for line in lines] == ["3", str(4097 * MIB), "300"]


def test_the_tar_gz_of_a_file_over_8_gib() -> None:
    maker = Maker()
    huge = maker.repeated("huge", bytes(MIB), 8193)
    last = maker.file("last", b"x" * 300)
    view = FakeView(maker, [huge, last])
    whole = view.tar_gz()
    assert whole[-8:] == view.tar_gz(len(whole) - 8)
    head = zlib.decompressobj(-15).decompress(whole[10:], 1536)
    assert head[512:540].rstrip(b"\0") == b"19 size=8590983168\n"
    info = tarfile.TarInfo.frombuf(head[1024:], "utf-8", "surrogateescape")
    assert (info.name, info.size) == ("huge", 0)
    rest = gzip.decompress(FakeView(maker, [last]).tar_gz())
    crc = crc32_combine(crc32_combine(zlib.crc32(head), huge.crc32, huge.size), zlib.crc32(rest), len(rest))
    assert struct.unpack("<LL", whole[-8:]) == (crc, (1536 + huge.size + len(rest)) & LIMIT_32)


def test_over_65534_entries(tmp_path: Path) -> None:
    maker = Maker()
    view = FakeView(maker, [maker.file(f"{n // 1000:02d}/{n:05d}", b"%d" % n) for n in range(65_600)], 1000)
    path = tmp_path / "many.zip"
    with path.open("wb") as out:
        view.write_zip(out)
    with zipfile.ZipFile(path) as zf:
        assert len(zf.infolist()) == 65_600
        assert zf.read("65/65599") == b"65599"
    assert b"No errors detected" in run("unzip", "-tq", path).stdout
    assert b"Files: 65600" in run("7z", "t", path).stdout
    lines = java("-s", path)
    wanted = {f"{n // 1000:02d}/{n:05d}": (len(str(n)), zlib.crc32(b"%d" % n)) for n in range(65_600)}
    assert lines[0] == "entries 65600"
    assert crcs(lines, "file") == crcs(lines, "stream") == wanted
    assert len(through_pipe(path.read_bytes(), "bsdtar", "-tf", "-").splitlines()) == 65_600
    assert len(run("bsdtar", "-tf", path).stdout.splitlines()) == 65_600


def test_end_records_use_zip64_only_where_needed() -> None:
    end = struct.Struct("<4sHHHHLLH")
    for values in ((65_534, 9, 9), (1, LIMIT_32 - 1, 9), (1, 9, LIMIT_32 - 1)):
        data = end_records(*values)
        assert end.unpack(data) == (b"PK\x05\x06", 0, 0, values[0], *values, 0)
    for values, written in (
        ((65_535, 9, 9), (65_535, 9, 9)),
        ((70_000, 9, 9), (65_535, 9, 9)),
        ((1, LIMIT_32, 9), (1, LIMIT_32, 9)),
        ((1, 9, LIMIT_32), (1, 9, LIMIT_32)),
        ((1, 9, 5 * GIB), (1, 9, LIMIT_32)),
    ):
        data = end_records(*values)
        assert end.unpack(data[76:]) == (b"PK\x05\x06", 0, 0, written[0], *written, 0)
        assert struct.unpack("<4sQHHLLQQQQ", data[:56]) == (
            b"PK\x06\x06",
            44,
            3 << 8 | 45,
            45,
            0,
            0,
            values[0],
            *values,
        )
        assert struct.unpack("<4sLQL", data[56:76]) == (b"PK\x06\x07", 0, values[1] + values[2], 1)


def far_view(per_block: int) -> FakeView:
    """Small entries on both sides of 4 GiB, and beyond it one that is over 4 GiB itself."""
    maker = Maker()
    part = bytes(MIB)
    stored = stored_blocks(part)
    count = 4 * GIB // len(stored)
    entries: list[Entry] = [maker.file(f"a{n}", b"before %d" % n) for n in range(4)]
    entries.append(maker.repeated("b huge", part, count, stored))
    entries += [maker.file(f"c{n}", b"around %d" % n) for n in range(3)]
    entries.append(maker.repeated("d fill", part, 2, stored))
    entries += [maker.file(f"e{n}", b"behind %d " % n * 100) for n in range(5)]
    entries.append(maker.repeated("f over", part, 4099, stored))
    entries.append(maker.file("g last", b"the last one"))
    return FakeView(maker, entries, per_block)


def write_with_holes(view: FakeView, path: Path, start: int = 0) -> int:
    """Write the zip, leaving out the long stored segments; returns its length."""
    total = zip_layout.total_bytes(view)
    with path.open("wb") as out:
        for piece in zip_layout.pieces(view, start, total):
            if isinstance(piece, SegmentPiece) and piece.stored > MIB:
                out.seek(piece.take, os.SEEK_CUR)
            else:
                out.write(b"".join(view.bytes_of([piece])))
        assert out.tell() == total - start
    return total


@pytest.mark.parametrize("per_block", [1, 4, 300])
def test_offsets_beyond_4_gib(tmp_path: Path, per_block: int) -> None:
    view = far_view(per_block)
    path = tmp_path / "far.zip"
    total = write_with_holes(view, path)
    assert total > 8 * GIB
    small = [e for e in view.entries if e.size < MIB]
    with zipfile.ZipFile(path) as zf:
        infos = {i.filename: i for i in zf.infolist()}
        assert len(infos) == len(view.entries)
        for entry in small:
            zf.read(entry.path.decode())
        for info in infos.values():
            is_far, is_large = info.header_offset >= LIMIT_32, info.file_size >= LIMIT_32
            assert info.extract_version == (45 if is_far or is_large else 20)
            wanted = 16 * is_large + 8 * is_far
            assert struct.unpack_from("<HH", info.extra) == ((1, wanted) if wanted else (0x5455, 5))
        assert [infos[n].header_offset >= LIMIT_32 for n in ("c0", "c2", "e0", "g last")] == [False, False, True, True]
        assert (infos["f over"].header_offset >= LIMIT_32, infos["f over"].file_size) == (True, 4099 * MIB)
        central = zf.start_dir
    with path.open("rb") as file:
        for info in infos.values():  # local == central, also for the version
            file.seek(info.header_offset)
            assert struct.unpack("<4sH", file.read(6)) == (b"PK\x03\x04", info.extract_version)
        file.seek(central)
        tail = file.read()
    for start in (central, central + 1, central + len(tail) // 2, total - 98, total - 22, total - 1):
        assert view.zip(start, total) == tail[start - central :]
    assert view.zip(4 * GIB - 5, 4 * GIB + 5) == b"".join(_read(path, 4 * GIB - 5, 10))


def _read(path: Path, at: int, size: int) -> list[bytes]:
    with path.open("rb") as file:
        file.seek(at)
        return [file.read(size)]


def test_tools_read_what_lies_beyond_4_gib(tmp_path: Path) -> None:
    view = far_view(4)
    path = tmp_path / "far.zip"
    write_with_holes(view, path)
    for name in ("a0", "c2", "e4", "g last"):
        content = zlib.crc32(run("bsdtar", "-xOf", path, name).stdout)
        assert content == next(e.crc32 for e in view.entries if e.path == name.encode())
        assert b"No errors" in run("unzip", "-tq", path, name).stdout
        assert b"Everything is Ok" in run("7z", "t", path, name).stdout
    lines = java(*(f"{path}::{name}" for name in ("e4", "last")))
    assert crcs(lines, "listed")["f over"] == (4099 * MIB, next(e.crc32 for e in view.entries if e.path == b"f over"))
    wanted = {e.path.decode(): (e.size, e.crc32) for e in view.entries if e.path in (b"e4", b"g last")}
    assert crcs(lines, "file") == wanted
