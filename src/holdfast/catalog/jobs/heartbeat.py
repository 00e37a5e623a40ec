"""Heartbeats: when the jobs' process of each node last went through its loop, as facts.

A beat is stored without waiting for the disk: one that a power cut loses was of a process that the power cut ended.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import ColumnElement, func, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import facts

_PREFIX = "heartbeat:"
_DIGITS = 32
"""Of the hash of a node's name, which can be as long as the column is wide: the value has the name itself."""


def store_heartbeat(catalog: Catalog, node: str, now_ns: int) -> None:
    """Note that the jobs' process of a node works. Raises CatalogError."""
    with catalog.write(durable=False) as connection:
        name = _PREFIX + sha256(node.encode()).hexdigest()[:_DIGITS]
        row = {"name": name, "value": f"{now_ns} {node}"}
        # Only one process of a node writes its row, so nothing comes between these two.
        if not connection.execute(facts.update().where(facts.c.name == name).values(row)).rowcount:
            connection.execute(facts.insert().values(row))


def heartbeats(catalog: Catalog) -> dict[str, int]:
    """Return the time of the last beat of each node, in nanoseconds. Raises CatalogError."""
    query = select(facts.c.value).where(is_beat())
    with catalog.read() as connection:
        return {value.partition(" ")[2]: time_of_beat(value) for value in connection.execute(query).scalars()}


def is_beat() -> ColumnElement[bool]:
    """Return the condition for facts that are beats."""
    return facts.c.name.startswith(_PREFIX, autoescape=True)


def is_beat_of(node: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition for the beat of a node: its value, without the time that it begins with, names it."""
    return func.ltrim(facts.c.value, "0123456789") == " " + node


def time_of_beat(value: str) -> int:
    """Return the time of a beat, in nanoseconds."""
    return int(value.partition(" ")[0])
