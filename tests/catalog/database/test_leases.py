"""Whose turn it is, on both databases."""

from __future__ import annotations

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.leases import claim_lease


def test_what_is_done_once_a_day(catalog: Catalog) -> None:
    assert claim_lease(catalog, "reconcile", 0, 100)
    assert not claim_lease(catalog, "reconcile", 99, 200)
    assert claim_lease(catalog, "reconcile", 100, 200)
