"""Our own deflate of tar headers, against zlib's inflate."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.vault.layout.tar_deflate import (
    FIXED_BITS,
    FRONT_BITS_BY_PADDING,
    LITERALS,
    NAME_BITS_BY_LENGTH,
    SYNC_BYTES,
    member_segment,
    pax_segment,
    pax_segment_length,
    zeros,
)
from holdfast.vault.layout.tar_header import MAGIC, pax_header

ASCII = st.binary(min_size=1, max_size=100).map(lambda data: bytes(b % 0x90 for b in data))


def inflate(segment: bytes) -> bytes:
    """Inflate what must be a segment: byte-aligned, not final."""
    inflater = zlib.decompressobj(-15)
    data = inflater.decompress(segment)
    assert not inflater.eof
    assert data + inflater.decompress(b"\x03\x00") == data
    assert inflater.eof
    assert not inflater.unused_data
    return data


def test_runs_of_zeros_of_every_length() -> None:
    for length in [*range(1, 1100), 5000]:
        assert inflate(zeros(length)) == bytes(length)
    assert zeros(0) == b""


@pytest.mark.parametrize("length", [19, 30, 100, 511, 512, 513, 65_535, 65_536, 140_000])
def test_pax_headers(length: int) -> None:
    records = bytes(n * 7 % 256 for n in range(length))
    segment = pax_segment(records)
    assert inflate(segment) == pax_header(length) + records
    assert len(segment) == pax_segment_length(length)


@given(st.integers(0, 511), ASCII, st.binary(min_size=57, max_size=57), st.one_of(st.just(b""), ASCII))
def test_members(padding: int, name: bytes, fields: bytes, link: bytes) -> None:
    fields = bytes(b % 0x90 for b in fields)
    segment = member_segment(padding, name, fields.translate(LITERALS), link)
    block = name.ljust(100, b"\0") + fields + link.ljust(100, b"\0") + MAGIC
    assert inflate(segment) == bytes(padding) + block.ljust(512, b"\0")
    bits = FIXED_BITS + FRONT_BITS_BY_PADDING[padding] + NAME_BITS_BY_LENGTH[len(name)] + NAME_BITS_BY_LENGTH[len(link)]
    assert len(segment) == (bits + 7) // 8 + SYNC_BYTES
