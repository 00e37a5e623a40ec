"""Deflate of our own for what surrounds file contents in the tar: literal bytes and runs of zeros.

Written here, not by a library, because these bytes have to be the same for ever, and because a tar header is mostly
zeros. Two kinds of segments, both ending at a byte border (RFC 1951):

- bytes as stored blocks (`segment.stored_blocks`);
- a run of zeros as one block of fixed Huffman codes: the literal 0, then matches of distance 1, the end of the block,
  and an empty stored block to reach the byte border.
"""

from __future__ import annotations

import re
from functools import lru_cache

from holdfast.vault.segment import stored_blocks

ZERO_RUN_MIN = 16
"""Shorter runs stand in the stored block around them: a run costs ten bytes or so of its own."""

_ZEROS = re.compile(rb"\x00{%d,}" % ZERO_RUN_MIN)

# RFC 1951, 3.2.5: the first length of each code from 257 on, and its extra bits.
_LENGTH_BASE = (
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
    258,
)
_LENGTH_EXTRA = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)


class _Bits:
    """Bits, least significant first."""

    def __init__(self) -> None:
        self.value = 0
        self.count = 0

    def add(self, value: int, count: int) -> None:
        self.value |= value << self.count
        self.count += count

    def add_code(self, code: int, count: int) -> None:
        """A Huffman code: most significant bit first."""
        self.add(int(f"{code:0{count}b}"[::-1], 2), count)


def _add_match(bits: _Bits, length: int) -> None:
    code = max(k for k, base in enumerate(_LENGTH_BASE) if base <= length)
    symbol = 257 + code
    if symbol <= 279:
        bits.add_code(symbol - 256, 7)
    else:
        bits.add_code(0b11000000 + symbol - 280, 8)
    bits.add(length - _LENGTH_BASE[code], _LENGTH_EXTRA[code])
    bits.add_code(0, 5)  # distance 1


@lru_cache(maxsize=2048)
def zero_run(count: int) -> bytes:
    """`count` zero bytes (at least 1) as a segment."""
    if count < 6:
        return stored_blocks(bytes(count))
    bits = _Bits()
    bits.add(0b010, 3)  # not final, fixed codes
    bits.add_code(0b00110000, 8)  # literal 0
    left = count - 1
    while left:
        # A rest of 1 or 2 cannot be a match, so the one before it is made shorter.
        length = left if left <= 258 else 258 if left - 258 >= 3 else left - 3
        _add_match(bits, length)
        left -= length
    bits.add_code(0, 7)  # end of block
    bits.add(0b000, 3)  # an empty stored block, not final
    bits.count += -bits.count % 8
    return bits.value.to_bytes(bits.count // 8, "little") + b"\x00\x00\xff\xff"


def sparse_segment(data: bytes) -> bytes:
    """`data` as segments: runs of ZERO_RUN_MIN zeros and more as such, all else stored."""
    out, at = [], 0
    for run in _ZEROS.finditer(data):
        if run.start() > at:
            out.append(stored_blocks(data[at : run.start()]))
        out.append(zero_run(run.end() - run.start()))
        at = run.end()
    if at < len(data):
        out.append(stored_blocks(data[at:]))
    return b"".join(out)
