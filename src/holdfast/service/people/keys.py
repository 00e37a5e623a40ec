"""The keys of an account beside its main key: made with rights of their own, shown, changed, ended.

It must never show a key again, or give one more than whoever makes or changes it has himself.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from msgspec import UNSET, structs

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import keys as rows
from holdfast.catalog.people.keys import MAIN
from holdfast.catalog.people.records import Key
from holdfast.catalog.records import Account, Actor, new_id
from holdfast.schemas import keys as schemas
from holdfast.schemas.fields import given
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.people.audit import record
from holdfast.service.people.giving import Giver, checked_name, own_apps
from holdfast.service.people.rights import Right, parsed_rights, shown_group, stored_rights
from holdfast.service.registry.account_record import store_record, store_record_or_later
from holdfast.service.registry.keys import START_CHARACTERS, MadeKey, key_hash, new_api_key, reveal_key, rotate_key
from holdfast.units import SECOND_NS

KEYS_MAX = 200
"""Of one account."""

NETWORKS_MAX = 100
"""Of one key."""


def list_keys(instance: Instance, account_id: str) -> list[Key]:
    """Return the keys of an account that have not ended, oldest first."""
    now_ns = instance.clock.now_ns()
    return [key for key in rows.keys_of(instance.catalog, account_id) if key.ends_at is None or key.ends_at > now_ns]


def get_key(instance: Instance, account_id: str, key_id: str) -> Key:
    """Return one key of an account. Raises NotFound, also for another account's and for one that has ended."""
    key = rows.key_by_id(instance.catalog, account_id, key_id)
    if key is None or (key.ends_at is not None and key.ends_at <= instance.clock.now_ns()):
        raise _key_not_found()
    return key


def make_key(instance: Instance, account_id: str, wanted: schemas.NewKey, giver: Giver) -> MadeKey:
    """Make a key.

    Raises Invalid (NAME, GROUP, RIGHTS, APP_IDS, NETWORKS, EXPIRES_IN), PermissionDenied for a right that the giver
    does not have, Conflict (TOO_MANY_KEYS), StoreError; then there is none.
    """
    name = checked_name(wanted.name)
    rights = parsed_rights(given(wanted.group), given(wanted.rights))
    app_ids = own_apps(instance, account_id, given(wanted.app_ids))
    giver.require(rights, app_ids)
    instance.confirm_store()
    api_key, now_ns = new_api_key(), instance.clock.now_ns()
    key = Key(
        id=new_id(now_ns),
        account_id=account_id,
        hash=key_hash(api_key),
        name=name,
        start=api_key[:START_CHARACTERS],
        sealed=None,
        person_id=giver.person_id,
        made_by=giver.actor,
        rights=rights,
        app_ids=app_ids,
        networks=_networks(given(wanted.networks)),
        created_at=now_ns,
        ends_at=_end(given(wanted.expires_in), now_ns),
    )
    change = Change(giver.actor, "key.created", account_id, data={"key_id": key.id, "after": _recorded(key)})
    try:
        rows.add_key(instance.catalog, key, change, KEYS_MAX)
    except rows.TooManyKeys:
        raise Conflict(
            "TOO_MANY_KEYS", f"The account has {KEYS_MAX} keys, which is the maximum; end one first."
        ) from None
    store_record_or_later(instance, account_id)
    return MadeKey(key, api_key)


def change_key(instance: Instance, key: Key, wanted: schemas.KeyChange, giver: Giver) -> Key:
    """Change what is given; all of the key must then be within what the giver has.

    Raises as `make_key`, Conflict (MAIN_KEY), NotFound.
    """
    if key.rights == MAIN:
        raise _is_main()
    now_ns = instance.clock.now_ns()
    changed = structs.replace(
        key,
        name=key.name if wanted.name is UNSET else checked_name(wanted.name),
        rights=key.rights
        if wanted.group is UNSET and wanted.rights is UNSET
        else parsed_rights(given(wanted.group), given(wanted.rights)),
        app_ids=key.app_ids if wanted.app_ids is UNSET else own_apps(instance, key.account_id, wanted.app_ids),
        networks=key.networks if wanted.networks is UNSET else _networks(wanted.networks),
        ends_at=key.ends_at if wanted.expires_in is UNSET else _end(wanted.expires_in, now_ns),
    )
    giver.require(changed.rights, changed.app_ids)
    data = {"key_id": key.id, "before": _recorded(key), "after": _recorded(changed)}
    change = Change(giver.actor, "key.changed", key.account_id, data=data)
    if not rows.change_key(instance.catalog, changed, change, now_ns):
        raise _key_not_found()
    store_record(instance, key.account_id)
    return changed


def end_key(instance: Instance, key: Key, by: Actor) -> None:
    """End a key: from now on it opens nothing, and its streams end. Raises Conflict (MAIN_KEY), NotFound."""
    if is_main(key):
        raise _is_main()
    change = Change(by, "key.ended", key.account_id, data={"key_id": key.id, "before": _recorded(key)})
    if not rows.delete_key(instance.catalog, key, change, instance.clock.now_ns()):
        raise _key_not_found()
    store_record(instance, key.account_id)


def replace_main_key(instance: Instance, account: Account, overlap_seconds: int, giver: Giver) -> MadeKey:
    """Replace the main key; the old one works on for the overlap.

    The new one is shown to whoever asks, so he must have all that it may do. Raises Invalid (OVERLAP_SECONDS),
    PermissionDenied.
    """
    if not 0 <= overlap_seconds <= schemas.OVERLAP_SECONDS_MAX:
        raise Invalid(
            "overlap_seconds", f"overlap_seconds must be a whole number from 0 to {schemas.OVERLAP_SECONDS_MAX}."
        )
    giver.require(MAIN, None)
    return rotate_key(instance, account, giver.actor, overlap_seconds)


def show_main_key(instance: Instance, account: Account, giver: Giver) -> str:
    """Return the main key's text to whoever has all that it may do, and enter that in the audit.

    Raises PermissionDenied, NotFound (KEY_NOT_FOUND), KeyMismatch.
    """
    giver.require(MAIN, None)
    text = reveal_key(instance, account.id)
    record(instance, Change(giver.actor, "account.key_shown", account.id))
    return text


def shown_key(instance: Instance, key: Key) -> schemas.Key:
    """Return a key as it is shown."""
    has = stored_rights(key.rights)
    rights = [str(right) for right in Right if right in has]
    return schemas.key_of(key, shown_group(key.rights), rights, instance.zone, is_main=is_main(key))


def shown_with_key(instance: Instance, made: MadeKey) -> schemas.NewKeyShown:
    """Return the only object that a key itself is in."""
    return schemas.with_key(shown_key(instance, made.key), made.api_key)


def is_main(key: Key) -> bool:
    """True for the main key itself; an older one, which works until the overlap's end, is none."""
    return key.rights == MAIN and key.sealed is not None


def _networks(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    if texts is None:
        return None
    if not 1 <= len(texts) <= NETWORKS_MAX:
        raise Invalid("networks", f"networks must name 1 to {NETWORKS_MAX} networks; null means from everywhere.")
    try:
        return tuple(dict.fromkeys(str(ip_network(text)) for text in texts))
    except ValueError:
        raise Invalid(
            "networks", "networks must be addresses or networks like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32."
        ) from None


def _end(seconds: int | None, now_ns: int) -> int | None:
    if seconds is None:
        return None
    if not schemas.EXPIRES_SECONDS_MIN <= seconds <= schemas.EXPIRES_SECONDS_MAX:
        raise Invalid(
            "expires_in",
            f"expires_in must be a whole number of seconds from {schemas.EXPIRES_SECONDS_MIN} to "
            f"{schemas.EXPIRES_SECONDS_MAX}, or null for a key that does not end by itself.",
        )
    return (now_ns // SECOND_NS + seconds) * SECOND_NS


def _recorded(key: Key) -> dict[str, Any]:
    """Return what the audit keeps of a key."""
    return {
        "name": key.name,
        "rights": key.rights,
        "app_ids": key.app_ids,
        "networks": key.networks,
        "ends_at": key.ends_at,
    }


def _key_not_found() -> NotFound:
    return NotFound("KEY_NOT_FOUND", "No such key exists.")


def _is_main() -> Conflict:
    return Conflict("MAIN_KEY", "The main key can't be changed or ended; POST /v3/account/key replaces it.")
