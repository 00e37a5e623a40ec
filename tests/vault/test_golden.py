"""A repository that an earlier version wrote is read as it was, and its downloads have the same bytes.

The ledger is rebuilt from the packs alone, by range reads of their ends: that this works is part of the format.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from kit.golden_repository import DATA_KEY, GOLDEN, OLD_NS, TIME_NS, VAULT_ID, make_tree
from kit.memory_ledger import MemoryLedger
from kit.trees import contents_of

from holdfast.stores.local import LocalStore
from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.table import read_footer
from holdfast.vault.reader.snapshot import Snapshot
from holdfast.vault.vault import Vault

DOWNLOADS = {
    "v1": (
        "cda075efb850f1de1acc393c7bd628e2dc076f76e3c1434a050f04d0e0473d9b",
        "8dbd556f9da9dcd30caf29de199f40ad9839288ca934de1b3b1d1731dd727da2",
    ),
    "v2": (
        "caecd3b08dabf22f3b3098e6032112321a239027dba167e5696a59002613d00a",
        "da2db49417cbb8f46d19598fd0fa9bc0a638819ab5ae93ff4f436d875b90eed5",
    ),
}
"""SHA-256 of the zip and of the tar.gz."""


@pytest.fixture(params=DOWNLOADS)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Snapshot]:
    """A golden repository, opened."""
    shutil.copytree(GOLDEN / request.param, tmp_path / "store")
    store = LocalStore(tmp_path / "store")
    keys = VaultKeys(DATA_KEY, VAULT_ID)
    ledger = MemoryLedger()
    ids = [bytes.fromhex(name.rpartition("/")[2]) for name, _ in store.list("packs/")]
    ledger.publish(0, [read_footer(keys, store, pack_id) for pack_id in ids])
    vault = Vault(vault_id=VAULT_ID, store=store, data_key=DATA_KEY, ledger=ledger)
    return request.param, vault.open("backup")


def test_the_tree_is_as_it_was(golden: tuple[str, Snapshot], tmp_path: Path) -> None:
    version, snapshot = golden
    make_tree(tmp_path / "app", version)
    found: dict[bytes, bytes | None] = {}
    for entry in snapshot.entries():
        found[entry.path] = b"".join(snapshot.content(entry)) if entry.kind is Kind.FILE else entry.extra.target
        if entry.kind is not Kind.SYMLINK:
            assert entry.mode == (0o755 if entry.kind is Kind.FOLDER else 0o640)
        assert entry.mtime_ns == (OLD_NS if entry.path == b"old" else TIME_NS)
    assert found == contents_of(tmp_path / "app")
    assert snapshot.root.labels == {"app": "golden"}
    assert snapshot.root.zip_layout == int(version.removeprefix("v"))
    expected = json.loads((GOLDEN / version / "expected.json").read_text())
    assert snapshot.root.digest.hex() == expected["digest"]


def test_the_downloads_have_the_same_bytes(golden: tuple[str, Snapshot]) -> None:
    version, snapshot = golden
    expected = json.loads((GOLDEN / version / "expected.json").read_text())
    hashes = []
    for layout, size in ((zip_layout, snapshot.root.zip_bytes), (targz, snapshot.root.tar_bytes)):
        assert layout.total_bytes(snapshot) == size
        hashes.append(hashlib.sha256(b"".join(snapshot.reader.render(layout.pieces(snapshot, 0, size)))).hexdigest())
    assert (snapshot.root.zip_bytes, snapshot.root.tar_bytes) == (expected["zip_bytes"], expected["tar_bytes"])
    assert tuple(hashes) == DOWNLOADS[version]
