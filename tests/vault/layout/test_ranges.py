"""Both layouts: a range is what the whole has there; lengths are known before; the bytes never change."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.layouts import FRACTION_NS, MTIME_NS, FakeView, Maker, Sample, folder, repeated_crc, sample, symlink

from holdfast.vault.errors import FormatError
from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.layout.names import zip_name
from holdfast.vault.manifest.entry import Entry, Extent, Extra, Kind
from holdfast.vault.pack.segment import stored_blocks


def tiny() -> list[Entry]:
    """A file of four segments, two of them the same, and a link."""
    parts = (MAKER.extent(b"a", 1, stored_blocks(b"a")), MAKER.extent(b"b", 2, stored_blocks(b"b")))
    return [Entry(b"f", Kind.FILE, 0o644, 0, 0, MTIME_NS, 3, zlib.crc32(b"abb"), parts), symlink("l", "f", FRACTION_NS)]


MAKER = Maker()


@pytest.mark.parametrize("layout", ["zip", "tar_gz"])
def test_every_range_of_a_small_one(layout: str) -> None:
    render = getattr(FakeView(MAKER, tiny()[:1]), layout)
    whole = render()
    for start in range(len(whole) + 1):
        for stop in range(start, len(whole) + 1):
            assert render(start, stop) == whole[start:stop]


@pytest.mark.parametrize("layout", ["zip", "tar_gz"])
def test_every_start_and_every_stop_of_one_with_two_blocks(layout: str) -> None:
    render = getattr(FakeView(MAKER, tiny(), 1), layout)
    whole = render()
    for at in range(len(whole) + 1):
        assert render(at) == whole[at:]
        assert render(0, at) == whole[:at]
        for other in range(at, min(at + 8, len(whole) + 1)):
            assert render(at, other) == whole[at:other]


@pytest.fixture(scope="module")
def made() -> Sample:
    return sample(5, mtime_ns=FRACTION_NS)


@pytest.fixture(scope="module")
def wholes(made: Sample) -> tuple[bytes, bytes]:
    return made.view.zip(), made.view.tar_gz()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_range_of_larger_ones(made: Sample, wholes: tuple[bytes, bytes], data: st.DataObject) -> None:
    for whole, render in zip(wholes, (made.view.zip, made.view.tar_gz), strict=True):
        start = data.draw(st.integers(0, len(whole)))
        stop = data.draw(st.integers(start, len(whole)) | st.integers(start, min(start + 100, len(whole))))
        assert render(start, stop) == whole[start:stop]


def test_the_trailer_is_right_from_wherever_one_begins(made: Sample, wholes: tuple[bytes, bytes]) -> None:
    whole = wholes[1]
    for start in [*range(0, len(whole), 4001), *range(len(whole) - 30, len(whole) + 1)]:
        assert made.view.tar_gz(start) == whole[start:]


@pytest.mark.parametrize("per_block", [1, 3, 300])
def test_the_bytes_do_not_depend_on_how_blocks_are_cut(wholes: tuple[bytes, bytes], per_block: int) -> None:
    view = sample(per_block, mtime_ns=FRACTION_NS).view
    assert (view.zip(), view.tar_gz()) == wholes


NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=130)
PATHS = st.one_of(
    NAMES.map(lambda name: name.encode()),
    st.binary(min_size=1, max_size=130).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"-")),
    st.integers(95, 105).map(lambda n: b"p" * n),
).filter(lambda name: name not in (b".", b".."))
TIMES = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**31).map(lambda n: n * 10**9), st.integers(0, 2**61)
)
OWNERS = st.integers(0, 2**32 - 1) | st.integers(0, 70_000)
XATTRS = st.dictionaries(st.binary(min_size=1, max_size=20).map(lambda b: b.hex().encode()), st.binary(max_size=60))


@st.composite
def backups(draw: st.DrawFn) -> tuple[FakeView, dict[bytes, bytes]]:
    maker = Maker()
    entries: list[Entry] = []
    contents: dict[bytes, bytes] = {}
    for path in draw(st.lists(PATHS, max_size=12, unique=True)):
        mtime_ns, uid, gid, mode = draw(TIMES), draw(OWNERS), draw(OWNERS), draw(st.integers(0, 0o7777))
        match draw(st.integers(0, 4)):
            case 0:
                entries.append(folder(path, mode, mtime_ns, uid, gid))
            case 1:
                entries.append(symlink(path, draw(st.binary(min_size=1, max_size=120)), mtime_ns))
            case 2 if contents:
                first = draw(st.sampled_from(sorted(contents)))
                contents[path] = contents[first]
                entries.append(maker.file(path, contents[path], mtime_ns=mtime_ns, hard_link=first))
            case _:
                contents[path] = draw(st.binary(max_size=600) | st.binary(max_size=3).map(lambda b: b * 513))
                entries.append(
                    maker.file(
                        path,
                        contents[path],
                        mode=mode,
                        uid=uid,
                        gid=gid,
                        mtime_ns=mtime_ns,
                        chunk_bytes=draw(st.sampled_from([100, 1000])),
                        listed=draw(st.sampled_from([0, 0, 2])) if len(contents[path]) > 256 else 0,
                        xattrs=tuple(sorted(draw(XATTRS).items())),
                    )
                )
    return FakeView(maker, entries, draw(st.integers(1, 5)), draw(st.sampled_from([1, 2]))), contents


@settings(max_examples=250, deadline=None)
@given(backups())
def test_random_backups_have_the_promised_lengths_and_contents(made: tuple[FakeView, dict[bytes, bytes]]) -> None:
    view, contents = made
    data = view.zip()
    assert len(data) == zip_layout.total_bytes(view)
    with zipfile.ZipFile(io.BytesIO(data)) as zf:
        assert len(zf.infolist()) == len(view.entries)
        for entry, info in zip(view.entries, zf.infolist(), strict=True):
            assert info.orig_filename.encode() == zip_name(entry.path) + (b"/" if entry.kind is Kind.FOLDER else b"")
            assert zf.read(info) == (entry.extra.target or contents.get(entry.path, b""))
    data = view.tar_gz()
    assert len(data) == targz.total_bytes(view)
    tar = gzip.decompress(data)
    assert len(tar) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:", errors="surrogateescape") as archive:
        members = archive.getmembers()
        assert len(members) == len(view.entries)
        for entry, member in zip(view.entries, members, strict=True):
            assert member.name.encode(errors="surrogateescape") == entry.path.rstrip(b"/")
            assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
            if member.isreg():
                content = archive.extractfile(member)
                assert content is not None
                assert content.read() == contents[entry.path]


@settings(max_examples=100, deadline=None)
@given(backups(), st.data())
def test_layouts_of_the_zip_differ_in_times_before_1970_alone(
    made: tuple[FakeView, dict[bytes, bytes]], data: st.DataObject
) -> None:
    view, _ = made
    view.zip_layout = 1
    first = view.zip()
    view.zip_layout = 2
    second = view.zip()
    assert len(first) == len(second) == zip_layout.total_bytes(view)
    assert (first != second) == any(entry.mtime_ns < 0 and entry.mtime_ns // 100 != 0 for entry in view.entries)
    start = data.draw(st.integers(0, len(second)))
    stop = data.draw(st.integers(start, len(second)))
    assert view.zip(start, stop) == second[start:stop]
    with zipfile.ZipFile(io.BytesIO(second)) as archive:
        for info in archive.infolist():
            if info.extra[:2] == b"\x0a\x00":
                assert struct.unpack_from("<QQQ", info.extra, 12) >= (TICKS_TO_1970,) * 3


TICKS_TO_1970 = 116_444_736_000_000_000


def golden(layout: int = 1) -> FakeView:
    """A backup that is the same on every machine: its segments are stored blocks."""
    maker = Maker()

    def stored(path: str, parts: list[bytes], mtime_ns: int, **more: int) -> Entry:
        data = b"".join(parts)
        extents: tuple[Extent, ...] = tuple(maker.extent(part, 1, stored_blocks(part)) for part in parts)
        return Entry(path.encode(), Kind.FILE, 0o640, 7, 8, mtime_ns, len(data), zlib.crc32(data), extents)

    hole = maker.extent(bytes(1000), 3, stored_blocks(bytes(1000)))
    sparse = Entry(
        b"app/sparse", Kind.FILE, 0o600, 1, 2, 0, 3000, repeated_crc(zlib.crc32(bytes(1000)), 1000, 3), (hole,)
    )
    text = stored("app/text", [b"golden " * 100, b"and more " * 70], FRACTION_NS)
    linked = Entry(
        b"app/text2",
        Kind.FILE,
        0o640,
        7,
        8,
        FRACTION_NS,
        text.size,
        text.crc32,
        text.extents,
        Extra(hard_link=b"app/text"),
    )
    entries = [
        folder("app", 0o755, FRACTION_NS),
        maker.file("app/empty"),
        maker.file("app/inline", b"inline content\n", mode=0o755, uid=1000, gid=1000, mtime_ns=FRACTION_NS),
        sparse,
        text,
        linked,
        symlink("app/link", "text", FRACTION_NS),
        maker.file("名前.txt", b"name", uid=3_000_000),
        maker.file(b"bad\xff.txt", b"name", xattrs=((b"user.a", b"1\x00\xff"),)),
        maker.file("o" * 120, b"long", mtime_ns=-1),
        maker.file("future", b"f", mtime_ns=2**31 * 10**9),
    ]
    return FakeView(maker, entries, 4, layout)


def test_the_bytes_of_a_fixed_backup_never_change() -> None:
    view = golden()
    assert sha256(view.zip()).hexdigest() == "3ed45980079bee7e61a22d78a641d77ef85265ec88e5d6828a6dc5e030c0277c"
    assert sha256(view.tar_gz()).hexdigest() == "d8b0152cb5fb24eaee27b007667100c914adf0d1bd794d139e41dcc687d2c32f"
    assert sha256(golden(2).zip()).hexdigest() == "d71075f40be360190b9b8630cc80856df3b04e503860417651603f7ae4198545"
    assert golden(2).tar_gz() == view.tar_gz()


def test_a_listing_that_promises_another_length_is_refused() -> None:
    view = golden()
    blocks = view.blocks
    assert isinstance(blocks, list)
    blocks[0] = blocks[1]
    with pytest.raises(FormatError):
        view.zip()
    with pytest.raises(FormatError):
        view.tar_gz()
