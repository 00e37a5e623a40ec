"""Keys with rights of their own."""

from __future__ import annotations

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people.keys import add_key
from holdfast.catalog.people.records import Key
from holdfast.catalog.records import SYSTEM, new_id
from holdfast.service.instance.home import Instance
from holdfast.service.registry.keys import START_CHARACTERS, key_hash, new_api_key


def add_named_key(
    instance: Instance,
    account_id: str,
    rights: str,
    *,
    app_ids: tuple[str, ...] | None = None,
    networks: tuple[str, ...] | None = None,
    ends_at: int | None = None,
    person_id: str | None = None,
    name: str = "test",
) -> str:
    """Add a key to an account, as stored; return its text."""
    api_key, now_ns = new_api_key(), instance.clock.now_ns()
    key = Key(
        id=new_id(now_ns),
        account_id=account_id,
        hash=key_hash(api_key),
        name=name,
        start=api_key[:START_CHARACTERS],
        sealed=None,
        person_id=person_id,
        made_by=SYSTEM,
        rights=rights,
        app_ids=app_ids,
        networks=networks,
        created_at=now_ns,
        ends_at=ends_at,
    )
    add_key(instance.catalog, key, Change(SYSTEM, "key.created", account_id))
    return api_key
