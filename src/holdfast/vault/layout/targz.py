"""The tar.gz layout: one gzip member (RFC 1952) of a POSIX pax archive (IEEE 1003.1-2017), everything a zip cannot hold.

Hard links, owners, nanoseconds, extended attributes, exact names. The deflate stream is, member after member: the header
blocks (`zeros.sparse_segment`), the segments of the content, the padding; then two blocks of zeros and the end.

A pax header stands before a member only for what the ustar header cannot say: a name or link target over 100 bytes or
not ASCII, a size from 8 GiB on, an owner over 2,097,151, a time with a fraction or before 1970, extended attributes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from isal.isal_zlib import crc32, crc32_combine
from numpy.typing import NDArray

from holdfast.vault.entry import Extra, Kind
from holdfast.vault.layout.pieces import Contents, ManifestView, Piece, clip
from holdfast.vault.layout.zeros import sparse_segment, zero_run
from holdfast.vault.manifest import Block
from holdfast.vault.segment import FINAL, stored_blocks

GZIP_HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3])
_GZIP_TRAILER_BYTES = 8
_END_ZEROS = 1024
_NAME_BYTES_MAX = 100
_OWNER_MAX = 0o7777777
_SIZE_MAX = 0o77777777777
_SECONDS_MAX = 0o77777777777
_NS = 1_000_000_000
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
_TYPE = {Kind.FILE: b"0", Kind.FOLDER: b"5", Kind.SYMLINK: b"2"}
_XATTR = b"SCHILY.xattr."
_MASK_32 = 0xFFFF_FFFF


def _octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def _header(name: bytes, mode: int, uid: int, gid: int, size: int, seconds: int, kind: bytes, link: bytes) -> bytes:
    """One ustar header block; values that do not fit stand in a pax header before it and are cut here."""
    block = bytearray(
        _HEADER.pack(
            name[:_NAME_BYTES_MAX],
            _octal(mode, 8),
            _octal(min(uid, _OWNER_MAX), 8),
            _octal(min(gid, _OWNER_MAX), 8),
            _octal(min(size, _SIZE_MAX), 12),
            _octal(min(max(seconds, 0), _SECONDS_MAX), 12),
            b"        ",
            kind,
            link[:_NAME_BYTES_MAX],
            b"ustar\x0000",
            b"",
            b"",
            b"",
            b"",
            b"",
            b"",
        )
    )
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _record(key: bytes, value: bytes) -> bytes:
    """One pax record: its own length in decimal, a blank, key=value, a line feed."""
    size = len(key) + len(value) + 3
    length = size + len(str(size))
    if len(str(length)) > len(str(size)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def _needs_record(name: bytes) -> bool:
    return len(name) > _NAME_BYTES_MAX or not name.isascii()


def _pax(name: bytes, link: bytes, uid: int, gid: int, size: int, mtime_ns: int, extra: Extra) -> bytes:
    """The pax header (its own header block, and its body padded) that a member needs, or nothing."""
    records = []
    if _needs_record(name):
        records.append(_record(b"path", name))
    if _needs_record(link):
        records.append(_record(b"linkpath", link))
    if any(not _is_utf8(part) for part in (name, link)):
        records.insert(0, _record(b"hdrcharset", b"BINARY"))
    if uid > _OWNER_MAX:
        records.append(_record(b"uid", b"%d" % uid))
    if gid > _OWNER_MAX:
        records.append(_record(b"gid", b"%d" % gid))
    if size > _SIZE_MAX:
        records.append(_record(b"size", b"%d" % size))
    seconds, ns = divmod(mtime_ns, _NS)
    if ns or not 0 <= seconds <= _SECONDS_MAX:
        records.append(_record(b"mtime", _decimal(mtime_ns)))
    records += [_record(_XATTR + key, value) for key, value in extra.xattrs]
    if not records:
        return b""
    body = b"".join(records)
    header = _header(b"PaxHeader", 0o644, 0, 0, len(body), 0, b"x", b"")
    return header + body + bytes(-len(body) % 512)


def _decimal(mtime_ns: int) -> bytes:
    seconds, ns = divmod(abs(mtime_ns), _NS)
    return b"%s%d.%09d" % (b"-" if mtime_ns < 0 else b"", seconds, ns)


def _is_utf8(name: bytes) -> bool:
    if name.isascii():
        return True
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _member_head(
    path: bytes, kind: Kind, mode: int, uid: int, gid: int, mtime_ns: int, size: int, extra: Extra
) -> tuple[bytes, int]:
    """All header blocks of one member, and the bytes of content that follow them."""
    name = path + b"/" if kind is Kind.FOLDER else path
    link, type_flag = b"", _TYPE[kind]
    if extra.hard_link is not None:
        link, type_flag, size = extra.hard_link, b"1", 0
    elif kind is Kind.SYMLINK:
        link = extra.target or b""
    head = _header(name, mode, uid, gid, size, mtime_ns // _NS, type_flag, link)
    return _pax(name, link, uid, gid, size, mtime_ns, extra) + head, size


_NO_EXTRA = Extra()
_PLAIN_BYTES = [
    len(sparse_segment(_header(b"n" * n, 0o644, 1, 1, 1, 1, b"0", b""))) for n in range(_NAME_BYTES_MAX + 1)
]
"""Deflated bytes of the header of a plain member, by the length of its name."""
_FRACTION_BYTES = len(sparse_segment(_pax(b"n", b"", 0, 0, 0, 1_700_000_000_123_456_789, _NO_EXTRA)))
"""Deflated bytes of the pax header of a plain member whose time has a fraction and ten digits of seconds."""
_PADDING_BYTES = [0, *(len(zero_run(n)) for n in range(1, 512))]


def _sizes(block: Block) -> NDArray[np.int64]:
    """Deflated bytes of each member of a block."""
    kind, seconds = block.kind, block.mtime_ns // _NS
    is_folder = kind == Kind.FOLDER
    length = block.path_length.astype(np.int64) + is_folder
    fraction = block.mtime_ns % _NS != 0
    plain = (
        (kind != Kind.SYMLINK)
        & (length <= _NAME_BYTES_MAX)
        & (block.uid <= _OWNER_MAX)
        & (block.gid <= _OWNER_MAX)
        & (block.size <= _SIZE_MAX)
        & (seconds >= np.where(fraction, 1_000_000_000, 0))
        & (seconds <= np.where(fraction, 9_999_999_999, _SECONDS_MAX))
    )
    if not block.path_bytes.isascii():
        plain &= np.fromiter((path.isascii() for path in block.paths()), bool, len(block))
    inline = (block.size > 0) & (block.stored_sum == 0) & (kind == Kind.FILE)
    for i in (plain & (block.extra_length > 0) & (kind != Kind.SYMLINK)).nonzero()[0].tolist():
        extra = block.extra(i)
        plain[i] = extra.hard_link is None and not extra.xattrs
    heads = np.array(_PLAIN_BYTES)[np.minimum(length, _NAME_BYTES_MAX)] + fraction * _FRACTION_BYTES
    padding = np.array(_PADDING_BYTES)[(-block.size.astype(np.int64)) % 512]
    body = block.stored_sum.astype(np.int64) + np.where(inline, block.size.astype(np.int64) + 5, 0)
    sizes: NDArray[np.int64] = heads + padding + body
    for i in (~plain).nonzero()[0].tolist():
        entry = block.entry(i)
        head, size = _member_head(
            entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.size, entry.extra
        )
        rest = int(padding[i] + body[i]) if size else 0
        sizes[i] = len(sparse_segment(head)) + rest
    return sizes


def measure_tar(block: Block) -> int:
    """Deflated bytes of the members of a block."""
    return int(_sizes(block).sum())


def total_bytes(view: ManifestView) -> int:
    """Length of the whole tar.gz."""
    members = sum(ref.sums.tar for ref in view.blocks)
    return len(GZIP_HEADER) + members + len(zero_run(_END_ZEROS)) + len(FINAL) + _GZIP_TRAILER_BYTES


class _Sum:
    """CRC-32 and length of the tar so far."""

    def __init__(self) -> None:
        self.crc = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        self.crc = crc32(data, self.crc)
        self.size += len(data)

    def add_content(self, content_crc: int, size: int) -> None:
        self.crc = crc32_combine(self.crc, content_crc, size)
        self.size += size
        self.add(bytes(-size % 512))

    def trailer(self) -> bytes:
        return struct.pack("<LL", self.crc, self.size & _MASK_32)


def pieces(view: ManifestView, start: int, stop: int) -> Iterator[Piece]:
    """Bytes `start` to `stop` of the tar.gz."""
    yield from clip([GZIP_HEADER], 0, start, stop)
    at = len(GZIP_HEADER)
    total = _Sum() if start <= at else None
    for number, ref in enumerate(view.blocks):
        size = ref.sums.tar
        if at + size > start and at < stop:
            block = view.block(number)
            members = _member_pieces(view, block, total)
            if at >= start and at + size <= stop:
                yield from members
            else:
                yield from clip(members, at, start, stop)
        at += size
    end = zero_run(_END_ZEROS) + FINAL
    yield from clip([end], at, start, stop)
    at += len(end)
    if stop > at:
        if total is None:
            # Begun in the middle: the checksum of all that came before follows from the manifest alone.
            total = _Sum()
            for number in range(len(view.blocks)):
                _sum_block(view.block(number), total)
        total.add(bytes(_END_ZEROS))
        yield from clip([total.trailer()], at, start, stop)


def _heads(block: Block) -> Iterator[tuple[int, bytes, int, Extra]]:
    """(number, header blocks, bytes of content, extra) of each member."""
    extra_lengths = block.extra_length.tolist()
    for i, (path, kind, mode, uid, gid, mtime_ns, size) in enumerate(
        zip(
            block.paths(),
            block.kind.tolist(),
            block.mode.tolist(),
            block.uid.tolist(),
            block.gid.tolist(),
            block.mtime_ns.tolist(),
            block.size.tolist(),
            strict=True,
        )
    ):
        extra = block.extra(i) if extra_lengths[i] else _NO_EXTRA
        head, content = _member_head(path, Kind(kind), mode, uid, gid, mtime_ns, size, extra)
        yield i, head, content, extra


def _sum_block(block: Block, total: _Sum) -> None:
    crcs = block.crc32.tolist()
    for i, head, size, _ in _heads(block):
        total.add(head)
        if size:
            total.add_content(crcs[i], size)


def _member_pieces(view: ManifestView, block: Block, total: _Sum | None) -> Iterator[Piece]:
    contents = Contents(view, block)
    crcs = block.crc32.tolist()
    literal = bytearray()
    for i, head, size, extra in _heads(block):
        literal += sparse_segment(head)
        if total is not None:
            total.add(head)
        if not size:
            continue
        if extra.inline is not None:
            literal += stored_blocks(extra.inline)
        else:
            for piece in contents.of(i):
                if literal:
                    yield bytes(literal)
                    literal.clear()
                yield piece
        padding = -size % 512
        if padding:
            literal += zero_run(padding)
        if total is not None:
            total.add_content(crcs[i], size)
    if literal:
        yield bytes(literal)
