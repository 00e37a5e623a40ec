"""Uses: what a deletion frees is found by counts, and is what marking all backups finds."""

from __future__ import annotations

import os
import random
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from kit.vault_bench import Bench

from holdfast.stores.local import LocalStore
from holdfast.vault.errors import ChunkMissing
from holdfast.vault.maintenance.mark import Marker, backup_ids
from holdfast.vault.maintenance.prune import bytes_freed
from holdfast.vault.maintenance.uses import Uses
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.table import open_table
from holdfast.vault.vault import Vault

KEYS = VaultKeys(b"k" * 32, "acc1")


def opened(bench: Bench, file: Path) -> Vault:
    """A vault as a fresh process opens it, with the file of counts."""
    return Vault(vault_id="acc1", store=bench.store, data_key=b"k" * 32, ledger=bench.ledger, workers=0, uses_file=file)


def marked(bench: Bench, gone: Collection[str], besides: Collection[str] = ()) -> int:
    """What the slow way says: everything that stays is marked, and all that goes."""
    index = bench.vault().index(True)
    used = []
    for ids in (set(backup_ids(bench.store)).difference(gone, besides), gone):
        marker = Marker(bench.store, KEYS, index)
        marker.mark_all(ids)
        marker.close()
        used.append(marker.used)
    sizes = {pack_id: size for pack_id, _, size in bench.ledger.live_packs()}
    return bytes_freed(index, used[1], used[0], sizes)


def change(bench: Bench, rng: random.Random) -> None:
    """Change some files, to contents that others have or had, and a large one in places."""
    for _ in range(rng.randint(0, 4)):
        path = bench.root / f"folder-{rng.randint(0, 3)}" / f"file-{rng.randint(0, 30)}"
        path.parent.mkdir(exist_ok=True)
        if rng.random() < 0.2:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(random.Random(rng.randint(0, 25)).randbytes(rng.choice([40, 3_000, 90_000])))
    if rng.random() < 0.4:
        large = bench.root / "large"
        if not large.exists():
            large.write_bytes(os.urandom(1_000_000) + bytes(2_000_000) + b"ab" * 3_000_000)
        with large.open("r+b") as file:
            file.seek(rng.randint(0, 900_000))
            file.write(os.urandom(100))


@pytest.mark.parametrize("seed", range(4))
def test_the_counts_say_what_marking_says(bench: Bench, tmp_path: Path, seed: int) -> None:
    """Through a history of backups, trash, deletions and prunes, with counts that are lost, old or cut off."""
    rng, file, trash, older = random.Random(seed), tmp_path / "cache" / "uses", list[str](), b""
    for step in range(30):
        change(bench, rng)
        there = sorted(backup_ids(bench.store))
        kept = [b for b in there if b not in trash]
        what = rng.choice(["take", "take", "take", "trash", "trash", "final", "back", "empty", "prune", "harm"])
        if what == "take" or not kept:
            bench.take()
            if rng.random() < 0.7:
                opened(bench, file).count_uses(trash)
        elif what == "trash":
            one = rng.choice(kept)
            assert opened(bench, file).bytes_only_in([one], trash) == marked(bench, [one], trash), step
            trash.append(one)
        elif what == "final":
            one = rng.choice(there)
            assert opened(bench, file).bytes_only_in([one]) == marked(bench, [one]), step
            bench.store.delete(root_name(one))
            trash = [b for b in trash if b != one]
        elif what == "back" and trash:
            one = rng.choice(trash)
            assert opened(bench, file).bytes_only_in([one], trash) == marked(bench, [one], trash), step
            trash.remove(one)
        elif what == "empty":
            assert opened(bench, file).bytes_only_in(trash) == (marked(bench, trash) if trash else 0), step
            for one in trash:
                bench.store.delete(root_name(one))
            trash = []
        elif what == "prune":
            bench.vault().prune(now_ns=step, grace_ns=0)
        elif what == "harm" and file.exists():
            data = file.read_bytes()
            harmed = rng.choice([data[: len(data) // 2], data[:-1] + b"?", b"", older])
            older = data
            file.write_bytes(harmed)
    assert len(backup_ids(bench.store)) > 1


def test_what_is_said_to_be_freed_a_prune_frees(bench: Bench, tmp_path: Path) -> None:
    for number in range(6):
        if not number:
            (bench.root / "staying").write_bytes(os.urandom(100_000))
        (bench.root / "changing").write_bytes(os.urandom(5_000_000 + number))
        bench.take()
        opened(bench, tmp_path / "uses").count_uses([])
    before = pack_bytes(bench)
    said = opened(bench, tmp_path / "uses").bytes_only_in(["b3"])
    bench.store.delete(root_name("b3"))
    result = bench.vault().prune(now_ns=1, grace_ns=0)
    assert said == before - pack_bytes(bench) == result.freed_bytes > 5_000_000


def pack_bytes(bench: Bench) -> int:
    return sum(size for _, size in bench.store.list("packs/"))


def test_a_deletion_reads_no_manifest_of_the_others(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        (bench.root / "changing").write_bytes(os.urandom(1_000) + bytes([number]))
        bench.take()
        opened(bench, tmp_path / "uses").count_uses([])
    read: list[str] = []
    get = LocalStore.get

    def noted(store: LocalStore, name: str) -> bytes:
        read.append(name)
        return get(store, name)

    monkeypatch.setattr(LocalStore, "get", noted)
    assert opened(bench, tmp_path / "uses").bytes_only_in(["b7"], ["b2"]) > 1_000
    assert read == []  # not even its root, whose parts are counted


def test_a_chunk_that_is_lost_is_said(bench: Bench, tmp_path: Path) -> None:
    for _ in range(2):
        (bench.root / "changing").write_bytes(os.urandom(100_000))
        bench.take()
        opened(bench, tmp_path / "uses").count_uses([])
    lost = next(pack_id for pack_id, kind, size in bench.ledger.live_packs() if size > 90_000)
    bench.ledger.condemn(bench.ledger.marks(), [lost], (), 1)
    with pytest.raises(ChunkMissing):
        opened(bench, tmp_path / "uses").bytes_only_in(["b1"])


def test_a_file_that_cannot_be_written_harms_nothing(bench: Bench, tmp_path: Path) -> None:
    (bench.root / "file").write_bytes(os.urandom(1_000))
    bench.take()
    (tmp_path / "not-a-folder").write_bytes(b"")
    assert opened(bench, tmp_path / "not-a-folder" / "uses").bytes_only_in(["b0"]) > 1_000


def test_the_file_is_its_owners_alone(bench: Bench, tmp_path: Path) -> None:
    (bench.root / "file").write_bytes(os.urandom(1_000))
    bench.take()
    file = tmp_path / "cache" / "uses"
    Uses(bench.store, KEYS, "acc1", file).bring_up(bench.vault().index(True), [])
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [path.name for path in file.parent.iterdir()] == ["uses"]


def test_an_index_that_grew_is_one_that_was_sorted(bench: Bench) -> None:
    """Of a chunk that is in two packs the first counts, whether they come together or one after the other."""
    for number in range(5):
        for i in range(20):
            (bench.root / f"file-{i}").write_bytes(random.Random(number * i % 7).randbytes(2_000 + i))
        bench.take()
    rows = bench.ledger.pack_rows(bench.ledger.live_pack_ids())
    rows = [*rows, rows[0], rows[2]]
    grown = Index.empty()
    for row in rows:
        grown = grown.with_packs(KEYS, [row])
    whole = Index.empty().with_packs(KEYS, rows)
    ids = b"".join(open_table(KEYS, row).ids for row in rows)
    places: dict[bytes, tuple[int, int, int]] = {}
    for number, row in enumerate(rows):
        table = open_table(KEYS, row)
        for i in range(len(table)):
            places.setdefault(table.ids[32 * i : 32 * i + 16], (number, int(table.offsets[i]), int(table.stored[i])))
    for index in (grown, whole):
        found = index.locate(ids)
        expected = np.array([places[ids[at : at + 16]] for at in range(0, len(ids), 32)])
        assert (np.column_stack([found.pack, found.offset, found.stored]) == expected).all()
        assert len(index) == len(places)
        assert (index.positions(os.urandom(32 * 50)) == -1).all()
