"""What each catalog of a process would have made anew, made once: statements, tables, prepared queries.

A program opens one catalog, tests open thousands. SQLAlchemy compiles each statement for each of them, which costs more
than the statements themselves; here all catalogs of one kind of database share what is compiled. What runs, and on
what, stays the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, Select, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

from holdfast.catalog.database import engine as catalog_engine
from holdfast.catalog.prepared_queries import PreparedQueries

_STATEMENTS_MAX = 20_000

_compiled: LRUCache[Any, Any] = LRUCache(_STATEMENTS_MAX)
_tables: dict[str, list[str]] = {}
"""By dialect: the statements that make all tables of a catalog."""
_prepared: dict[Any, Any] = {}
"""The texts of prepared queries, by dialect and statement."""

_engine = catalog_engine._engine
_make_tables = catalog_engine._make_tables
_prepare = PreparedQueries._compiled


def share() -> None:
    """Have all catalogs of this process share what can be shared; once."""
    if catalog_engine._engine is not _engine:
        return
    for kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        # The dialect is a part of the key under which a compiled statement is found again.
        kind.__eq__ = _is_alike  # type: ignore[method-assign,assignment]
        kind.__hash__ = _hash_of_kind  # type: ignore[method-assign,assignment]
    catalog_engine._engine = _sharing_engine
    catalog_engine._make_tables = _tables_made
    PreparedQueries._compiled = _prepared_once  # type: ignore[method-assign,assignment]


def _is_alike(one: Dialect, other: object) -> bool:
    return type(one) is type(other)


def _hash_of_kind(one: Dialect) -> int:
    return hash(type(one))


def _sharing_engine(url: str) -> Engine:
    made = _engine(url)
    made._compiled_cache = _compiled
    return made


def _tables_made(connection: Connection) -> None:
    """Make the tables by the statements that made those of the first catalog."""
    dialect = connection.dialect.name
    known = _tables.get(dialect)
    if known is None:
        noted: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            if statement.lstrip().startswith("CREATE"):
                noted.append(statement)

        event.listen(connection, "before_cursor_execute", note)
        _make_tables(connection)
        event.remove(connection, "before_cursor_execute", note)
        _tables[dialect] = noted
        return
    driver: Any = connection.connection.dbapi_connection
    cursor = driver.cursor()
    for statement in known:
        cursor.execute(statement)


def _prepared_once(queries: PreparedQueries, statement: Select[Any]) -> Any:
    found = statement._generate_cache_key()
    assert found is not None
    key = (queries._catalog.engine.dialect.name, found.key)
    if key not in _prepared:
        _prepared[key] = _prepare(queries, statement)
    return _prepared[key]
