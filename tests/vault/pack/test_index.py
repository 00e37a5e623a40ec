"""The index: finds what is there, and nothing else."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from holdfast.stores.memory import MemoryStore
from holdfast.vault.archiver.shared_index import SharedIndex
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.segment import Encoder
from holdfast.vault.pack.writer import PackKind, PackWriter, run_now

KEYS = VaultKeys(b"k" * 32, "acc1")

chunk_ids = st.one_of(
    st.binary(min_size=32, max_size=32),
    # Ids that share their first eight bytes, as chance seldom makes them.
    st.builds(lambda tail: b"same 8 b" + tail, st.binary(min_size=24, max_size=24)),
)


def pack(ids: list[bytes]) -> list[PackRow]:
    writer = PackWriter(MemoryStore(), KEYS, PackKind.DATA, run_now)
    for n, chunk_id in enumerate(ids):
        writer.add(chunk_id, b"x" * (n + 1), n + 1, 0, Encoder.STORED)
    writer.end_pack()
    return writer.rows(wait=True)


@given(st.lists(chunk_ids, unique_by=lambda i: i[:16], max_size=40), st.lists(chunk_ids, max_size=10))
def test_what_was_put_in_is_found(ids: list[bytes], others: list[bytes]) -> None:
    half = len(ids) // 2
    index = Index.empty().with_packs(KEYS, pack(ids[:half])).with_packs(KEYS, pack(ids[half:]))
    assert len(index) == len(ids)
    places = index.locate(b"".join(ids))
    assert (places.pack >= 0).all()
    assert places.stored.tolist() == [n + 1 for n in range(half)] + [n + 1 for n in range(len(ids) - half)]
    prefixes = {i[:16] for i in ids}
    for other in others:
        assert (int(index.positions(other)[0]) >= 0) == (other[:16] in prefixes)


def test_of_a_chunk_in_two_packs_the_first_stands() -> None:
    index = Index.empty().with_packs(KEYS, pack([b"a" * 32])).with_packs(KEYS, pack([b"b" * 32, b"a" * 32]))
    assert len(index) == 2
    assert index.locate(b"a" * 32).pack.tolist() == [0]


def test_workers_see_the_same() -> None:
    ids = [os.urandom(32) for _ in range(100)]
    index = Index.empty().with_packs(KEYS, pack(ids))
    fd = SharedIndex.share(index)
    shared = SharedIndex.attach(fd, len(index))
    asked = [*ids, os.urandom(32)]
    assert shared.stored(asked) == SharedIndex(index).stored(asked) == [*range(1, 101), None]
    os.close(fd)
    assert SharedIndex(Index.empty()).stored(asked) == [None] * 101
