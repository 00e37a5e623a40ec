"""Check: what is damaged is found, named by the files of the backups that it hits, and healed by the next backup."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.stores.local import new_local
from kit.trees import contents_of
from kit.vault_bench import Bench

from holdfast.stores.local import LocalStore
from holdfast.stores.memory import MemoryStore
from holdfast.stores.port import StoreError
from holdfast.vault.control import Control
from holdfast.vault.errors import Cancelled, ChunkMissing, DamagedError, VaultError
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.maintenance.check import CheckReport
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.copy import packs_in
from holdfast.vault.pack.table import open_table
from holdfast.vault.pack.writer import FOOTER_BYTES, HEADER_BYTES, PackKind, pack_name
from holdfast.vault.reader.snapshot import Snapshot

NOW = 1_000
Write = Callable[[str, bytes], Path]


def check(bench: Bench, *, share: float = 1.0, repair: bool = True) -> CheckReport:
    return bench.vault().check(lambda: bench.taken, now_ns=NOW, share=share, repair=repair)


def damaged_backups(report: CheckReport) -> dict[str, list[bytes]]:
    return {damaged.backup_id: [file.path for file in damaged.files] for damaged in report.damaged_backups}


def stored(bench: Bench, name: str) -> Path:
    return bench.root.parent / "store" / name


def pack_of(bench: Bench, kind: PackKind) -> bytes:
    """The first pack of a kind."""
    return next(pack_id for pack_id, k, _ in bench.ledger.live_packs() if k == kind)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def two_backups(bench: Bench, write: Write) -> None:
    """b0 has `both` and `old`, b1 has `both` and its link, and `new`; their data in one pack for each backup."""
    write("both", os.urandom(50_000))
    write("sub/old", os.urandom(60_000))
    bench.take()
    (bench.root / "sub/old").unlink()
    os.link(bench.root / "both", bench.root / "link of both")
    write("new", os.urandom(40_000))
    bench.take()


def region(bench: Bench, pack_id: bytes, where: str) -> tuple[int, bytes | None]:
    """A place in a pack, and the chunk that stands there."""
    row = bench.ledger.pack_rows([pack_id])[0]
    table = open_table(bench.vault()._keys, row)
    first, second = table.ids[:32], table.ids[32:64]
    return {
        "header": (2, None),
        "start of a record": (HEADER_BYTES, first),
        "inside a record": (HEADER_BYTES + 100, first),
        "tag": (int(table.offsets[1]) - 1, first),
        "second record": (int(table.offsets[1]), second),
        "table": (row.size - FOOTER_BYTES - 10, None),
        "footer": (row.size - 10, None),
        "magic": (row.size - 1, None),
    }[where]


def users(bench: Bench, chunk: bytes | None) -> dict[str, list[bytes]]:
    """Which files of which backups need a chunk."""
    found: dict[str, list[bytes]] = {}
    for backup_id in bench.taken:
        snapshot = bench.open(backup_id)
        paths = [e.path for e in snapshot.entries() if chunk in [x.chunk_id for x in e.extents]]
        snapshot.close()
        if paths:
            found[backup_id] = paths
    return found


def whole_zip(snapshot: Snapshot) -> bytes:
    pieces = zip_layout.pieces(snapshot, 0, snapshot.root.zip_bytes)
    return b"".join(bytes(b) for b in snapshot.reader.render(pieces))


REGIONS = ["header", "start of a record", "inside a record", "tag", "second record", "table", "footer", "magic"]


@pytest.mark.parametrize("where", REGIONS)
@pytest.mark.parametrize("repair", [True, False])
def test_a_flipped_bit_in_a_data_pack(bench: Bench, write: Write, where: str, repair: bool) -> None:
    two_backups(bench, write)
    before = {b: whole_zip(bench.open(b)) for b in bench.taken}
    pack_id = pack_of(bench, PackKind.DATA)
    at, chunk = region(bench, pack_id, where)
    expected = users(bench, chunk) if chunk else {}
    flip(stored(bench, pack_name(pack_id)), at)
    report = check(bench, repair=repair)
    assert [f.pack_id for f in report.findings] == [pack_id]
    assert damaged_backups(report) == expected
    assert (chunk is None) == (not expected)
    assert report.missing_chunks == (1 if chunk else 0)
    if not repair:
        assert pack_id in bench.ledger.live_pack_ids()
        assert damaged_backups(check(bench, repair=False)) == expected
        return
    assert pack_id not in bench.ledger.live_pack_ids()
    assert stored(bench, pack_name(pack_id)).exists()
    again = check(bench)
    assert not again.findings
    assert damaged_backups(again) == expected
    if any(b"sub/old" in paths for paths in expected.values()):
        return  # nobody has its content any more
    bench.take()
    assert check(bench).is_clean
    assert {b: whole_zip(bench.open(b)) for b in before} == before


def test_a_healed_chunk_is_found_by_who_opened_the_vault_before(bench: Bench, write: Write) -> None:
    write("a", os.urandom(50_000))
    write("b", os.urandom(50_000))
    bench.take()
    vault = bench.vault()
    expected = whole_zip(vault.open("b0"))
    pack_id = pack_of(bench, PackKind.DATA)
    flip(stored(bench, pack_name(pack_id)), 1000)
    with pytest.raises(DamagedError):
        whole_zip(vault.open("b0"))
    check(bench)
    with pytest.raises(VaultError):
        whole_zip(vault.open("b0"))
    bench.take()
    assert whole_zip(vault.open("b0")) == expected


def test_a_truncated_pack(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    pack_id = pack_of(bench, PackKind.DATA)
    path = stored(bench, pack_name(pack_id))
    path.write_bytes(path.read_bytes()[:70_000])
    for share in (0.0, 1.0):
        report = check(bench, share=share, repair=False)
        assert [f.why for f in report.findings] == ["has another size than it should"]
        assert len(damaged_backups(report)) >= 1
    report = check(bench)
    assert report.saved_records == 1
    write("sub/old", b"")
    bench.take()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_missing_pack_is_healed_by_the_next_backup(bench: Bench, write: Write, share: float) -> None:
    two_backups(bench, write)
    (bench.root / "later").write_bytes(b"x" * 500)
    pack_id = pack_of(bench, PackKind.DATA)
    stored(bench, pack_name(pack_id)).unlink()
    report = check(bench, share=share)
    assert [(f.pack_id, f.is_missing) for f in report.findings] == [(pack_id, True)]
    assert damaged_backups(report) == {"b0": [b"both", b"sub/old"], "b1": [b"both", b"link of both"]}
    bench.take()
    assert bench.tree() == contents_of(bench.root)
    assert damaged_backups(check(bench)) == {"b0": [b"sub/old"]}
    with pytest.raises(ChunkMissing, match="b0"):
        bench.vault().prune(now_ns=NOW, grace_ns=0)
    bench.store.delete(root_name("b0"))
    bench.taken.remove("b0")
    assert check(bench).is_clean
    bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert check(bench).is_clean


@pytest.mark.parametrize("kind", list(PackKind))
def test_a_pack_that_came_back_is_of_use_again(bench: Bench, write: Write, kind: PackKind) -> None:
    two_backups(bench, write)
    before = {b: whole_zip(bench.open(b)) for b in bench.taken}
    path = stored(bench, pack_name(pack_of(bench, kind)))
    path.rename(path.with_name("aside"))
    assert check(bench).damaged_backups
    assert check(bench).salvaged_chunks == 0
    path.with_name("aside").rename(path)
    report = check(bench)
    assert (report.is_clean, report.salvaged_chunks) == (True, 2)
    assert {b: whole_zip(bench.open(b)) for b in bench.taken} == before
    bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert not path.exists()
    assert check(bench).is_clean


def test_a_pack_swapped_with_another(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    first, second = [p for p, kind, _ in bench.ledger.live_packs() if kind == PackKind.DATA]
    one, two = stored(bench, pack_name(first)), stored(bench, pack_name(second))
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)
    trees = {b"both", b"link of both", b"new"}
    report = check(bench, share=0, repair=False)
    assert {f.pack_id for f in report.findings} == {first, second}
    assert damaged_backups(report) == {"b0": [b"both", b"sub/old"], "b1": sorted(trees)}
    # Each is whole under the other's name: so all of it is found again.
    report = check(bench, share=0)
    assert ({f.pack_id for f in report.findings}, report.damaged_backups, report.salvaged_chunks) == (
        {first, second},
        [],
        3,
    )
    assert check(bench).is_clean
    assert bench.tree("b1") == contents_of(bench.root)


def test_a_damaged_manifest_chunk(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    pack_id = pack_of(bench, PackKind.MANIFEST)
    flip(stored(bench, pack_name(pack_id)), HEADER_BYTES + 20)  # the block of b0
    report = check(bench, share=0)
    assert [f.pack_id for f in report.findings] == [pack_id]
    (damaged,) = report.damaged_backups
    assert (damaged.backup_id, damaged.count, damaged.files[0].path) == ("b0", 3, b"both")
    assert "3 entries from both to the end" in damaged.files[0].message
    assert bench.tree("b1") == contents_of(bench.root)
    bench.take()
    assert bench.tree() == contents_of(bench.root)


def test_a_damaged_manifest_of_the_last_backup_heals(bench: Bench, write: Write) -> None:
    write("a", os.urandom(50_000))
    bench.take()
    tree = bench.tree()
    for pack_id, kind, size in bench.ledger.live_packs():
        if kind == PackKind.MANIFEST:
            flip(stored(bench, pack_name(pack_id)), size // 3)
    assert len(check(bench, share=0).damaged_backups) == 1
    result = bench.take()
    assert [notice.code for notice in result.notices] == ["PREVIOUS_UNREADABLE"]
    assert check(bench).is_clean
    assert bench.tree("b0") == tree


@pytest.mark.parametrize("at", [0, 10, 40, -1])
def test_a_damaged_root(bench: Bench, write: Write, at: int) -> None:
    two_backups(bench, write)
    flip(stored(bench, root_name("b0")), at)
    report = check(bench)
    assert not report.findings
    assert damaged_backups(report) == {"b0": [b""]}
    assert report.damaged_backups[0].is_unreadable


def test_a_missing_root_and_a_stray_one(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    bench.store.delete(root_name("b0"))
    bench.taken = ["b0"]
    report = check(bench)
    assert report.damaged_backups[0].is_unreadable
    assert (report.stray_roots, report.stray_packs) == (1, 0)


def test_a_large_file_is_hit_through_its_extent_lists(bench: Bench, write: Write) -> None:
    write("small", os.urandom(3000))
    write("big.db", b"SQLite format 3\x00" + os.urandom(2_000_000))
    bench.take()
    assert not check(bench).damaged_backups
    pack_id = pack_of(bench, PackKind.DATA)
    flip(stored(bench, pack_name(pack_id)), 1_000_000)
    report = check(bench)
    assert damaged_backups(report) == {"b0": [b"big.db"]}
    bench.take()
    assert check(bench).is_clean
    assert bench.tree("b0") == contents_of(bench.root)


def test_one_backup_is_read_whole_and_no_other(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    _, second = [p for p, kind, _ in bench.ledger.live_packs() if kind == PackKind.DATA]
    flip(stored(bench, pack_name(second)), 1000)  # `new`, which b0 does not need
    report = bench.vault().check_one("b0", now_ns=NOW)
    assert report.is_clean
    assert 110_000 < report.read_bytes < 115_000
    report = bench.vault().check_one("b1", now_ns=NOW)
    assert damaged_backups(report) == {"b1": [b"new"]}
    bench.take()
    assert bench.vault().damaged_backups(["b0", "b1", "b2"]) == []
    assert bench.vault().check_one("b1", now_ns=NOW).is_clean


def test_one_backup_with_a_damaged_manifest(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    pack_id = pack_of(bench, PackKind.MANIFEST)
    flip(stored(bench, pack_name(pack_id)), HEADER_BYTES + 20)
    report = bench.vault().check_one("b0", now_ns=NOW)
    assert [f.pack_id for f in report.findings] == [pack_id]
    assert report.damaged_backups[0].count == 3
    assert pack_id not in bench.ledger.live_pack_ids()


def test_a_share_of_the_packs(bench: Bench, write: Write) -> None:
    for n in range(10):
        write(f"f{n}", os.urandom(100_000))
        bench.take()
    report = bench.vault().check(lambda: bench.taken, now_ns=NOW, share=0.3)
    data = [size for _, kind, size in bench.ledger.live_packs() if kind == PackKind.DATA]
    assert report.packs == 20
    assert 10 < report.read_packs < 20
    assert 0.2 * sum(data) < report.read_bytes < 0.6 * sum(data)


def test_a_read_that_fails_once_is_no_damage(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    whole = MemoryStore()
    for name, _ in bench.store.list(""):
        whole.put(name, bench.store.get(name))

    class Flaky(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.asked: set[str] = set()

        def get(self, name: str) -> bytes:
            data = whole.get(name)
            if name in self.asked:
                return data
            self.asked.add(name)
            return data[:50] + bytes([data[50] ^ 1]) + data[51:]

        list = whole.list
        open = whole.open
        size = whole.size
        get_range = whole.get_range

    bench.store = Flaky()
    assert check(bench).is_clean


def test_a_bad_place_on_the_disk_costs_only_what_is_there(
    bench: Bench, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_backups(bench, write)
    pack_id = pack_of(bench, PackKind.DATA)
    _, chunk = region(bench, pack_id, "second record")
    offset = int(open_table(bench.vault()._keys, bench.ledger.pack_rows([pack_id])[0]).offsets[1])
    expected = users(bench, chunk)

    class BadPlace(LocalStore):
        def get(self, name: str) -> bytes:
            if name == pack_name(pack_id):
                raise StoreError("The disk reported an error.")
            return super().get(name)

        def open(self, name: str) -> Any:
            reader = super().open(name)
            if name == pack_name(pack_id):
                read_into = reader.read_into

                def failing(at: int, buffer: memoryview) -> int:
                    if at <= offset + 20_000 < at + len(buffer):
                        raise StoreError("The disk reported an error.")
                    return read_into(at, buffer)

                monkeypatch.setattr(reader, "read_into", failing)
            return reader

    bench.store = BadPlace(bench.root.parent / "store")
    report = check(bench)
    assert len(report.findings) == 1
    named = damaged_backups(report)
    assert all(set(paths) <= set(named[b]) for b, paths in expected.items())


def test_it_stops_when_asked(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    flip(stored(bench, pack_name(pack_of(bench, PackKind.DATA))), 100)
    live = bench.ledger.live_pack_ids()
    seen: list[int] = []
    with pytest.raises(Cancelled):
        bench.vault().check(
            lambda: bench.taken,
            now_ns=NOW,
            share=1,
            control=Control(lambda: len(seen) > 2, lambda p: seen.append(p.bytes)),
        )
    assert bench.ledger.live_pack_ids() == live


def test_progress_ends_at_the_whole(bench: Bench, write: Write) -> None:
    two_backups(bench, write)
    seen: list[Any] = []
    bench.vault().check(lambda: bench.taken, now_ns=NOW, share=1, control=Control(report=seen.append))
    assert (seen[-1].files, seen[-1].bytes) == (2, seen[-1].total_bytes)
    assert [p.bytes for p in seen] == sorted(p.bytes for p in seen)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 7), st.sampled_from([0, 10, 300, 5_000, 70_000, 400_000])),
        st.tuples(st.just("unlink"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("take"), st.just(0), st.just(0)),
        st.tuples(st.just("delete"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("prune"), st.integers(0, 1), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_nothing_is_found_in_an_undamaged_vault(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("vault")
    (folder / "app").mkdir()
    bench = Bench(folder / "app", new_local(folder / "store"))
    alive: list[str] = []
    for step, n, size in steps:
        path = bench.root / f"f{n}"
        if step == "write":
            path.write_bytes((b"SQLite format 3\x00" if n == 0 else b"") + os.urandom(size))
        elif step == "unlink":
            path.unlink(missing_ok=True)
        elif step == "take":
            bench.take()
            alive.append(bench.taken[-1])
        elif step == "delete" and len(alive) > 1:
            bench.store.delete(root_name(alive.pop(n % (len(alive) - 1))))
        elif step == "prune":
            bench.vault().prune(now_ns=NOW, grace_ns=n * NOW)
    report = bench.vault().check(lambda: alive, now_ns=NOW, share=1)
    assert report.is_clean
    assert (report.stray_packs, report.stray_roots) == (0, 0)
    assert report.read_packs == report.packs == len(bench.ledger.live_packs())
    condemned = {p for p, _ in bench.ledger.condemned(NOW)}
    assert set(dict(packs_in(bench.store))) - condemned == set(bench.ledger.live_pack_ids())
