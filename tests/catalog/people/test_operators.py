"""Operators on both databases: of many who open a link one gets in, and whoever is removed has no session left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from kit.rows import key_hash

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.audit import Change
from holdfast.catalog.people.ended import delete_ended
from holdfast.catalog.people.operators import (
    add_operator,
    add_operator_link,
    find_operator,
    open_operator_link,
    remove_operator,
)
from holdfast.catalog.people.sign_in import NewSession
from holdfast.catalog.prepared_queries import PreparedQueries
from holdfast.catalog.records import SYSTEM

NOW = 10
EMAIL = "rui@example.org"


def new(name: str) -> NewSession:
    return NewSession(key_hash(name), NOW, 1000, "192.0.2.1", "", NOW)


def test_of_many_who_open_a_link_one_gets_in_until_he_is_removed(catalog: Catalog) -> None:
    added = add_operator(catalog, EMAIL, Change(SYSTEM, "operator.added"), NOW)
    assert added is not None
    assert add_operator(catalog, EMAIL, Change(SYSTEM, "operator.added"), NOW) is None
    add_operator_link(catalog, added.id, key_hash("ticket"), 100, Change(SYSTEM, "operator_link.created"), NOW)
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda n: open_operator_link(catalog, key_hash("ticket"), new(f"s{n}")), range(8)))
    assert opened.count(True) == 1
    prepared = PreparedQueries(catalog)
    found = prepared.operator_session_by_hash(key_hash(f"s{opened.index(True)}"))
    assert found is not None
    assert (found.email, prepared.session_by_hash(key_hash(f"s{opened.index(True)}"))) == (EMAIL, None)
    delete_ended(catalog, 2000)
    assert find_operator(catalog, EMAIL) is not None, "one who is not signed in is not forgotten"
    assert remove_operator(catalog, added.id, Change(SYSTEM, "operator.removed"), NOW)
    assert not remove_operator(catalog, added.id, Change(SYSTEM, "operator.removed"), NOW)
    prepared.close()
