"""Rights: their names, the groups, and grants of them on the applications of an account.

It must never let anybody give what he does not have himself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from holdfast.catalog.people.keys import MAIN
from holdfast.service.errors import Invalid


class Right(StrEnum):
    """One right. Those of `backups` and `schedule` are for applications, the others for the account as a whole."""

    BACKUPS_READ = "backups.read"
    BACKUPS_CREATE = "backups.create"
    BACKUPS_DOWNLOAD = "backups.download"
    BACKUPS_RESTORE = "backups.restore"
    BACKUPS_UPDATE = "backups.update"
    BACKUPS_DELETE = "backups.delete"
    BACKUPS_IMPORT = "backups.import"
    SCHEDULE_READ = "schedule.read"
    SCHEDULE_WRITE = "schedule.write"
    MEMBERS_READ = "members.read"
    MEMBERS_WRITE = "members.write"
    KEYS_READ = "keys.read"
    KEYS_WRITE = "keys.write"
    WEBHOOKS_READ = "webhooks.read"
    WEBHOOKS_WRITE = "webhooks.write"
    ACCOUNT_READ = "account.read"
    ACCOUNT_WRITE = "account.write"
    ACCOUNT_ERASE = "account.erase"
    ACCOUNT_TRANSFER = "account.transfer"
    AUDIT_READ = "audit.read"


Rights = frozenset[Right]

_VIEW = frozenset(right for right in Right if right.endswith(".read"))
_MANAGER = _VIEW | {Right.BACKUPS_CREATE, Right.BACKUPS_DOWNLOAD}
_MAINTAIN = _MANAGER | {Right.BACKUPS_RESTORE, Right.BACKUPS_UPDATE, Right.BACKUPS_IMPORT, Right.SCHEDULE_WRITE}
_OWNER = frozenset(Right)
_ADMIN = _OWNER - {Right.ACCOUNT_ERASE, Right.ACCOUNT_TRANSFER}

GROUPS: dict[str, Rights] = {
    "view": _VIEW,
    "manager": _MANAGER,
    "maintain": _MAINTAIN,
    "admin": _ADMIN,
    "owner": _OWNER,
}
"""The groups that can be given, with the names that Square Cloud's workspaces use."""

CHANGING = _OWNER - _VIEW - {Right.BACKUPS_DOWNLOAD}
"""The rights that a suspended account's keys and people do not have."""

_STORED_GROUPS = GROUPS | {MAIN: _OWNER - {Right.ACCOUNT_ERASE}}
_NAMES = {right.value: right for right in Right}


@lru_cache(maxsize=1024)
def stored_rights(text: str) -> Rights:
    """Return the rights that a column holds: the name of a group, or names of rights. A name of later is none."""
    if text in _STORED_GROUPS:
        return _STORED_GROUPS[text]
    return frozenset(_NAMES[name] for name in text.split() if name in _NAMES)


def parsed_rights(group: str | None, rights: Iterable[str] | None) -> str:
    """Return what a request gives, a `group` or a list of `rights`, as it is stored. Raises Invalid (GROUP, RIGHTS)."""
    if (group is None) == (rights is None):
        raise Invalid("rights", "Give either a group or a list of rights.")
    if group is not None:
        if group not in GROUPS:
            raise Invalid("group", f"No group {group!r} exists; the groups are {', '.join(GROUPS)}.")
        return group
    names = set(rights or ())
    for name in sorted(names):
        if name not in _NAMES:
            raise Invalid("rights", f"No right {name!r} exists; the rights are {', '.join(_NAMES)}.")
    if not names:
        raise Invalid("rights", "The list of rights is empty; name at least one.")
    return " ".join(name for name in _NAMES if name in names)


def shown_group(text: str) -> str | None:
    """Return the name of the group that a column holds; None for a list of rights."""
    return text if text in _STORED_GROUPS else None


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on applications of one account; `app_ids` None: on all of them, and on the account itself."""

    rights: Rights
    app_ids: frozenset[str] | None = None

    def sees(self, app_id: str) -> bool:
        """True if it gives any right on an application."""
        return bool(self.rights) and (self.app_ids is None or app_id in self.app_ids)

    def allows(self, right: Right, app_id: str | None = None) -> bool:
        """True if it gives a right on an application, or (None) on the account as a whole."""
        if right not in self.rights:
            return False
        return self.app_ids is None or (app_id is not None and app_id in self.app_ids)

    def bounded_by(self, other: Grant) -> Grant:
        """Return what both give."""
        if self.app_ids is None or other.app_ids is None:
            app_ids = self.app_ids if other.app_ids is None else other.app_ids
        else:
            app_ids = self.app_ids & other.app_ids
        return Grant(self.rights & other.rights, app_ids)

    def is_within(self, other: Grant) -> bool:
        """True if the other gives all of it too."""
        is_apps_within = other.app_ids is None or (self.app_ids is not None and self.app_ids <= other.app_ids)
        return self.rights <= other.rights and is_apps_within


ALL = Grant(_OWNER)
"""The grant of the operator and of an account's owner."""


@lru_cache(maxsize=1024)
def stored_grant(rights: str, app_ids: tuple[str, ...] | None) -> Grant:
    """Return the grant that two columns hold."""
    return Grant(stored_rights(rights), None if app_ids is None else frozenset(app_ids))
