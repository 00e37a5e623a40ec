"""Archives that cost little to send: whoever reads one needs bounded memory and time, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit.hostile import MIB
from kit.hostile_archives import (
    ZIP_LINK,
    Entry,
    extended,
    gzipped,
    many_records,
    raw_deflate,
    tar_header,
    zip64_of,
)

CHECK_PEAK_MAX = 60 * MIB
"""Of the process that serves the web, which looks at an archive before it is queued; Python alone has 30."""
UNPACK_PEAK_MAX = 170 * MIB
"""Names, targets and attributes may take 64 MiB here, and 200,000 entries as much."""
CPU_SECONDS_MAX = 15.0
CONTENT_BYTES_MAX = 50_000_000
ENTRIES_MAX = 200_000
NAMES_BYTES_MAX = 64 * MIB

_MEASURE = """
import json, resource, shutil, sys, time
from pathlib import Path
from holdfast.sources.archive.errors import ArchiveRefused, Limits
from holdfast.sources.archive.source import check_archive, unpack

def outcome(work):
    Path("/proc/self/clear_refs").write_text("5")
    began = time.process_time()
    try:
        work()
        said = ""
    except ArchiveRefused as error:
        said = str(error)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return said, peak, time.process_time() - began

archive, contents, limits = Path(sys.argv[1]), Path(sys.argv[2]), Limits(*map(int, sys.argv[3:]))
found = [outcome(lambda: check_archive(archive, limits)), outcome(lambda: unpack(archive, contents, limits))]
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Outcome:
    """What looking at an archive, or unpacking it, came to; `said` is empty when all went well."""

    said: str
    peak_bytes: int
    cpu_seconds: float


def read_apart(folder: Path, archive: bytes) -> tuple[Outcome, Outcome]:
    """Check and unpack an archive in a process of its own, so that its peak is its own too."""
    (folder / "archive").write_bytes(archive)
    done = subprocess.run(
        [
            sys.executable, "-c", _MEASURE, str(folder / "archive"), str(folder / "contents"),
            str(CONTENT_BYTES_MAX), str(ENTRIES_MAX), str(NAMES_BYTES_MAX),
        ],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check, unpacked = json.loads(done.stdout)
    return Outcome(*check), Outcome(*unpacked)


# -- zips ----------------------------------------------------------------------------------------------------------


def one_deep_name() -> bytes:
    """65 KB that named 130 MB of folders: 0.3 GB in the web process and 1 GB in the import."""
    return zip64_of([Entry(b"x/" * 16_300 + b"f")])


def deep_names() -> bytes:
    """Each with folders of its own: beyond what a tree may have."""
    return zip64_of(Entry(b"%d/" % number + b"x/" * 16_300 + b"f") for number in range(13))


def many_entries() -> bytes:
    return zip64_of(Entry(b"%07d" % number) for number in range(20_000))


def long_targets() -> bytes:
    """22 bytes a link, and 4,000 unpacked: all targets were held before the first was counted."""
    target = b"x" * 4000
    return zip64_of(Entry.of(b"%07d" % number, target, ZIP_LINK) for number in range(60_000))


def one_kernel() -> bytes:
    """David Fifield's bomb, with full overlap: each entry of the directory means the same bytes."""
    content = bytes(1_000_000)
    kernel = zip64_of([Entry.of(b"a", content)])[: 31 + len(raw_deflate(content))]
    entry = Entry.of(b"a", content)
    names = (b"%05d" % number for number in range(1, 5000))
    return zip64_of((Entry(n, entry.packed, entry.size, entry.crc32, offset=0) for n in names), content=kernel)


def quoted_overlap() -> bytes:
    """The better one: each member's deflate stream quotes the next one's local header, and goes on in its content."""
    content = bytes(200_000)
    parts: list[bytes] = [raw_deflate(content)]
    sizes, crcs = [len(content)], [zlib.crc32(content)]
    headers: list[bytes] = []
    for number in range(100):
        name = b"%05d" % number
        packed = len(b"".join(parts))
        header = struct.pack("<4sHHHHHLLLHH", b"PK\x03\x04", 20, 0, 8, 0, 33, crcs[-1], packed, sizes[-1], 5, 0) + name
        headers.append(header)
        quoted = b"\x00" + struct.pack("<HH", len(header), len(header) ^ 0xFFFF)
        crcs.append(zlib.crc32(content, zlib.crc32(header)))
        sizes.append(sizes[-1] + len(header))
        parts.insert(0, quoted + header)
    blob = headers[-1] + b"".join(parts[1:])
    at, entries = 0, []
    for number in reversed(range(100)):
        packed = len(blob) - at - 35
        entries.append(Entry(b"%05d" % number, b"", sizes[number], crcs[number], offset=at, packed_bytes=packed))
        at += 35 + 5
    return zip64_of(entries, content=blob)


def lie_of_zip64() -> bytes:
    """A few bytes that a zip64 field calls a terabyte."""
    content = b"hello"
    extra = struct.pack("<HHQ", 1, 8, 1 << 40)
    return zip64_of([Entry(b"a", raw_deflate(content), 0xFFFF_FFFF, zlib.crc32(content), extra=extra)])


def ratio() -> bytes:
    """1,000 times its size."""
    return zip64_of([Entry.of(b"zeros", bytes(CONTENT_BYTES_MAX + 1))])


def ratio_with_a_lie() -> bytes:
    """The same, and the directory says it is small."""
    honest = Entry.of(b"zeros", bytes(CONTENT_BYTES_MAX + 1))
    return zip64_of([Entry(honest.name, honest.packed, 100, honest.crc32)])


ODD_NAMES = [b"back\\slash", b"con\x1btrol\x07", b"line\nbreak", b"-rf", b"C:", b"\xff\xfe", b" ", b"..x", b"x.."]


# -- tars ----------------------------------------------------------------------------------------------------------


def values_for_all() -> bytes:
    """80 KB: 300,000 values that were put together anew for each member, and never forgotten."""
    return gzipped(extended(b"g", many_records(300_000)), *(tar_header(b"f%d" % number) for number in range(300)))


def piles_of_values() -> bytes:
    headers = (extended(b"g", many_records(90_000, 90_000 * n)) for n in range(24))
    return gzipped(*(header + tar_header(b"f%d" % n) for n, header in enumerate(headers)))


def attributes_of_all() -> bytes:
    """Attributes that each link gets, without end."""
    records = b"".join(b"26 SCHILY.xattr.u.%06d=\n" % number for number in range(90_000))
    links = (tar_header(b"l%d" % number, b"2") for number in range(300))
    return gzipped(extended(b"g", records), *links)


def headers_of_nothing() -> bytes:
    """Labels, the root folder and empty extended headers make no member, and there was room for 8 GiB of them."""
    trio = tar_header(b"v", b"V") + tar_header(b"./", b"5") + tar_header(b"x", b"x")
    return gzipped(trio * 50_000, ends=False)


def endless_zeros() -> bytes:
    zeros = gzip.compress(bytes(4 * MIB), mtime=0)
    return gzipped(tar_header(b"f")) + zeros * 200


def streams_of_nothing() -> bytes:
    """Streams of 20 bytes, one after the other, in which nothing is: no cancelling came between them."""
    return gzip.compress(b"", mtime=0) * 200_000 + gzipped(tar_header(b"f"))


def bomb_of_gzip() -> bytes:
    size = CONTENT_BYTES_MAX + 512
    return gzipped(tar_header(b"zeros", size=size), bytes(size))


def bomb_of_two_layers() -> bytes:
    """The inner one is a file like any other."""
    inner = bomb_of_gzip()
    return gzipped(tar_header(b"inner.tar.gz", size=len(inner)), inner, bytes(-len(inner) % 512))


def size_below_zero() -> bytes:
    return gzipped(tar_header(b"f", raw_size=b"\xff" * 11 + b"\x00"))


def size_of_everything() -> bytes:
    return gzipped(tar_header(b"f", raw_size=b"\x80" + b"\x00" * 3 + b"\x7f" * 8))


Build = Callable[[], bytes]
REFUSED: list[tuple[Build, str]] = [
    (deep_names, "more than 200,000 files and folders"),
    (long_targets, "take more than 67,108,864 bytes"),
    (one_kernel, "larger than the 50,000,000 bytes"),
    (quoted_overlap, "lies over another member"),
    (lie_of_zip64, "larger than the 50,000,000 bytes"),
    (ratio, "larger than the 50,000,000 bytes"),
    (ratio_with_a_lie, "larger than the zip says"),
    (lambda: zip64_of([Entry(b"a")], count=1 << 62), "more than 200,000 files"),
    (lambda: zip64_of([Entry(b"a")], count=100_000), "directory ends in the middle"),
    (lambda: zip64_of([Entry(b"b"), Entry(b"a", offset=1 << 31)]), "reaches into its directory"),
    (lambda: zip64_of([Entry(b"n" * 65_000)]), "more than 255 bytes"),
    (values_for_all, "far more extended headers"),
    (piles_of_values, "far more extended headers"),
    (attributes_of_all, "more than 100 values for all members"),
    (headers_of_nothing, "far more headers and padding"),
    (endless_zeros, "far more headers and padding"),
    (streams_of_nothing, "more than 1,000 gzip streams without content"),
    (bomb_of_gzip, "larger than the 50,000,000 bytes"),
    (size_below_zero, "negative size"),
    (size_of_everything, "larger than the 50,000,000 bytes"),
]
IMPORTED: list[Build] = [
    one_deep_name,
    many_entries,
    bomb_of_two_layers,
    lambda: zip64_of(Entry(name) for name in ODD_NAMES),
]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Path]:
    """A folder to unpack in; nothing comes to be beside it."""
    folder = tmp_path / "inside"
    folder.mkdir()
    yield folder
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def named(value: object) -> str | None:
    return str(getattr(value, "__name__", "")) or None


@pytest.mark.parametrize(("build", "why"), REFUSED, ids=named)
def test_it_is_refused_before_it_has_cost_much(build: Build, why: str, watched: Path) -> None:
    check, unpacked = read_apart(watched, build())
    assert why in unpacked.said
    assert check.said in ("", unpacked.said), "the same sentence, whoever finds it"
    bounded(check, unpacked)


@pytest.mark.parametrize("build", IMPORTED, ids=named)
def test_it_is_read_for_what_it_is(build: Build, watched: Path) -> None:
    check, unpacked = read_apart(watched, build())
    assert (check.said, unpacked.said) == ("", "")
    bounded(check, unpacked)


def bounded(check: Outcome, unpacked: Outcome) -> None:
    assert check.peak_bytes < CHECK_PEAK_MAX, f"{check.peak_bytes / MIB:.0f} MiB"
    assert unpacked.peak_bytes < UNPACK_PEAK_MAX, f"{unpacked.peak_bytes / MIB:.0f} MiB"
    assert check.cpu_seconds < 2
    assert unpacked.cpu_seconds < CPU_SECONDS_MAX, f"{unpacked.cpu_seconds:.1f} s"
