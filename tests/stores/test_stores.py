"""Every store passes the one suite."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.stores.conformance import StoreConformance
from kit.stores.faulty import FaultyStore
from kit.stores.local import new_local

from holdfast.stores.identified import MARK, IdentifiedStore, mark_text
from holdfast.stores.local import LocalStore
from holdfast.stores.memory import MemoryStore
from holdfast.stores.port import ObjectMissing, Store
from holdfast.stores.prefixed import PrefixedStore

STORE_ID = "5" * 32


def new_identified(root: Path) -> IdentifiedStore:
    store = new_local(root)
    store.put(MARK, mark_text(STORE_ID, 0))
    return IdentifiedStore(store, STORE_ID, is_in_use=False)


KINDS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda path: MemoryStore(),
    "local": lambda path: new_local(path / "store"),
    "prefixed": lambda path: PrefixedStore(new_local(path / "store"), "vaults/acc/"),
    "identified": lambda path: new_identified(path / "store"),
    "faulty": lambda path: FaultyStore(MemoryStore()),
}


class TestStores(StoreConformance):
    """The suite, once for each kind of store."""

    @pytest.fixture(params=KINDS)
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Store:
        return KINDS[request.param](tmp_path)


def test_a_prefixed_store_sees_only_its_own() -> None:
    whole = MemoryStore()
    whole.put("vaults/ab/secret", b"x")
    part = PrefixedStore(whole, "vaults/a/")
    assert list(part.list("")) == []
    with pytest.raises(ObjectMissing):
        part.get("secret")
    with pytest.raises(ValueError, match="name"):
        part.get("../ab/secret")
    with pytest.raises(ValueError, match="slash"):
        PrefixedStore(whole, "vaults/a")


def test_a_local_store_goes_to_another_process(tmp_path: Path) -> None:
    store = PrefixedStore(LocalStore(tmp_path), "v/")
    store.put("o", b"x")
    assert pickle.loads(pickle.dumps(store)).get("o") == b"x"
