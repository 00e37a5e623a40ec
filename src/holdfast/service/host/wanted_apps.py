"""Applications as the host wants them, compared with what there is, before anything is written.

`plan_app` decides from what a transaction has seen of many at once, and enters into `Writes` what makes one of them as
it is wanted. One that is refused leaves all that it was given as it was.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType, structs

from holdfast.catalog.accounts.apps import audited
from holdfast.catalog.events.audit import Change, changed
from holdfast.catalog.host.batch import Writes
from holdfast.catalog.host.seen import Named, Seen
from holdfast.catalog.records import PRIVATE, Account, Actor, App, AppSettings
from holdfast.schemas.host.apps import AppPut
from holdfast.schemas.times import iso_or_none
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.host.folders import Folders
from holdfast.service.instance.home import Instance
from holdfast.service.policy.cron import parse_cron
from holdfast.service.registry.apps import name_taken, require_idle
from holdfast.service.registry.backups import check_name
from holdfast.service.registry.databases import nameable_databases
from holdfast.service.take.ignore_patterns import checked_patterns
from holdfast.service.take.schedule import changed_times

NAMES_MAX = 100
"""Databases of one application."""

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def named_in(wanted: Mapping[str, AppPut]) -> Named:
    """Return all that is named in what is wanted, by external ids: what `catalog.host.seen.seen_around` looks up."""
    app_ids = map(app_id_of, wanted)
    return Named(
        external_ids=wanted.keys(),
        names={(str(one.account), str(one.name)) for one in wanted.values()},
        app_ids={app_id for app_id in app_ids if app_id is not None},
        nodes={one.node for one in wanted.values() if not isinstance(one.node, UnsetType)},
    )


def app_id_of(external_id: str) -> str | None:
    """Return the id that an application gets by its external id, when that is a UUID: its 32 hex digits."""
    return external_id.replace("-", "").lower() if _UUID.fullmatch(external_id) else None


def plan_app(
    instance: Instance, external_id: str, wanted: AppPut, seen: Seen, folders: Folders, by: Actor, writes: Writes
) -> tuple[str, ...] | None:
    """Enter into `writes` what makes an application as it is wanted; return the fields that change, None if it is new.

    Raises Invalid (ACCOUNT, PATH, NAME, NODE, SCHEDULE, IGNORE, DATABASES, HOOKS), NotFound (ACCOUNT_NOT_FOUND),
    Conflict (ACCOUNT_ENDED, EXTERNAL_ID_TAKEN, APP_NAME_TAKEN, OTHER_NODE, BACKUP_IN_PROGRESS, RESTORE_IN_PROGRESS).
    """
    account = _account(wanted, seen)
    known = seen.apps.get(external_id)
    current = None if known is None else known.app
    base = current or _new_app(instance, external_id, account, seen)
    if base.account_id != account.id:
        raise Conflict("EXTERNAL_ID_TAKEN", "The external id is that of another account's application; give another.")
    after = structs.replace(
        base,
        name=_name(wanted, base, seen),
        settings=_settings(instance, wanted, base),
        node=_node(instance, wanted, base, seen),
        ended_at=None,
        keep_until=None,
    )
    after = _placed(instance, str(wanted.path), current, after, seen, folders)
    if after == current:
        return ()
    seen.ids.add(after.id)
    seen.names.pop((base.account_id, base.name), None)
    seen.names[after.account_id, after.name] = after.id
    writes.account_ids.add(after.account_id)
    if current is None:
        writes.apps.append((after, changed_times(instance, structs.replace(after, settings=AppSettings()), after)))
        data = {"after": _public(instance, after), PRIVATE: {"after": _private(after)}}
        writes.changes.append(Change(by, "app.created", after.account_id, after.id, data=data))
        return None
    writes.changed_apps.append((after, changed_times(instance, current, after)))
    data = changed(_public(instance, current), _public(instance, after))
    if _private(current) != _private(after):
        data[PRIVATE] = changed(_private(current), _private(after))
    writes.changes.append(Change(by, "app.changed", after.account_id, after.id, data=data))
    return _changed_fields(current, after)


def require_body(wanted: AppPut) -> None:
    """Raise Invalid (ACCOUNT, PATH, NAME) for a body that lacks one of the fields that it always must have."""
    for field in ("account", "path", "name"):
        if getattr(wanted, field) is UNSET:
            raise Invalid(field, f"{field} must be given, as text.")


def _account(wanted: AppPut, seen: Seen) -> Account:
    found = seen.accounts.get(str(wanted.account))
    if found is None or not found.account.data_key_sealed:
        raise NotFound("ACCOUNT_NOT_FOUND", f"No account has the external id {str(wanted.account)!r}.")
    if found.account.ended_at is not None:
        raise Conflict("ACCOUNT_ENDED", "The account of the application has ended; a PUT of the account undoes that.")
    return found.account


def _new_app(instance: Instance, external_id: str, account: Account, seen: Seen) -> App:
    app_id = app_id_of(external_id)
    if app_id in seen.ids:
        raise Conflict("EXTERNAL_ID_TAKEN", "Another application has the id that this UUID stands for; give another.")
    now_ns, node = instance.clock.now_ns(), instance.config.node
    return App(app_id or secrets.token_hex(16), account.id, "", "", node, now_ns, external_id=external_id)


def _name(wanted: AppPut, base: App, seen: Seen) -> str:
    name = str(wanted.name)
    check_name(name)
    if seen.names.get((base.account_id, name), base.id) != base.id:
        raise name_taken(name)
    return name


def _settings(instance: Instance, wanted: AppPut, base: App) -> AppSettings:
    given: dict[str, Any] = {}
    if wanted.schedule is not UNSET:
        given["cron"] = _cron(wanted.schedule or "")
    if wanted.retention is not UNSET:
        given["retention"] = wanted.retention
    if not isinstance(wanted.ignore, UnsetType):
        given["ignore"] = checked_patterns(wanted.ignore)
    if not isinstance(wanted.databases, UnsetType):
        given["named_databases"] = _databases(instance, wanted.databases, base.id)
    if wanted.hooks is not UNSET:
        given["hooks"] = wanted.hooks or ""
        if wanted.hooks is not None and wanted.hooks not in instance.config.hooks:
            raise Invalid(
                "hooks",
                f"No hooks {str(wanted.hooks)[:64]!r} are configured; holdfast.toml has their names.",
            )
    return structs.replace(base.settings, **given)


def _cron(text: str | UnsetType) -> str:
    if text:
        try:
            parse_cron(str(text))
        except Invalid as error:
            raise Invalid("schedule", error.message) from None
    return str(text)


def _databases(instance: Instance, names: list[str], app_id: str) -> tuple[str, ...]:
    if len(names) > NAMES_MAX:
        raise Invalid("databases", f"An application has at most {NAMES_MAX} databases, and these are {len(names)}.")
    known = nameable_databases(instance, app_id)
    for name in names:
        if name not in known:
            raise Invalid("databases", f"No database {name[:64]!r} is configured; holdfast.toml has their names.")
    return tuple(sorted(set(names)))


def _node(instance: Instance, wanted: AppPut, base: App, seen: Seen) -> str:
    node = base.node if isinstance(wanted.node, UnsetType) else wanted.node
    if node not in (base.node, instance.config.node) and node not in seen.nodes:
        raise Invalid("node", f"No node {node[:64]!r} exists; give the name of one, or leave it out.")
    return node


def _placed(instance: Instance, path: str, current: App | None, after: App, seen: Seen, folders: Folders) -> App:
    """Return the application with its folder, which it has from now on if that is another one."""
    is_here = after.node == instance.config.node
    if current is not None and current.ended_at is None and current.node == after.node and current.path == path:
        return structs.replace(after, path=path)
    if not is_here:
        raise Conflict("OTHER_NODE", "The folder is on another machine than the one that was asked; ask that one.")
    folder = folders.found(path)
    if current is not None and (current.node, current.path) != (after.node, folder.path):
        require_idle(seen.busy.get(current.id))
    folders.claim(folder, after.id)
    return structs.replace(after, path=folder.path)


def _public(instance: Instance, app: App) -> dict[str, Any]:
    """Return an application as the audit tells it to its account."""
    ends = {"ended_at": app.ended_at, "keep_until": app.keep_until}
    return {
        "external_id": app.external_id,
        "name": app.name,
        **audited(app.settings),
        **{name: iso_or_none(at, instance.zone) for name, at in ends.items()},
    }


def _private(app: App) -> dict[str, Any]:
    return {"path": app.path, "node": app.node, "hooks": app.settings.hooks}


_FIELDS = {"cron": "schedule", "named_databases": "databases"}


def _changed_fields(before: App, after: App) -> tuple[str, ...]:
    """Return what differs, by the names that the host knows."""

    def fields(app: App) -> dict[str, Any]:
        settings = structs.asdict(app.settings)
        wanted = ("cron", "retention", "ignore", "named_databases", "hooks")
        return {
            **{name: getattr(app, name) for name in ("path", "name", "node", "ended_at")},
            **{_FIELDS.get(name, name): settings[name] for name in wanted},
        }

    was, now = fields(before), fields(after)
    return tuple(name for name in now if was[name] != now[name])
