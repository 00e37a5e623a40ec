"""The instance's store: marked by `init`, known to the catalog by its id, recognised at every opening.

An instance from before the mark gets it at the first start whose store opens an account's record with the master key.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from holdfast.catalog.accounts.rows import all_accounts
from holdfast.catalog.database.engine import Catalog
from holdfast.service.instance.file_locks import folder_held
from holdfast.stores.durable import write_durably
from holdfast.stores.identified import MARK, MARK_IN_USE, IdentifiedStore, mark_text, read_mark
from holdfast.stores.local import LocalStore, make_root
from holdfast.stores.port import ObjectMissing, Store, StoreError
from holdfast.vault.errors import VaultError
from holdfast.vault.pack.keys import MasterKey

STORE_ID = "store id"
IN_USE = "store in use"
_VAULTS = "vaults/"


def mark_new_store(root: Path, catalog: Catalog, now_ns: int) -> str | None:
    """Make the root of a new instance's store, and its mark; nothing else. Return the id.

    A making that was cut off is gone on with. Returns None, and changes nothing, when the catalog belongs to another
    store. Raises StoreError.
    """
    store = LocalStore(root)
    known = catalog.fact(STORE_ID)
    found = read_mark(store) if root.is_dir() else None
    if known is not None and known != found:
        return None
    make_root(root)
    if found is None:
        found = uuid4().hex
        write_durably(root / MARK, mark_text(found, now_ns))  # past the store, which would make a folder for it
    return found if catalog.set_fact_once(STORE_ID, found) == found else None


def recognise(store: IdentifiedStore, catalog: Catalog, home: Path, key: MasterKey, now_ns: int) -> None:
    """Tell `store` the id that the catalog has; without one, look whether it is the instance's, and mark it.

    A store that is not the instance's is left as it is, without an id. Raises StoreError, CatalogError.
    """
    known = catalog.fact(STORE_ID)
    if known is None:
        with folder_held(home):  # of two that start at once, the second finds the mark
            known = catalog.fact(STORE_ID) or _adopted(store.inner, catalog, key, now_ns)
    store.store_id = known
    store.is_in_use = catalog.fact(IN_USE) is not None


def mark_in_use(store: IdentifiedStore, catalog: Catalog, now_ns: int) -> None:
    """Mark a store once more, before the first vault is made in it. Raises StoreError."""
    store.confirm()
    if store.store_id is not None and not store.is_in_use:
        store.inner.put(MARK_IN_USE, mark_text(store.store_id, now_ns))
        catalog.set_fact_once(IN_USE, store.store_id)
        store.is_in_use = True


def _adopted(store: Store, catalog: Catalog, key: MasterKey, now_ns: int) -> str | None:
    """Mark the store of an instance that is older than the mark; None when it is not known to be its store."""
    accounts = [account.id for account in all_accounts(catalog) if account.data_key_sealed]
    vaults = sorted({name.split("/")[1] for name, _ in store.list(_VAULTS)} - {MARK_IN_USE.partition("/")[2]})
    if (accounts or vaults) and not _opens_one(store, key, accounts or vaults):
        return None
    found = read_mark(store)
    if found is None:
        found = uuid4().hex
        store.put(MARK, mark_text(found, now_ns))
    if vaults:
        in_use = None
        with suppress(StoreError):  # a damaged one is written anew
            in_use = read_mark(store, MARK_IN_USE)
        if in_use != found:
            store.put(MARK_IN_USE, mark_text(found, now_ns))
        catalog.set_fact_once(IN_USE, found)
    return catalog.set_fact_once(STORE_ID, found)


def _opens_one(store: Store, key: MasterKey, accounts: Iterable[str]) -> bool:
    for account_id in accounts:
        for name in (f"{_VAULTS}{account_id}/account", f"records/{account_id}"):
            with suppress(ObjectMissing, VaultError):
                key.unwrap(store.get(name), f"account record:{account_id}")
                return True
    return False
