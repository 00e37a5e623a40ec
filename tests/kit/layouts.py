"""A backup made up in memory for the tests of the layouts: entries with real segments, in blocks of any size."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import pytest
from isal import isal_zlib

from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.layout.pieces import Piece, SegmentPiece
from holdfast.vault.manifest.block import Block, decode_block, encode_block
from holdfast.vault.manifest.entry import Entry, Extent, Extra, Kind, ListRef
from holdfast.vault.manifest.listing import BlockRef, BlockSums
from kit.blocks import block_of

MTIME_NS = 1_700_000_001_000_000_000
FRACTION_NS = 1_700_000_001_123_456_789


def segment_of(data: bytes) -> bytes:
    """Raw deflate, not final, at a byte border."""
    deflater = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
    return bytes(deflater.compress(data) + deflater.flush(isal_zlib.Z_SYNC_FLUSH))


@dataclass
class Maker:
    """Makes entries and keeps their segments and extent lists."""

    segments: dict[bytes, bytes] = field(default_factory=dict)
    lists: dict[bytes, tuple[Extent, ...]] = field(default_factory=dict)

    def extent(self, data: bytes, repeat: int = 1, segment: bytes | None = None) -> Extent:
        segment = segment_of(data) if segment is None else segment
        chunk_id = blake2b(data + segment, digest_size=32).digest()
        self.segments[chunk_id] = segment
        return Extent(chunk_id, len(segment), len(data), repeat)

    def file(
        self,
        path: str | bytes,
        data: bytes = b"",
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        mtime_ns: int = MTIME_NS,
        chunk_bytes: int = 1 << 20,
        inline_max: int = 256,
        listed: int = 0,
        xattrs: tuple[tuple[bytes, bytes], ...] = (),
        hard_link: bytes | None = None,
    ) -> Entry:
        """A file. `listed`: put the extents into lists of so many."""
        extents: tuple[Extent, ...] = ()
        inline = None
        lists: tuple[ListRef, ...] = ()
        if 0 < len(data) <= inline_max:
            inline = data
        else:
            extents = tuple(self.extent(data[i : i + chunk_bytes]) for i in range(0, len(data), chunk_bytes))
        if listed:
            lists = tuple(self.listing(extents[i : i + listed]) for i in range(0, len(extents), listed))
            extents = ()
        extra = Extra(inline=inline, lists=lists, xattrs=xattrs, hard_link=hard_link)
        return Entry(
            raw_path(path),
            Kind.FILE,
            mode,
            uid,
            gid,
            mtime_ns,
            len(data),
            zlib.crc32(data),
            extents,
            extra,
        )

    def listing(self, extents: tuple[Extent, ...]) -> ListRef:
        list_id = blake2b(repr(extents).encode(), digest_size=32).digest()
        self.lists[list_id] = extents
        return ListRef(
            list_id, len(extents), sum(e.stored * e.repeat for e in extents), sum(e.raw * e.repeat for e in extents)
        )

    def repeated(self, path: str, data: bytes, repeat: int, segment: bytes | None = None) -> Entry:
        """A file of `repeat` copies of `data`."""
        crc, unit = repeated_crc(isal_zlib.crc32(data), len(data), repeat), len(data)
        extent = self.extent(data, repeat, segment)
        return Entry(raw_path(path), Kind.FILE, 0o644, 0, 0, MTIME_NS, unit * repeat, crc, (extent,))


def raw_path(path: str | bytes) -> bytes:
    return path.encode() if isinstance(path, str) else path


def repeated_crc(crc: int, size: int, repeat: int) -> int:
    """CRC-32 of `repeat` copies of something with the given CRC and size; by doubling."""
    total, power = 0, crc
    while repeat:
        if repeat & 1:
            total = isal_zlib.crc32_combine(total, power, size)
        power = isal_zlib.crc32_combine(power, power, size)
        size *= 2
        repeat >>= 1
    return total


def folder(path: str | bytes, mode: int = 0o755, mtime_ns: int = MTIME_NS, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(raw_path(path), Kind.FOLDER, mode, uid, gid, mtime_ns, 0, 0)


def symlink(path: str | bytes, target: str | bytes, mtime_ns: int = MTIME_NS) -> Entry:
    extra = Extra(target=raw_path(target))
    return Entry(raw_path(path), Kind.SYMLINK, 0o777, 0, 0, mtime_ns, len(raw_path(target)), 0, (), extra)


class FakeView:
    """A ManifestView over made-up entries; blocks end after every `per_block` of them."""

    def __init__(self, maker: Maker, entries: Sequence[Entry], per_block: int = 300, zip_layout: int = 1) -> None:
        self.maker = maker
        self.zip_layout = zip_layout
        self.entries = sorted(entries, key=lambda e: e.path.split(b"/"))
        self.decoded = [
            decode_block(encode_block(block_of(self.entries[i : i + per_block])))
            for i in range(0, len(self.entries), per_block)
        ]

    @cached_property
    def blocks(self) -> Sequence[BlockRef]:
        return [
            BlockRef(
                b"", b"", block.path(0), BlockSums(len(block), *zip_layout.measure(block), targz.measure_tar(block))
            )
            for block in self.decoded
        ]

    def block(self, number: int) -> Block:
        return self.decoded[number]

    def extent_list(self, ref: ListRef) -> tuple[Extent, ...]:
        return self.maker.lists[ref.chunk_id]

    def bytes_of(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        for piece in pieces:
            if isinstance(piece, SegmentPiece):
                segment = self.maker.segments[piece.chunk_id]
                assert len(segment) == piece.stored
                assert piece.take > 0
                yield segment[piece.skip : piece.skip + piece.take]
            else:
                assert piece
                yield piece

    def zip(self, start: int = 0, stop: int | None = None) -> bytes:
        stop = zip_layout.total_bytes(self) if stop is None else stop
        return b"".join(self.bytes_of(zip_layout.pieces(self, start, stop)))

    def tar_gz(self, start: int = 0, stop: int | None = None) -> bytes:
        stop = targz.total_bytes(self) if stop is None else stop
        return b"".join(self.bytes_of(targz.pieces(self, start, stop)))

    def write_zip(self, out: IO[bytes]) -> None:
        for data in self.bytes_of(zip_layout.pieces(self, 0, zip_layout.total_bytes(self))):
            out.write(data)

    def write_tar_gz(self, out: IO[bytes]) -> None:
        for data in self.bytes_of(targz.pieces(self, 0, targz.total_bytes(self))):
            out.write(data)


def run(*command: str | Path, stdin: IO[bytes] | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run a tool in a UTF-8 locale; skips the test when it is not on the machine."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [str(part) for part in command],
        stdin=stdin,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )
    if check:
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


def java(*args: str | Path) -> list[str]:
    """Lines that ReadZips.java prints."""
    source = Path(__file__).with_name("ReadZips.java")
    return run("java", "-XX:TieredStopAtLevel=1", source, *args).stdout.decode().splitlines()


def tree(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """What is in a folder: mode, time in whole seconds, and content or target, by path. No modes of links."""
    found: dict[bytes, tuple[object, ...]] = {}
    root = os.fsencode(folder)
    for base, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(base, name)
            status = os.lstat(path)
            key = os.path.relpath(path, root)
            if stat.S_ISLNK(status.st_mode):
                found[key] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[key] = ("folder", status.st_mode & 0o7777, int(status.st_mtime))
            else:
                with open(path, "rb") as file:
                    found[key] = ("file", status.st_mode & 0o7777, int(status.st_mtime), file.read())
    return found


def expected_tree(entries: Sequence[Entry], contents: dict[bytes, bytes]) -> dict[bytes, tuple[object, ...]]:
    """The tree that the entries describe."""
    out: dict[bytes, tuple[object, ...]] = {}
    for e in entries:
        seconds = e.mtime_ns // 10**9
        if e.kind is Kind.SYMLINK:
            out[e.path] = ("link", e.extra.target)
        elif e.kind is Kind.FOLDER:
            out[e.path] = ("folder", e.mode, seconds)
        else:
            out[e.path] = ("file", e.mode, seconds, contents[e.path])
    return out


TEXT = b"".join(b"line %d of a text that shrinks well when it is deflated\n" % n for n in range(6000))
NOISE = random.Random(5).randbytes(70_000)


@dataclass
class Sample:
    """A backup with something of everything."""

    view: FakeView
    contents: dict[bytes, bytes]


def sample(per_block: int, *, is_utf8: bool = False, mtime_ns: int = MTIME_NS) -> Sample:
    """Something of everything. `is_utf8`: no names that a zip has to change."""
    maker = Maker()
    contents: dict[bytes, bytes] = {}
    entries: list[Entry] = []

    def add(path: str | bytes, data: bytes, **more: Any) -> None:
        contents[raw_path(path)] = data
        entries.append(maker.file(path, data, **{"mtime_ns": mtime_ns, **more}))

    for path in ("app", "app/empty folder", "app/src", "名前", "d" * 99, "e" * 100, "long"):
        entries.append(folder(path, mode=0o750, mtime_ns=mtime_ns))
    add("app/0 bytes", b"")
    add("app/script.sh", b"#!/bin/sh\necho hello\n", mode=0o755)
    add("app/suid", b"x" * 257, mode=0o4755)
    add("app/readonly.txt", TEXT[:5000], mode=0o400)
    add("app/src/text.txt", TEXT, chunk_bytes=65_536)
    add("app/src/listed.txt", TEXT, chunk_bytes=4_000, listed=7)
    add("app/src/noise.bin", NOISE, chunk_bytes=30_000)
    add("app/block.bin", NOISE[:1024])
    add("名前/你好.txt", b"Chinese" * 100)
    add("مرحبا بالعالم.txt", b"Arabic")
    add("😀🎉.txt", "emoji 😀".encode())
    add("with space, ümläut and 'quotes'.txt", b"quotes")
    for length in (98, 99, 100, 101, 255):
        add("n" * length, b"n" * length)
    add("long/" + "/".join(["deep"] * 60) + ".txt", b"deep")
    for n in range(1, 61):
        entries.append(folder("long/" + "/".join(["deep"] * n) if n < 60 else "long/last", mtime_ns=mtime_ns))
    entries.append(symlink("app/link", "src/text.txt", mtime_ns))
    entries.append(symlink("app/gone", "../no/such/file", mtime_ns))
    entries.append(symlink("app/long link", "x" * 150, mtime_ns))
    entries.append(symlink("app/名", "名前/你好.txt", mtime_ns))
    add("zhard", TEXT[:9000])
    add("zhard2", TEXT[:9000], hard_link=b"zhard")
    if not is_utf8:
        add(b"bad \xff\xfe name \xe4\xb8.bin", b"bytes" * 90)
        add(b"bad \xed\xa0\x80 surrogate", b"surrogate")
        entries.append(symlink("zlink", b"to \xff", mtime_ns))
    return Sample(FakeView(maker, entries, per_block), contents)
