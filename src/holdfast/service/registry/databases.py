"""Databases of an application: add, list, check, remove; which of them a backup holds.

They are in the application's settings or in the configuration file, which takes precedence if both have a name. The
root of a backup names its databases (`DUMPS_LABEL`), so a folder of the same name that an application made itself is
not taken for dumps.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import msgspec

from holdfast.catalog.accounts import apps as rows
from holdfast.catalog.records import IMPORTED, Actor, App, AppSettings, Backup, State
from holdfast.schemas.commands import Database as ShownDatabase
from holdfast.schemas.commands import GoodDatabase
from holdfast.service.errors import Conflict, Invalid, NotFound, ServiceError
from holdfast.service.instance.config import ConfiguredDatabase
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.apps import require_here
from holdfast.service.registry.backups import require_usable
from holdfast.sources.databases import mariadb, postgres, redis
from holdfast.sources.databases.address import address_of
from holdfast.sources.databases.client import Patience
from holdfast.sources.databases.errors import DatabaseFailed, DsnRefused
from holdfast.sources.databases.passwords import password_of
from holdfast.sources.databases.source import find
from holdfast.sources.databases.spec import EXTENSIONS, FOLDER, DatabaseSpec, Kind

DUMPS_LABEL = "databases"
CHECK_SILENCE_SECONDS = 60.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")


class Dump(msgspec.Struct, frozen=True):
    """A database's dump in a backup."""

    name: str
    kind: Kind

    @property
    def path(self) -> bytes:
        """Its path in the backup."""
        return DatabaseSpec(name=self.name, kind=self.kind, dsn="").path


_dumps = msgspec.json.Decoder(tuple[Dump, ...])


def databases_of(instance: Instance, app: App) -> tuple[DatabaseSpec, ...]:
    """All databases of an application, by name. Of those that the host named, those that are configured."""
    found = {one.name: one.spec for one in instance.config.databases if _is_named(app, one)}
    found |= {spec.name: spec for spec in app.settings.databases}
    found |= {one.name: one.spec for one in instance.config.databases if one.app == app.id}
    return tuple(found[name] for name in sorted(found))


def _is_named(app: App, one: ConfiguredDatabase) -> bool:
    return not one.app and one.name in app.settings.named_databases


def nameable_databases(instance: Instance, app_id: str) -> set[str]:
    """Return the names of configured databases that the host may give an application: its own, and those of nobody."""
    return {one.name for one in instance.config.databases if one.app in ("", app_id)}


def missing_databases(instance: Instance, app: App) -> list[str]:
    """Return the names of databases that the host gave an application and that are configured no more."""
    known = nameable_databases(instance, app.id)
    return [name for name in app.settings.named_databases if name not in known]


def is_configured(instance: Instance, app: App, name: str) -> bool:
    """True if a database stands in the configuration file."""
    return any(one.name == name and (one.app == app.id or _is_named(app, one)) for one in instance.config.databases)


def spec_of(
    kind: str, dsn: str, *, name: str | None = None, password_env: str | None = None, password_file: Path | None = None
) -> DatabaseSpec:
    """Check what an operator described. Raises Invalid (KIND, DSN, NAME, PASSWORD_ENV, PASSWORD_FILE)."""
    if kind not in EXTENSIONS:
        raise Invalid("kind", f"A database is one of {', '.join(EXTENSIONS)}, and not {kind!r}.")
    chosen: Kind = kind
    try:
        address = address_of(chosen, dsn)
    except DsnRefused as error:
        raise Invalid("dsn", str(error)) from None
    name = name or address.database or kind
    if not _NAME.match(name):
        raise Invalid(
            "name", f"{name!r} cannot be a database's name here; give one with --name, of letters, digits and ._-."
        )
    if password_env and password_file:
        raise Invalid("password_env", "Give --password-env or --password-file, not both.")
    if password_env and not _VARIABLE.match(password_env):
        raise Invalid("password_env", "--password-env takes the name of an environment variable, not the password.")
    file = "" if password_file is None else os.path.abspath(password_file)
    return DatabaseSpec(name=name, kind=chosen, dsn=dsn, password_env=password_env or "", password_file=file)


def add_database(
    instance: Instance, app: App, spec: DatabaseSpec, by: Actor, *, check: bool = True
) -> GoodDatabase | None:
    """Make a database a source of an application; with `check` only when it can be dumped now; what that found.

    Raises Conflict (OTHER_NODE, DATABASE_NAME_TAKEN, DATABASES_FOLDER_IN_USE), and as `check_database`.
    """
    require_here(instance, app)
    if any(spec.name == other.name for other in databases_of(instance, app)):
        raise Conflict(
            "DATABASE_NAME_TAKEN", f"{app.name} has a database named {spec.name} already; give another --name."
        )
    if os.path.lexists(Path(app.path) / FOLDER):
        raise Conflict(
            "DATABASES_FOLDER_IN_USE",
            f"The application has a {FOLDER} of its own in {app.path}, where the dumps stand in a backup; rename that.",
        )
    found = check_database(spec) if check else None

    def added(settings: AppSettings) -> AppSettings:
        if any(spec.name == other.name for other in settings.databases):
            raise Conflict("DATABASE_NAME_TAKEN", f"{app.name} has a database named {spec.name} already.")
        return msgspec.structs.replace(settings, databases=(*settings.databases, spec))

    _change(instance, app, added, by, "database.added")
    return found


def remove_database(instance: Instance, app: App, name: str, by: Actor) -> None:
    """Remove a database from an application's sources; backups that have it keep it. Raises NotFound, Conflict
    (CONFIGURED).
    """
    if not any(spec.name == name for spec in app.settings.databases):
        if is_configured(instance, app, name):
            raise Conflict("DATABASE_CONFIGURED", f"The database {name} stands in holdfast.toml; take it out there.")
        raise _database_not_found(app.name, name, [spec.name for spec in databases_of(instance, app)])

    def removed(settings: AppSettings) -> AppSettings:
        left = tuple(spec for spec in settings.databases if spec.name != name)
        return msgspec.structs.replace(settings, databases=left)

    _change(instance, app, removed, by, "database.removed")


def _change(instance: Instance, app: App, change: Callable[[AppSettings], AppSettings], by: Actor, action: str) -> None:
    rows.change_settings(instance.catalog, app.id, change, instance.clock.now_ns(), by, action)
    store_record(instance, app.account_id)


def check_database(spec: DatabaseSpec) -> GoodDatabase:
    """Check that a database can be reached and dumped. Raises ServiceError with the code of what is wrong."""
    patience = Patience(CHECK_SILENCE_SECONDS)
    try:
        password_of(spec)
        found = find(spec, patience)
        if spec.kind == "postgres":
            postgres.try_dump(spec, found.tool, patience)
        elif spec.kind == "mariadb":
            mariadb.try_dump(spec, found.tool, patience)
        else:
            redis.try_dump(spec)
    except DatabaseFailed as error:
        raise ServiceError(error.code, str(error)) from None
    notes = []
    if found.tables:
        notes.append(
            f"These tables know no transactions and may be of another moment than others: {', '.join(found.tables)}."
        )
    return GoodDatabase(spec.name, found.server, found.tool.text, tuple(notes))


def dumps_label(specs: tuple[DatabaseSpec, ...]) -> str:
    """Return the root's label that names a backup's databases."""
    return msgspec.json.encode([Dump(spec.name, spec.kind) for spec in specs]).decode()


def dumps_in(instance: Instance, backup: Backup) -> tuple[Dump, ...]:
    """The databases that a backup holds. Raises DamagedError, StoreError, KeyMismatch."""
    if backup.origin == IMPORTED or backup.state is not State.SUCCESSFUL:
        return ()
    label = instance.vault(backup.account_id).root(backup.id).labels.get(DUMPS_LABEL)
    return _dumps.decode(label) if label else ()


def dump_in(instance: Instance, backup: Backup, name: str) -> Dump:
    """One database of a backup. Raises NotFound (DATABASE_NOT_FOUND), Conflict (BACKUP_NOT_USABLE), VaultError."""
    require_usable(backup, "restored")
    if backup.origin == IMPORTED:
        raise Conflict(
            "BACKUP_NOT_USABLE",
            "The backup was made of an uploaded archive, and nobody knows what its dumps would do to a database; take "
            "the dump out of it, look at it, and load it with the database's own tool.",
        )
    dumps = dumps_in(instance, backup)
    for one in dumps:
        if one.name == name:
            return one
    raise _database_not_found("The backup", name, [one.name for one in dumps])


def _database_not_found(what: str, name: str, there: list[str]) -> NotFound:
    has = f"it has {', '.join(there)}" if there else "it has none"
    return NotFound("DATABASE_NOT_FOUND", f"{what} has no database named {name}; {has}.")


def shown_database(instance: Instance, app: App, spec: DatabaseSpec) -> ShownDatabase:
    """A database as commands show it."""
    password = "none"
    if spec.password_env:
        password = f"environment variable {spec.password_env}"
    elif spec.password_file:
        password = f"file {spec.password_file}"
    defined_in = "holdfast.toml" if is_configured(instance, app, spec.name) else "settings"
    return ShownDatabase(spec.name, spec.kind, spec.dsn, password, spec.path.decode(), defined_in)
