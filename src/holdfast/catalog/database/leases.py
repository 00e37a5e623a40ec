"""Leases: tasks that one of the nodes does for the whole instance, and the names of nodes, claimed as facts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import facts


def claim_lease(catalog: Catalog, what: str, now_ns: int, until_ns: int) -> bool:
    """Claim a task for one node until a time. Return False when it was done already, or is being done."""
    try:
        with catalog.write() as connection:
            last = connection.execute(select(facts.c.value).where(facts.c.name == what).with_for_update()).scalar()
            if last is not None and int(last) > now_ns:
                return False
            connection.execute(facts.delete().where(facts.c.name == what))
            connection.execute(facts.insert().values(name=what, value=str(until_ns)))
            return True
    except IntegrityError:
        return False  # of two that claim for the first time one is second


class NodeHolder(msgspec.Struct, frozen=True):
    """The home that has a node's name. `beat` grows with each renewal; `at`: its time by the database's clock, in s."""

    home_id: str
    where: str
    beat: int
    at: int


class HeldBy(msgspec.Struct, frozen=True):
    """Another home that has the name. `age_seconds`: since its last renewal, as far as the database's clock tells."""

    holder: NodeHolder
    age_seconds: int


def _fact_of_node(node: str) -> str:
    return "node " + hashlib.sha256(node.encode()).hexdigest()[:32]


def known_nodes(connection: Connection, nodes: Iterable[str]) -> set[str]:
    """Return those of the names that some home has, or had."""
    by_fact = {_fact_of_node(node): node for node in nodes}
    found = connection.execute(select(facts.c.name).where(facts.c.name.in_(by_fact))).scalars()
    return {by_fact[name] for name in found}


def hold_node(catalog: Catalog, node: str, home_id: str, where: str, dead: NodeHolder | None = None) -> HeldBy | None:
    """Take or renew a node's name for a home; return who has it instead. `dead`: a holder that it is taken from."""
    name = _fact_of_node(node)
    clock = "strftime('%s', 'now')" if catalog.is_sqlite else "extract(epoch FROM clock_timestamp())"
    while True:
        try:
            with catalog.write() as connection:
                found = connection.execute(select(facts.c.value).where(facts.c.name == name).with_for_update()).scalar()
                now = int(connection.exec_driver_sql(f"SELECT CAST({clock} AS BIGINT)").scalar_one())
                holder = None if found is None else msgspec.json.decode(found, type=NodeHolder)
                if holder is not None and holder.home_id != home_id and holder != dead:
                    return HeldBy(holder, now - holder.at)
                value = msgspec.json.encode(NodeHolder(home_id, where, holder.beat + 1 if holder else 1, now)).decode()
                if holder is None:
                    connection.execute(facts.insert().values(name=name, value=value))
                else:
                    connection.execute(facts.update().where(facts.c.name == name).values(value=value))
                return None
        except IntegrityError:
            continue  # of two that take it for the first time one is second, and finds the other
