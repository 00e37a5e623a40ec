"""Giving rights: whoever makes a key, invites a member or signs somebody in gives rights, and only such as he has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.catalog.accounts.apps import list_apps
from holdfast.catalog.records import Actor
from holdfast.service.errors import Invalid, PermissionDenied, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import ALL, Grant, Right, stored_grant
from holdfast.service.registry.accounts import check_email

NAME_CHARACTERS_MAX = 100


@dataclass(frozen=True, slots=True)
class Giver:
    """Who gives, and what he has himself. `person_id`: the person whom what he makes is bound to; None for nobody."""

    actor: Actor
    grant: Grant
    person_id: str | None = None

    def require(self, rights: str, app_ids: tuple[str, ...] | None) -> None:
        """Raise unless he has all of what two columns hold: PermissionDenied for a right, NotFound for an app."""
        wanted = stored_grant(rights, app_ids)
        if wanted.is_within(self.grant):
            return
        for right in Right:
            if right in wanted.rights and right not in self.grant.rights:
                raise PermissionDenied(right)
        raise app_not_found()


def giver_of(caller: Caller) -> Giver:
    """Return the caller of a request as one who gives."""
    return Giver(caller.actor, caller.grant, caller.person_id)


def operator_giver(operator: Actor) -> Giver:
    """Return the operator, or the host, as one who gives: he has all rights."""
    return Giver(operator, ALL)


def own_apps(instance: Instance, account_id: str, app_ids: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return ids of applications of an account, each once, as they are stored. Raises Invalid (APP_IDS)."""
    if app_ids is None:
        return None
    known = {app.id for app in list_apps(instance.catalog, account_id)}
    if not app_ids or not known.issuperset(app_ids):
        raise Invalid("app_ids", "app_ids must name at least one application, all of them this account's own.")
    return tuple(sorted(set(app_ids)))


def checked_name(name: str) -> str:
    """Return a name without blanks around it. Raises Invalid (NAME)."""
    text = name.strip()
    if not (text and text.isprintable() and len(text) <= NAME_CHARACTERS_MAX):
        raise Invalid("name", f"name must be text of 1 to {NAME_CHARACTERS_MAX} printable characters.")
    return text


def checked_email(email: str) -> str:
    """Return an e-mail address as people are found by it: in lower case. Raises Invalid (EMAIL)."""
    text = email.strip().lower()
    check_email(text)
    return text
