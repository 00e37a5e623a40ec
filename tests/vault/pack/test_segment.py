"""Segments: whatever goes in comes out of a plain inflater, in any order and mixture of encoders."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.vault.errors import DamagedError
from holdfast.vault.pack.segment import FINAL, Encoder, SegmentMaker, check_segment, inflate_segment, stored_blocks

contents = st.one_of(
    st.binary(max_size=2000),
    st.builds(lambda unit, n: unit * n, st.binary(min_size=1, max_size=50), st.integers(1, 5000)),
)


@given(st.lists(st.tuples(contents, st.sampled_from([e for e in Encoder if e is not Encoder.STORED])), max_size=5))
def test_segments_in_a_row_are_one_deflate_stream(pieces: list[tuple[bytes, Encoder]]) -> None:
    stream = b"".join(SegmentMaker(encoder).make(data, zlib.crc32(data))[0] for data, encoder in pieces) + FINAL
    inflater = zlib.decompressobj(-15)
    assert inflater.decompress(stream) == b"".join(data for data, _ in pieces)
    assert inflater.eof
    assert not inflater.unused_data


@given(st.lists(contents, max_size=8), st.sampled_from([e for e in Encoder if e is not Encoder.STORED]))
def test_one_maker_makes_segments_that_stand_alone(pieces: list[bytes], encoder: Encoder) -> None:
    maker = SegmentMaker(encoder)
    for data in [*pieces, *pieces]:  # the second time the compressor has seen all of it, and must not refer back
        segment, _ = maker.make(data, zlib.crc32(data))
        assert zlib.decompress(segment + FINAL, -15) == data


def test_what_does_not_shrink_is_stored_with_five_bytes_each_64k() -> None:
    data = random.Random(1).randbytes(150_000)
    segment, encoder = SegmentMaker(Encoder.ISAL_1).make(data, zlib.crc32(data))
    assert encoder is Encoder.STORED
    assert len(segment) == len(data) + 5 * 3
    assert segment == stored_blocks(data)


def test_a_segment_that_does_not_read_back_is_refused() -> None:
    with pytest.raises(DamagedError):
        SegmentMaker(Encoder.ISAL_1).make(b"some text", 12345)


def test_a_segment_longer_than_it_should_be_is_refused() -> None:
    data = bytes(100_000)
    segment, _ = SegmentMaker(Encoder.ISAL_1).make(data, zlib.crc32(data))
    with pytest.raises(DamagedError):
        inflate_segment(segment, 99_999)
    assert inflate_segment(segment, 100_000) == data


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_never_passes_the_check(data: bytes, draw: st.DataObject) -> None:
    crc = zlib.crc32(data)
    segment = bytearray(stored_blocks(data))
    bit = draw.draw(st.integers(40, len(segment) * 8 - 1))
    segment[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(DamagedError):
        check_segment(bytes(segment), len(data), crc)
