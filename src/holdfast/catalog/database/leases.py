"""Leases: tasks that one of the nodes does for the whole instance, claimed as facts."""

from __future__ import annotations

from sqlalchemy import select
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
