"""The order of writing: packs, their rows, manifest packs, their rows, the root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kit.memory_ledger import MemoryLedger
from kit.vault_bench import Bench

from holdfast.stores.local import LocalStore, make_root
from holdfast.stores.port import Buffer, ObjectWriter
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.writer import PackKind, pack_name


class Recorder:
    """A store and a ledger that note every effect in one list."""

    def __init__(self, root: Path) -> None:
        self.effects: list[str] = []
        recorder = self

        class Store(LocalStore):
            def put(self, name: str, data: Buffer) -> None:
                super().put(name, data)
                if not name.startswith("packs/"):
                    recorder.effects.append(name.split("/")[0])

            def writer(self) -> ObjectWriter:
                inner = super().writer()
                commit = inner.commit

                def noted(name: str) -> None:
                    commit(name)
                    if name.startswith("packs/"):
                        recorder.effects.append(f"durable {name}")

                inner.commit = noted  # type: ignore[method-assign]
                return inner

        class Ledger(MemoryLedger):
            def publish(self, epoch: int, packs: Sequence[PackRow]) -> None:
                super().publish(epoch, packs)
                recorder.effects.extend(f"row {p.kind} {pack_name(p.pack_id)}" for p in packs)

        make_root(root)
        self.store = Store(root)
        self.ledger = Ledger()


def test_each_line_is_durable_before_the_next(
    bench: Bench, write: Callable[[str, bytes], Path], tmp_path: Path
) -> None:
    for i in range(50):
        write(f"f{i}", bytes([i]) * 5000)
    recorder = Recorder(tmp_path / "recorded")
    recorded = Bench(bench.root, recorder.store, recorder.ledger)
    recorded.take()
    effects = recorder.effects
    rows = {e.split()[2]: int(e.split()[1]) for e in effects if e.startswith("row")}
    for name in rows:
        kind = next(e for e in effects if e.startswith("row") and e.endswith(name))
        assert effects.index(f"durable {name}") < effects.index(kind)
    of_kind = {kind: [n for n, k in rows.items() if k == kind] for kind in PackKind}
    assert of_kind[PackKind.DATA]
    assert of_kind[PackKind.MANIFEST]
    last_data_row = max(effects.index(f"row {PackKind.DATA:d} {n}") for n in of_kind[PackKind.DATA])
    first_manifest_row = min(effects.index(f"row {PackKind.MANIFEST:d} {n}") for n in of_kind[PackKind.MANIFEST])
    assert last_data_row < first_manifest_row
    assert effects[-1] == "backups"
    assert effects.count("backups") == 1


def test_a_root_names_only_what_the_ledger_has(bench: Bench, write: Callable[[str, bytes], Path]) -> None:
    write("f", b"x" * 5000)
    bench.take()
    ids = [p.pack_id for p in bench.ledger.pack_rows(bench.ledger.live_pack_ids())]
    assert sorted(pack_name(i) for i in ids) == [name for name, _ in bench.store.list("packs/")]
