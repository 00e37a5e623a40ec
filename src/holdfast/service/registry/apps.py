"""Applications: add, find, list, rename, move, remove."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import structs

from holdfast.catalog.accounts import apps as rows
from holdfast.catalog.backups.changes.labels import set_lock
from holdfast.catalog.backups.found import backups_of_app
from holdfast.catalog.jobs.schedules import move_app, stop_schedule
from holdfast.catalog.records import Actor, App
from holdfast.restorer import STAGING_PREFIX
from holdfast.schemas import apps as schemas
from holdfast.service.errors import Conflict, Invalid, NotFound, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.registry import accounts
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.backups import check_name, require_unlocked
from holdfast.service.registry.trash import delete_now
from holdfast.service.standing.gather import gather
from holdfast.service.standing.shown import shown_standing


def add_app(instance: Instance, account_id: str, name: str, path: Path, by: Actor) -> App:
    """Make an application whose data is the folder `path`.

    Raises NotFound (account), Invalid (NAME, PATH), Conflict (APP_NAME_TAKEN).
    """
    accounts.get_account(instance, account_id)
    check_name(name)
    real = _checked_folder(instance, path)
    app = App(
        id=secrets.token_hex(16),
        account_id=account_id,
        name=name,
        path=str(real),
        node=instance.config.node,
        created_at=instance.clock.now_ns(),
    )
    try:
        rows.insert_app(instance.catalog, app, by)
    except rows.AppNameTaken:
        raise name_taken(name) from None
    store_record(instance, account_id)
    return app


def rename_app(instance: Instance, app: App, name: str, by: Actor, *, by_customer: bool = False) -> App:
    """Give an application another name. `by_customer`: the name of one that the host put stays the host's.

    Raises Invalid (NAME), Conflict (APP_NAME_TAKEN, APP_NAMED_BY_HOST).
    """
    check_name(name)
    if by_customer and app.external_id is not None:
        # The host's next PUT would bring the old one back.
        raise Conflict("APP_NAMED_BY_HOST", "Your host names this application; change its name in your host's panel.")
    try:
        rows.rename_app(instance.catalog, app, name, instance.clock.now_ns(), by)
    except rows.AppNameTaken:
        raise name_taken(name) from None
    store_record(instance, app.account_id)
    return get_app(instance, app.account_id, app.id)


def set_path(instance: Instance, app: App, path: Path, by: Actor) -> App:
    """Set the folder of an application's data, on this machine; this node backs it up from then on.

    Raises Invalid (PATH), Conflict (BACKUP_IN_PROGRESS, RESTORE_IN_PROGRESS).
    """
    real = _checked_folder(instance, path)
    now_ns = instance.clock.now_ns()
    require_idle(move_app(instance.catalog, app, str(real), instance.config.node, now_ns, by))
    store_record(instance, app.account_id)
    return get_app(instance, app.account_id, app.id)


def name_taken(name: str) -> Conflict:
    """The error for a name that another application of the account has."""
    return Conflict("APP_NAME_TAKEN", f"The account has an application named {name} already.")


def require_idle(in_the_way: str | None) -> None:
    """Raise Conflict (BACKUP_IN_PROGRESS, RESTORE_IN_PROGRESS) for `backup` or `restore`; None: neither is running."""
    if in_the_way == "backup":
        raise Conflict("BACKUP_IN_PROGRESS", "A backup of the application is running; wait for it.")
    if in_the_way == "restore":
        raise Conflict("RESTORE_IN_PROGRESS", "The application is being restored; wait until that is finished.")


def _checked_folder(instance: Instance, path: Path) -> Path:
    """Return the real path of a folder that can be an application's. Raises Invalid (PATH)."""
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise Invalid("path", f"The folder {str(path)!r} does not exist.") from None
    try:
        str(real).encode()
    except UnicodeEncodeError:
        raise Invalid("path", f"The path of the folder must be UTF-8, and {os.fsencode(real)!r} is not.") from None
    if not real.is_dir():
        raise Invalid("path", f"{path} is not a folder.")
    home = instance.home.resolve()
    if real == home or home in real.parents:
        raise Invalid("path", f"{path} belongs to Holdfast itself ({home}); it cannot be backed up into itself.")
    return real


def is_here(instance: Instance, app: App) -> bool:
    """Return True if this node has the application's folder. On another one, another folder may lie at its path."""
    return app.node == instance.config.node


def require_here(instance: Instance, app: App) -> None:
    """Raise Conflict (OTHER_NODE) unless the application's folder is on this node. For operators: names the nodes."""
    if not is_here(instance, app):
        raise Conflict(
            "OTHER_NODE",
            f"The folder of {app.name} is on the node {app.node}, and this is {instance.config.node}; run the command "
            "there.",
        )


def require_folder(instance: Instance, app: App) -> None:
    """Raise Conflict (OTHER_NODE) as `require_here` does, with a sentence that customers may see."""
    if not is_here(instance, app):
        raise Conflict(
            "OTHER_NODE",
            "The application's folder is on another machine than the one that was to look at it; have that one do it.",
        )


def excluded_paths(instance: Instance, app: App) -> tuple[bytes, ...]:
    """Return the paths that a backup of the application leaves out: those of Holdfast itself."""
    return own_paths(instance, Path(app.path))


def own_paths(instance: Instance, root: Path) -> tuple[bytes, ...]:
    """Return the paths of Holdfast in a folder: the instance's home, and the staging of a running restore."""
    home = instance.home.resolve()
    found = [os.fsencode(home.relative_to(root))] if root in home.parents else []
    with suppress(OSError):
        found += [name for name in os.listdir(os.fsencode(root)) if name.startswith(STAGING_PREFIX.encode())]
    return tuple(found)


def list_apps(instance: Instance, account_id: str | None = None) -> list[App]:
    """Applications of one account, or of all; oldest first."""
    return rows.list_apps(instance.catalog, account_id)


def active_apps(instance: Instance) -> list[App]:
    """Applications that the host has not ended, neither themselves nor their accounts; oldest first."""
    return rows.active_apps(instance.catalog)


def apps_in_folder(instance: Instance, app: App) -> list[App]:
    """Return the other applications, of any account, whose data is the same folder of the same machine."""
    others = rows.list_apps(instance.catalog, None)
    return [o for o in others if o.id != app.id and (o.node, o.path) == (app.node, app.path)]


def get_app(instance: Instance, account_id: str, app_id: str) -> App:
    """One application of an account. Raises NotFound, also for another account's."""
    app = rows.app_by_id(instance.catalog, app_id)
    if app is None or app.account_id != account_id:
        raise app_not_found()
    return app


def find_app(instance: Instance, name_or_id: str) -> App:
    """The application an operator means. Raises NotFound, Conflict (AMBIGUOUS_NAME)."""
    found = rows.find_apps(instance.catalog, name_or_id)
    exact = [app for app in found if app.id == name_or_id]
    if exact:
        return exact[0]
    if not found:
        raise NotFound("APP_NOT_FOUND", f"No application {name_or_id} exists; `holdfast app list` shows all of them.")
    if len(found) > 1:
        raise Conflict("AMBIGUOUS_NAME", f"{len(found)} applications are named {name_or_id}; use the id.")
    return found[0]


def remove_app(instance: Instance, app: App, by: Actor, *, is_over: bool = False) -> int:
    """Remove an application and all its backups, those in the trash too. Its data is not touched.

    Returns how many there were that were not in the trash. `is_over`: the host has ended it, so that only a lock until
    a time keeps a backup.

    Raises Conflict (BACKUP_IN_PROGRESS, RESTORE_IN_PROGRESS, BACKUP_LOCKED), with nothing removed; but when somebody
    starts or locks a backup while this runs, some backups may be gone, and the application and the others stay.
    """
    backups = backups_of_app(instance.catalog, app.id)
    for backup in backups:
        kept = structs.replace(backup, is_locked=False) if is_over else backup
        require_unlocked(instance, kept, f"The backup {backup.name!r}")
    # Its schedule would else begin another one in the middle. (A removal that fails has it back by `recompute`.)
    require_idle(stop_schedule(instance.catalog, app.id))
    for backup in backups:
        if is_over and backup.is_locked:
            set_lock(instance.catalog, backup.id, False, None, instance.clock.now_ns(), by)
        delete_now(instance, backup, by)
    try:
        rows.delete_app(instance.catalog, app, instance.clock.now_ns(), by)
    except rows.AppInUse:
        raise Conflict("BACKUP_IN_PROGRESS", "A backup of the application was started meanwhile; try again.") from None
    store_record(instance, app.account_id)
    return sum(backup.deleted_at is None for backup in backups)


def shown_app(instance: Instance, app: App, *, for_operator: bool = False) -> schemas.App:
    """An application as it is shown."""
    return shown_apps(instance, [app], for_operator=for_operator)[0]


def shown_apps(instance: Instance, apps: Sequence[App], *, for_operator: bool = False) -> list[schemas.App]:
    """Applications as they are shown, in their order: a fixed number of queries for a thousand of them."""
    now = gather(instance, apps)
    shown = []
    for app in apps:
        standing = shown_standing(instance, now[app.id].standing, for_operator=for_operator)
        shown.append(schemas.app_of(app, instance.zone, now[app.id].stored_bytes, standing))
    return shown
