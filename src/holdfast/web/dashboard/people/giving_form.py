"""The fields by which a form gives rights: a group or single rights, on all applications or on one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import GROUPS, Right
from holdfast.service.registry import apps

SINGLE = "single"
"""The value of `group` with which the ticked rights count."""

SAME = "same"
"""The value of `group` and of `app` with which a change leaves them."""

_GROUPS = {
    "view": N_("View: look at everything"),
    "manager": N_("Manager: also back up and download"),
    "maintain": N_("Maintain: also restore, import, change schedules"),
    "admin": N_("Admin: also delete, keys, people, notices"),
    "owner": N_("Owner: everything, erasing the account among it"),
}


_GROUP_NAMES = {
    "main": N_("Main"),
    "view": N_("View"),
    "manager": N_("Manager"),
    "maintain": N_("Maintain"),
    "admin": N_("Admin"),
    "owner": N_("Owner"),
}


def given_rights(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return `group` or `rights`, and `app_ids`, as the bodies of the API have them; what stays is left out."""
    given: dict[str, Any] = {}
    group, app_id = fields.get("group", ""), fields.get("app", "")
    if group == SINGLE:
        given["rights"] = [str(right) for right in Right if f"right.{right}" in fields]
    elif group != SAME:
        given["group"] = group
    if app_id != SAME:
        given["app_ids"] = [app_id] if app_id else None
    return given


def giving_choices(instance: Instance, caller: Caller) -> dict[str, Any]:
    """Return what a form offers to whoever gives: no more than he has, as he could not give it."""
    seen = [app for app in apps.list_apps(instance, caller.account.id) if caller.grant.sees(app.id)]
    return {
        "groups": [(name, text) for name, text in _GROUPS.items() if GROUPS[name] <= caller.grant.rights],
        "rights": [str(right) for right in Right if right in caller.grant.rights],
        "apps": [(app.id, app.name) for app in seen],
    }


def rights_words(group: str | None, rights: Sequence[str]) -> str:
    """Tell which rights somebody has: those of a group by its name, single ones by theirs."""
    if group is not None:
        return _(_GROUP_NAMES.get(group, group))
    return ", ".join(rights) or _("none")


def apps_words(app_ids: Sequence[str] | None, names: Mapping[str, str]) -> str:
    """Tell on which applications; one that has ended is told by its id."""
    if app_ids is None:
        return _("on all applications")
    return _("on %(names)s", names=", ".join(names.get(app_id, app_id) for app_id in app_ids))
