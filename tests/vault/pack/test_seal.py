"""Sealing: nonces never repeat under a key, and what is sealed opens only where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.vault_bench import Bench

from holdfast.stores.memory import MemoryStore
from holdfast.vault.errors import DamagedError
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.seal import SealKind, VaultKeys, new_salt
from holdfast.vault.pack.segment import Encoder
from holdfast.vault.pack.table import open_table, read_footer
from holdfast.vault.pack.writer import PackKind, PackWriter, pack_name, run_now
from holdfast.vault.reader.records import RecordReader

KEYS = VaultKeys(b"k" * 32, "acc1")


def packed(records: list[bytes], kind: PackKind = PackKind.DATA) -> tuple[MemoryStore, list[PackRow], list[bytes]]:
    """Some records in packs: the store, the packs' rows, the chunks' ids."""
    store = MemoryStore()
    writer = PackWriter(store, KEYS, kind, run_now)
    ids = [bytes([i]) * 32 for i in range(len(records))]
    for chunk_id, record in zip(ids, records, strict=True):
        writer.add(chunk_id, record, len(record), 0, Encoder.STORED)
    writer.end_pack()
    return store, writer.rows(wait=True), ids


def read(store: MemoryStore, rows: list[PackRow], ids: list[bytes], kind: SealKind = SealKind.DATA) -> list[bytes]:
    index = Index.empty().with_packs(KEYS, rows)
    return list(RecordReader(store, KEYS, lambda refresh: index).segments(kind, ids))


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=30))
def test_records_come_back(records: list[bytes]) -> None:
    store, rows, ids = packed(records)
    assert read(store, rows, ids) == records
    assert read(store, rows, ids[::-1]) == records[::-1]


def test_a_record_larger_than_the_buffers_comes_back() -> None:
    records = [b"a", bytes(5_000_000), b"b"]
    store, rows, ids = packed(records)
    assert read(store, rows, ids) == records


def test_a_pack_is_named_by_the_sha256_of_its_bytes() -> None:
    import hashlib

    store, (row,), _ = packed([b"one", b"two"])
    assert hashlib.sha256(store.get(pack_name(row.pack_id))).digest() == row.pack_id
    assert row.size == store.size(pack_name(row.pack_id))
    assert read_footer(KEYS, store, row.pack_id) == row
    assert len(open_table(KEYS, row)) == 2


def test_large_backups_end_packs_in_time() -> None:
    _, rows, _ = packed([bytes([i]) * 1_000_000 for i in range(60)])
    assert len(rows) == 3
    assert all(row.size <= 32 * 1024 * 1024 for row in rows)


def test_every_flipped_bit_of_a_pack_is_found() -> None:
    records = [b"first record", b"second record"]
    store, (row,), ids = packed(records)
    name = pack_name(row.pack_id)
    good = store.get(name)
    failures: list[str] = []
    for at in range(len(good)):
        damaged = bytearray(good)
        damaged[at] ^= 0x10
        store.put(name, damaged)
        try:
            got = read(store, [read_footer(KEYS, store, row.pack_id)], ids)
        except Exception as error:
            failures.append(type(error).__module__)
        else:
            # Only the header, which nothing is read by, may be damaged and the records be whole.
            assert at < 8, at
            assert got == records
    assert len(failures) == len(good) - 8
    assert all(module.startswith("holdfast.vault") for module in failures)


def test_a_record_does_not_open_as_another_kind_or_in_another_vault() -> None:
    store, rows, ids = packed([b"content"])
    with pytest.raises(DamagedError):
        read(store, rows, ids, SealKind.MANIFEST)
    for keys in (VaultKeys(b"x" * 32, "acc1"), VaultKeys(b"k" * 32, "acc2")):
        with pytest.raises(DamagedError):
            Index.empty().with_packs(keys, rows)


def test_salts_never_repeat(bench: Bench, write: Callable[[str, bytes], Path]) -> None:
    for i in range(5):
        write("f", bytes([i]) * 50_000)
        bench.take()
    salts = [row.salt for row in bench.ledger.pack_rows(bench.ledger.live_pack_ids())]
    assert len(salts) == len(set(salts)) == 10
    assert new_salt() != new_salt()


def test_a_failing_store_is_an_error_of_the_pack() -> None:
    writer = PackWriter(MemoryStore(), KEYS, PackKind.DATA, _failing)
    writer.add(b"i" * 32, b"x", 1, 0, Encoder.STORED)
    writer.end_pack()
    with pytest.raises(OSError, match="no space"):
        writer.rows(wait=True)


def _failing(work: Callable[[], PackRow]) -> Future[PackRow]:
    future: Future[PackRow] = Future()
    future.set_exception(OSError("no space"))
    return future
