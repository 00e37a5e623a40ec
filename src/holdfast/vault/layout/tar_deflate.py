"""The deflate of everything around file contents in the tar.gz: member headers and padding.

Written here, not by a library, because these bytes must be the same for ever, and because headers are mostly zeros.
Everything is segments: byte-aligned, not final, referring to nothing before them (RFC 1951; docs/layouts.md has the
rule in full). Only the fixed Huffman codes are used, in which every byte below 0x90 takes exactly eight bits, so that
the length of a header follows from the lengths of what is in it.

Terms: *bits*, a number and how many of its low bits count; the first bit of the stream is the lowest.
A *run* is equal bytes in a row: fewer than four stand as literals, more as one literal and matches of distance 1.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from holdfast.vault.layout.tar_header import (
    BLOCK_BYTES,
    FIELDS_BYTES,
    MAGIC,
    NAME_BYTES,
    TAIL_ZEROS,
    pax_header,
)
from holdfast.vault.pack.segment import STORED_BYTES_MAX, stored_blocks

_BLOCK_START = 0b010
"""Not final, fixed codes."""
_BLOCK_START_BITS = 3
_LITERAL_LIMIT = 0x90
"""Bytes from here on have codes of nine bits; none are ever written as literals."""
_END_BITS = 7 + 3
"""End of block (seven zeros), then the head of a stored block that is not final (three zeros)."""
_SYNC = b"\x00\x00\xff\xff"
"""Lengths of an empty stored block."""
_RUN_MIN = 4
_MATCH_MIN, _MATCH_MAX = 3, 258

# RFC 1951, 3.2.5: codes from 257 on: the shortest length of each, and its extra bits.
_LENGTHS = (
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    13,
    15,
    17,
    19,
    23,
    27,
    31,
    35,
    43,
    51,
    59,
    67,
    83,
    99,
    115,
    131,
    163,
    195,
    227,
)
_EXTRA = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5)

LITERALS = bytes(int(f"{0x30 + b:08b}"[::-1], 2) if b < _LITERAL_LIMIT else 0 for b in range(256))
"""For `bytes.translate`: the code of each byte below 0x90, its first bit lowest."""


class Bits(NamedTuple):
    """The low `size` bits of `value`."""

    value: int
    size: int

    def then(self, other: Bits) -> Bits:
        """Return these bits followed by the others."""
        return Bits(self.value | other.value << self.size, self.size + other.size)

    def to_bytes(self, extra: int = 0) -> bytes:
        """Return the bits as bytes, followed by at least `extra` zero bits."""
        return self.value.to_bytes((self.size + extra + 7) // 8, "little")


_NOTHING = Bits(0, 0)


def _code(code: int, count: int) -> Bits:
    """Return a Huffman code as bits: its highest bit comes first."""
    return Bits(int(f"{code:0{count}b}"[::-1], 2), count)


def literals(data: bytes) -> Bits:
    """Encode bytes below 0x90 as literals."""
    return Bits(int.from_bytes(data.translate(LITERALS), "little"), 8 * len(data))


def _match(length: int) -> Bits:
    """Encode a match of distance 1: the next `length` bytes equal the one before."""
    if length == _MATCH_MAX:
        symbol, extra = 285, _NOTHING
    else:
        k = max(k for k, first in enumerate(_LENGTHS) if first <= length)
        symbol, extra = 257 + k, Bits(length - _LENGTHS[k], _EXTRA[k])
    code = _code(symbol - 256, 7) if symbol < 280 else _code(0b1100_0000 + symbol - 280, 8)
    return code.then(extra).then(_code(0, 5))


def run(byte: int, length: int) -> Bits:
    """Encode `length` times the same byte."""
    if length < _RUN_MIN:
        return literals(bytes([byte]) * length)
    bits, left = literals(bytes([byte])), length - 1
    while left:
        # A remainder of one or two cannot be a match, so the match before it leaves three.
        take = left if left <= _MATCH_MAX else min(_MATCH_MAX, left - _MATCH_MIN)
        bits, left = bits.then(_match(take)), left - take
    return bits


_START = Bits(_BLOCK_START, _BLOCK_START_BITS)


@lru_cache(maxsize=BLOCK_BYTES + 1)
def zeros(length: int) -> bytes:
    """Return `length` zero bytes as a segment; an empty one for none."""
    return _START.then(run(0, length)).to_bytes(_END_BITS) + _SYNC if length else b""


@lru_cache(maxsize=1024)
def _pax_front(length: int) -> bytes:
    """Return the header block of a pax header with `length` bytes of records, up to the first record."""
    bits = _START
    for byte, group in groupby(pax_header(length)):
        bits = bits.then(run(byte, len(list(group))))
    first = min(length, STORED_BYTES_MAX)
    return bits.to_bytes(_END_BITS) + first.to_bytes(2, "little") + (first ^ 0xFFFF).to_bytes(2, "little")


def pax_segment(records: bytes) -> bytes:
    """Return a pax header with its records as stored blocks, without padding; empty without records."""
    if not records:
        return b""
    if len(records) <= STORED_BYTES_MAX:
        return _pax_front(len(records)) + records
    rest = stored_blocks(records[STORED_BYTES_MAX:])
    return b"".join((_pax_front(len(records)), records[:STORED_BYTES_MAX], rest))


def pax_segment_length(length: int) -> int:
    """Return the length of `pax_segment` for `length` bytes of records."""
    if not length:
        return 0
    return len(_pax_front(length)) + length + 5 * (-(-length // STORED_BYTES_MAX) - 1)


_RUNS = [run(0, n) for n in range(BLOCK_BYTES)]
_TAIL = literals(MAGIC).then(run(0, TAIL_ZEROS))
_NO_LINK_TAIL = run(0, NAME_BYTES).then(_TAIL)
_NO_LINK_TAIL_BYTES = _NO_LINK_TAIL.to_bytes()
_FRONTS = [_START.then(bits) for bits in _RUNS]
_FRONT_VALUES, _FRONT_BITS = [b.value for b in _FRONTS], [b.size for b in _FRONTS]
_PAD_BYTES = [_RUNS[NAME_BYTES - n].to_bytes() for n in range(NAME_BYTES + 1)]
_NAME_BITS = [8 * n + _RUNS[NAME_BYTES - n].size for n in range(NAME_BYTES + 1)]
"""Bits of the name field, by the length of the name."""
_REST_BITS = 8 * FIELDS_BYTES + _NO_LINK_TAIL.size


def member_segment(padding: int, name: bytes, fields: bytes, link: bytes) -> bytes:
    """Return a member's header block after `padding` zeros (of the pax records before it).

    `name`, `link`: at most 100 bytes below 0x90. `fields`: already translated by LITERALS.
    """
    at = _FRONT_BITS[padding]
    value = _FRONT_VALUES[padding]
    size = len(name)
    value |= int.from_bytes(name.translate(LITERALS) + _PAD_BYTES[size], "little") << at
    at += _NAME_BITS[size]
    if link:
        tail = literals(link).then(_RUNS[NAME_BYTES - len(link)]).then(_TAIL)
        value |= (int.from_bytes(fields, "little") | tail.value << 8 * FIELDS_BYTES) << at
        at += 8 * FIELDS_BYTES + tail.size
    else:
        value |= int.from_bytes(fields + _NO_LINK_TAIL_BYTES, "little") << at
        at += _REST_BITS
    return value.to_bytes((at + _END_BITS + 7) // 8, "little") + _SYNC


# The same in numbers, for measuring: tables by length, to be indexed with columns.
FRONT_BITS_BY_PADDING = _FRONT_BITS
NAME_BITS_BY_LENGTH = _NAME_BITS
FIXED_BITS = 8 * FIELDS_BYTES + _TAIL.size + _END_BITS
"""Bits of a member's header besides front, name and link."""
SYNC_BYTES = len(_SYNC)
ZEROS_BYTES = [len(zeros(n)) for n in range(BLOCK_BYTES)]
