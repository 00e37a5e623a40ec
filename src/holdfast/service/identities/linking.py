"""The identities of whoever is signed in: listed, linked, unlinked. Linking and unlinking need an elevated session."""

from __future__ import annotations

from holdfast.catalog.events.audit import Change
from holdfast.catalog.identities import rows
from holdfast.catalog.identities.records import Identity as Identity
from holdfast.catalog.identities.records import IdentityTaken, LastWayIn, Round
from holdfast.catalog.people.passwords import Credentials
from holdfast.service.credentials.passwords import SignedIn, is_elevated
from holdfast.service.errors import AccessDenied, Conflict, NotFound, PasswordRefused
from holdfast.service.identities.id_tokens import Proved
from holdfast.service.identities.providers import Configured, Providers
from holdfast.service.identities.signing_in import identity_taken
from holdfast.service.instance.home import Instance
from holdfast.service.instance.sign_in.providers import ConfiguredDiscord


def own_identities(instance: Instance, caller: SignedIn, account_id: str | None) -> list[Identity]:
    """Return the identities of whoever is signed in that open the account (None: the instance), oldest first.

    Those of his other accounts are shown there: whoever shares one of them must not change what opens the others.
    """
    found = rows.identities_of(instance.catalog, caller.person_id or "")
    return [one for one in found if rows.opens(one.account_ids, account_id)]


def elevating(
    providers: Providers, caller: SignedIn, account_id: str | None, credentials: Credentials
) -> list[Configured]:
    """Return the providers by which whoever is signed in may elevate his session."""
    mine = {
        one.issuer
        for one in own_identities(providers.instance, caller, account_id)
        if credentials.hash is None or rows.covers(one.account_ids, credentials.account_ids)
    }
    return [one for one in providers.all if one.issuer in mine and not isinstance(one, ConfiguredDiscord)]


def link(
    providers: Providers, provider: Configured, ended: Round, proved: Proved, caller: SignedIn, account_id: str | None
) -> Identity:
    """Link the identity of whoever came back. The session is the one that began the round, elevated at that time.

    Raises AccessDenied, Conflict (IDENTITY_TAKEN).
    """
    instance = providers.instance
    if caller.session_id is None or caller.session_id != ended.session_id or caller.person_id is None:
        raise AccessDenied
    now_ns = instance.clock.now_ns()
    new = rows.new_identity(caller.person_id, provider.issuer, proved.subject, proved.label, now_ns)
    change = Change(caller.actor, "identity.linked", account_id, data={"provider": provider.name})
    try:
        linked = rows.link_identity(instance.catalog, new, caller.session_id, account_id, change, now_ns)
    except IdentityTaken:
        raise identity_taken(provider) from None
    if linked is None:
        raise AccessDenied
    return linked


def unlink(providers: Providers, caller: SignedIn, account_id: str | None, identity_id: str) -> None:
    """Unlink an identity that opens the account. Raises PasswordRefused, NotFound, Conflict (LAST_WAY_IN)."""
    instance = providers.instance
    if not is_elevated(instance, caller):
        raise PasswordRefused("Prove first that it is you.")
    found = next((one for one in own_identities(instance, caller, account_id) if one.id == identity_id), None)
    data = {"identity_id": identity_id, "issuer": found.issuer if found else "", "label": found.label if found else ""}
    change, now_ns = Change(caller.actor, "identity.unlinked", account_id, data=data), instance.clock.now_ns()
    try:
        is_done = rows.unlink_identity(
            instance.catalog, caller.person_id or "", identity_id, account_id, change, now_ns
        )
    except LastWayIn:
        raise Conflict(
            "LAST_WAY_IN", "Nothing else of yours opens this account: set a password first, then unlink it."
        ) from None
    if not is_done:
        raise NotFound("IDENTITY_NOT_FOUND", "No such link exists; it may have been removed already.")
