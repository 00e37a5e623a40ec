"""A vault over a store on disk, and trees to back up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdfast.sources.directory.source import DirectorySource
from holdfast.stores.port import Store
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.reader.snapshot import Snapshot
from holdfast.vault.vault import TakeResult, Vault
from kit.memory_ledger import MemoryLedger
from kit.stores.local import new_local

LATER_NS = 10_000_000_000
"""Scans are said to happen this much later than now, so that fresh files do not count as changing just now."""


@dataclass
class Bench:
    """One application's folder and one vault."""

    root: Path
    store: Store
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    workers: int = 0
    taken: list[str] = field(default_factory=list)

    def vault(self) -> Vault:
        """A vault as a fresh process would open it."""
        return Vault(vault_id="acc1", store=self.store, data_key=b"k" * 32, ledger=self.ledger, workers=self.workers)

    def take(self, **options: Any) -> TakeResult:
        """Back the folder up, after the backup before it."""
        backup_id = f"b{len(self.taken)}"
        result = self.vault().take(
            DirectorySource(self.root),
            self.taken[-1] if self.taken else None,
            backup_id=backup_id,
            commit_seq=len(self.taken),
            now_ns=time.time_ns() + LATER_NS,
            **options,
        )
        self.ledger.commit(result.epoch)
        self.taken.append(backup_id)
        return result

    def open(self, backup_id: str | None = None) -> Snapshot:
        """Open a backup, by default the last one."""
        return self.vault().open(backup_id or self.taken[-1])

    def tree(self, backup_id: str | None = None) -> dict[bytes, bytes | None]:
        """What a backup holds: contents of files, targets of links, None for folders."""
        snapshot = self.open(backup_id)
        out: dict[bytes, bytes | None] = {}
        for entry in snapshot.entries():
            if entry.kind is Kind.FILE:
                out[entry.path] = b"".join(snapshot.content(entry))
                assert len(out[entry.path] or b"") == entry.size
            else:
                out[entry.path] = entry.extra.target
        snapshot.close()
        return out


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty application and an empty vault on disk."""
    (tmp_path / "app").mkdir()
    return Bench(tmp_path / "app", new_local(tmp_path / "store"))


@pytest.fixture
def write(bench: Bench) -> Callable[[str, bytes], Path]:
    """Writes a file of the application, with its folders."""

    def put(name: str, data: bytes) -> Path:
        path = bench.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return put
