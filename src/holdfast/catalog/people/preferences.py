"""The preferences of people in the catalog."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from holdfast.catalog.database.access_tables import people
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.audit import Change, changed, enter_audit
from holdfast.catalog.people.records import Preferences
from holdfast.catalog.records import Actor

_COLUMNS = tuple(people.c[name] for name in Preferences.__struct_fields__)


def set_preferences(catalog: Catalog, person_id: str, chosen: Preferences, by: Actor, now_ns: int) -> None:
    """Set all preferences of a person. Those that he has already change nothing, and are entered nowhere."""
    after = msgspec.structs.asdict(chosen)
    with catalog.write() as connection:
        # Written first: PostgreSQL holds the row then, and a second tab waits for what this one leaves.
        connection.execute(people.update().where(people.c.id == person_id).values(id=person_id))
        row = connection.execute(select(*_COLUMNS).where(people.c.id == person_id)).one_or_none()
        if row is None or row._asdict() == after:
            return
        connection.execute(people.update().where(people.c.id == person_id).values(after))
        data = {"person_id": person_id, **changed(row._asdict(), after)}
        enter_audit(connection, Change(by, "preferences.changed", data=data), now_ns)
