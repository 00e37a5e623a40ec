"""Catalogs of version 0009 and before: the API key of each account becomes its main key."""

from __future__ import annotations

from kit.older_catalog import make_as
from sqlalchemy import select

from holdfast.catalog.database.access_tables import keys
from holdfast.catalog.database.engine import open_catalog

ACCOUNTS = 1_001  # more than two pages of the migration


def test_every_account_keeps_its_key_but_an_erased_one(url: str) -> None:
    given = [
        {"id": f"{i:04}", "email": f"a{i}@example.com", "api_key_hash": b"%032d" % i, "data_key_sealed": b"k"}
        for i in range(ACCOUNTS)
    ]
    given[7]["data_key_sealed"] = b""
    make_as("0009", url, {"accounts": given})
    catalog = open_catalog(url)
    try:
        with catalog.read() as connection:
            moved = {row.account_id: bytes(row.hash) for row in connection.execute(select(keys))}
    finally:
        catalog.close()
    assert moved == {f"{i:04}": b"%032d" % i for i in range(ACCOUNTS) if i != 7}
