"""Blocks and extent lists: what is encoded is decoded, and damaged bytes are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.blocks import block_of

from holdfast.vault.errors import FormatError
from holdfast.vault.manifest.block import decode_block, decode_list, encode_block, encode_list, pack_extents
from holdfast.vault.manifest.entry import Entry, Extent, Extra, Kind, ListRef

u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
i64 = st.integers(-(2**63), 2**63 - 1)
ids = st.binary(min_size=32, max_size=32)
extents = st.builds(Extent, ids, u32, u32, st.integers(1, 1000), st.booleans())
extras = st.builds(
    Extra,
    inline=st.none() | st.binary(min_size=1, max_size=256),
    target=st.none() | st.binary(min_size=1, max_size=100),
    hard_link=st.none() | st.binary(min_size=1, max_size=100),
    xattrs=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=3).map(tuple),
    lists=st.lists(st.builds(ListRef, ids, u32, u32, u32), max_size=2).map(tuple),
)
entries = st.builds(
    Entry,
    path=st.binary(min_size=1, max_size=200),
    kind=st.sampled_from(Kind),
    mode=st.integers(0, 0o7777),
    uid=u32,
    gid=u32,
    mtime_ns=i64,
    size=u64,
    crc32=u32,
    extents=st.lists(extents, max_size=4).map(tuple),
    extra=extras,
    ctime_ns=i64,
    inode=u64,
    device=u64,
)


@given(st.lists(entries, max_size=6))
def test_a_block_comes_back_as_it_was(given_entries: list[Entry]) -> None:
    block = decode_block(encode_block(block_of(given_entries)))
    assert list(block.entries()) == given_entries
    assert block.paths() == [e.path for e in given_entries]
    assert block.stored_sum.tolist() == [e.stored_sum for e in given_entries]


@given(st.lists(extents, max_size=20))
def test_an_extent_list_comes_back_as_it_was(rows: list[Extent]) -> None:
    assert decode_list(encode_list(pack_extents(rows))) == tuple(rows)


@given(st.lists(entries, min_size=1, max_size=3), st.data())
def test_a_block_of_another_length_is_refused(given_entries: list[Entry], data: st.DataObject) -> None:
    whole = encode_block(block_of(given_entries))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(FormatError):
        decode_block(whole[:cut])
    with pytest.raises(FormatError):
        decode_block(whole + b"\0")


@given(st.binary(max_size=300))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_block(data)
    with pytest.raises(FormatError):
        decode_list(b"x" + data)
