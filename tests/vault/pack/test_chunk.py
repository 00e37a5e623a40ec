"""Cutting: by content for ordinary files, at fixed places for page files; never dependent on how a file is read."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.vault.pack.chunk import (
    CHUNK_BYTES_MAX,
    CHUNK_BYTES_MIN,
    PAGE_CUT_BYTES,
    Chunker,
    chunk_id,
    is_page_file,
    page_lengths,
)

DATA = random.Random(7).randbytes(6 * CHUNK_BYTES_MAX)


def cut(data: bytes, window: int, seed: int = 5) -> list[int]:
    """Lengths of the chunks when the file is read `window` bytes at a time."""
    chunker, held, at, out = Chunker(seed), b"", 0, []
    while True:
        piece = data[at : at + window - len(held)]
        at += len(piece)
        held += piece
        is_end = at >= len(data)
        used = 0
        for length in chunker.lengths(memoryview(held), is_end=is_end):
            out.append(length)
            used += length
        held = held[used:]
        if is_end:
            return out


@settings(deadline=None, max_examples=15)
@given(st.integers(CHUNK_BYTES_MAX, 3 * CHUNK_BYTES_MAX), st.integers(0, len(DATA)))
def test_cuts_do_not_depend_on_the_window(window: int, size: int) -> None:
    data = DATA[:size]
    lengths = cut(data, window)
    assert sum(lengths) == len(data)
    assert lengths == cut(data, len(DATA) + 1)
    assert all(CHUNK_BYTES_MIN <= n <= CHUNK_BYTES_MAX for n in lengths[:-1])


def test_an_insertion_moves_only_the_chunks_around_it() -> None:
    def ids(data: bytes) -> set[bytes]:
        out, at = set(), 0
        for length in cut(data, len(data) + 1):
            out.add(chunk_id(data[at : at + length], b"k" * 32))
            at += length
        return out

    before, after = ids(DATA), ids(DATA[:1_000_000] + b"one hundred bytes" + DATA[1_000_000:])
    assert len(after - before) <= 3


def test_each_vault_cuts_at_other_places() -> None:
    assert cut(DATA, len(DATA) + 1, seed=1) != cut(DATA, len(DATA) + 1, seed=2)


def test_ids_are_keyed() -> None:
    assert chunk_id(b"x", b"a" * 32) != chunk_id(b"x", b"b" * 32)


def test_page_files_are_known_by_their_header_and_cut_at_fixed_places() -> None:
    assert is_page_file(b"SQLite format 3\x00rest")
    assert not is_page_file(b"SQLite format 4\x00")
    assert list(page_lengths(2 * PAGE_CUT_BYTES + 1)) == [PAGE_CUT_BYTES, PAGE_CUT_BYTES, 1]
    assert list(page_lengths(0)) == []
