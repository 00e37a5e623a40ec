"""A store on the local disk, its folder made for it."""

from __future__ import annotations

from pathlib import Path

from holdfast.stores.local import LocalStore, make_root


def new_local(root: Path) -> LocalStore:
    """Make a folder, and a store in it."""
    make_root(root)
    return LocalStore(root)
