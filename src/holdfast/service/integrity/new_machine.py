"""A new machine: an instance made from a store, or a copy of it, and the master key of its recovery sheet.

The store stays where it is; `home/store` becomes a link to it. Everything that can be refused is looked at before the
first byte is written. FORMAT is written last, after the catalog is rebuilt, so a making that was cut off is done again
from its beginning, with the same result. The store's mark is never written: the new catalog takes over the id in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast.catalog.backups.found import latest_successful
from holdfast.catalog.records import Actor
from holdfast.service.instance.clock import Clock, SystemClock
from holdfast.service.instance.config import (
    CONFIG_NAME,
    Config,
    checked_config,
    config_text,
    is_origin,
    is_time_zone,
    overridden_config,
    read_config,
    system_time_zone,
)
from holdfast.service.instance.file_locks import folder_held, homes_in_use
from holdfast.service.instance.home import (
    FORMAT_NAME,
    KEY_NAME,
    KEY_VARIABLE,
    Instance,
    InstanceError,
    check_free,
    close_to_others,
    open_instance,
    parsed_key,
    records_in,
    require_own,
    write_format,
)
from holdfast.service.instance.recovery_sheet import Sheet, note_key_exported
from holdfast.service.integrity.rebuild import NO_FOLDER, Rebuilt, rebuild, set_damaged_aside
from holdfast.service.registry.account_record import opened_record
from holdfast.service.registry.apps import list_apps
from holdfast.stores.durable import make_folder, sync_folder, write_durably
from holdfast.stores.identified import MARK, MARK_IN_USE, read_mark
from holdfast.stores.local import LocalStore
from holdfast.vault.errors import VaultError
from holdfast.vault.pack.keys import MasterKey

_UNCHANGED = "Nothing was changed."


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the new home; None: as the sheet, the records or the machine have them."""

    base_url: str | None = None
    backups_url: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class MissingFolder:
    """An application of this node whose folder is not here. `backup`: the name of its newest good backup, if any."""

    app: str
    path: str
    backup: str | None


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """The outcome. `other_nodes`: nodes with applications that this home, as `node`, does not back up."""

    key_id: str
    base_url: str
    time_zone: str
    node: str
    other_nodes: Sequence[str]
    accounts: Sequence[Rebuilt]
    missing_folders: Sequence[MissingFolder]


def init_from_store(
    home: Path,
    store: Path,
    sheet: Sheet,
    settings: Settings,
    by: Actor,
    *,
    clock: Clock | None = None,
    on_account: Callable[[Rebuilt], None] = lambda done: None,
) -> BroughtBack:
    """Make an instance in `home`, missing, empty or cut off, that uses `store` where it is, and rebuild its catalog.

    Raises InstanceError, ConfigError, CatalogError, StoreError, Conflict (NODE_TAKEN).
    """
    home, store = Path(os.path.abspath(home)), Path(os.path.abspath(store))
    clock = clock or SystemClock()
    require_own(home)
    try:
        _check(home, store, sheet)
        with _store_alone(store):
            nodes = _nodes_of(store, sheet)
            text = _config_text(home, sheet, settings, nodes)
            make_folder(home)
            with folder_held(home):
                _check(home, store, sheet)
                _prepare(home, store, sheet.key, text)
            # Not the home itself, which is held while the store is recognised. Of two, the second finds an instance.
            with folder_held(home / "run"):
                check_free(home, may_have_vaults=True)
                set_damaged_aside(home, clock)
                instance = open_instance(home, clock=clock, new_catalog=True, is_finished=False)
                try:
                    return _finished(instance, sheet, nodes, by, on_account)
                finally:
                    instance.close()
    except OSError as error:
        raise InstanceError(
            f"{error.filename or home} cannot be used ({error.strerror}); fix its permissions, or choose another "
            "--home or --from-store."
        ) from error


@contextmanager
def _store_alone(store: Path) -> Iterator[None]:
    """Hold the store, which is not written to. Raises InstanceError when another instance is being made from it."""
    with ExitStack() as held:
        try:
            held.enter_context(folder_held(store, waits=False))
        except BlockingIOError:
            raise InstanceError(
                f"Another `holdfast init --from-store` is bringing an instance back from {store}; wait for it. "
                f"{_UNCHANGED}"
            ) from None
        yield


def _check(home: Path, store: Path, sheet: Sheet) -> None:
    """Raise InstanceError or StoreError for all that can be refused; change nothing."""
    if home.is_dir():
        check_free(home, may_have_vaults=True)
    _require_store(store)
    _require_unused(home, store)
    _require_place(home, store)
    _require_same_key(home, sheet)


def _require_store(store: Path) -> None:
    if not store.is_dir():
        raise InstanceError(f"{store} is not a folder; mount the store's disk, or name the folder of the store.")
    if not os.access(store, os.R_OK | os.W_OK | os.X_OK):
        raise InstanceError(
            f"The store {store} cannot be read and written by this user; give it to the user who runs Holdfast, or "
            "mount its disk writable."
        )
    mark, mark_in_use = (read_mark(LocalStore(store), name) for name in (MARK, MARK_IN_USE))
    has_records = bool(records_in(store))
    if mark is None and (mark_in_use is not None or not has_records):
        inner = store / "store"
        raise InstanceError(
            f"{store} is a home, and its store is {inner}; name that one. {_UNCHANGED}"
            if (inner / MARK).exists()
            else f"{store} is not a whole store: the file {MARK} is missing; name the folder that has it, or copy the "
            f"store once more. {_UNCHANGED}"
        )
    if mark_in_use is not None and mark != mark_in_use:
        raise InstanceError(
            f"{store} has files of two stores: {MARK} and {MARK_IN_USE} differ; copy the store once more. {_UNCHANGED}"
        )
    if not has_records:
        raise InstanceError(
            f"The store {store} has no backups of anybody, so nothing can be brought back; `holdfast init` alone makes "
            f"a new instance. {_UNCHANGED}"
        )


def _require_unused(home: Path, store: Path) -> None:
    """Two instances on one store would delete each other's packs."""
    around = store.resolve().parent
    if around != home.resolve() and (around / FORMAT_NAME).exists() and _is_same(around / "store", store):
        raise InstanceError(
            f"{store} is the store of the instance in {around}; use that one with `--home {around}`, or copy or move "
            f"the store out of it first. {_UNCHANGED}"
        )
    for other in homes_in_use():
        if not _is_same(other, home) and _is_same(other / "store", store):
            raise InstanceError(
                f"{store} is in use by the instance in {other}, which runs; stop it for good, or copy the store first. "
                f"{_UNCHANGED}"
            )


def _require_place(home: Path, store: Path) -> None:
    place, real_home, real_store = home / "store", home.resolve(), store.resolve()
    if real_home == real_store or real_store in real_home.parents:
        raise InstanceError(f"The home {home} must not lie in the store {store}; choose another --home.")
    if os.path.lexists(place) and not _is_same(place, store):
        raise InstanceError(
            f"{place} is there already, and is not {store}; remove it, or name it with --from-store. {_UNCHANGED}"
        )


def _require_same_key(home: Path, sheet: Sheet) -> None:
    """A key that is there already must be the sheet's: the environment's has precedence over the file."""
    given = os.environ.get(KEY_VARIABLE)
    what, advice = f"The environment variable {KEY_VARIABLE}", "unset it"
    if not given:
        what, advice = f"The file {home / KEY_NAME}", "remove it"
        with suppress(FileNotFoundError, NotADirectoryError):
            given = (home / KEY_NAME).read_text(encoding="utf-8", errors="replace")
    if given and parsed_key(given, what).fingerprint != sheet.key.fingerprint:
        raise InstanceError(f"{what} has another key than {sheet.where}; {advice}. {_UNCHANGED}")


def _nodes_of(store: Path, sheet: Sheet) -> list[str]:
    """Return the nodes that have applications. Raises InstanceError when the key opens no account's record."""
    nodes, is_right = set(), False
    for account_id, path in records_in(store):
        # A damaged record does not open either: the key is wrong only when none does.
        with suppress(VaultError):
            nodes |= {app.node for app in opened_record(sheet.key, account_id, path.read_bytes()).apps}
            is_right = True
    if not is_right:
        raise InstanceError(
            f"The master key of {sheet.where} (key id {sheet.key.fingerprint}) does not open the store {store}: the "
            f"sheet or the store is another instance's. {_UNCHANGED}"
        )
    return sorted(nodes)


def _config_text(home: Path, sheet: Sheet, settings: Settings, nodes: Sequence[str]) -> str | None:
    """Return the text of the new holdfast.toml; None when the operator, or a making that was cut off, put one there."""
    chosen = {
        name: value
        for name in ("base_url", "backups_url", "time_zone")
        if (value := getattr(settings, name)) is not None
    }
    if (home / CONFIG_NAME).exists():
        there = read_config(home)
        for name, value in chosen.items():
            if getattr(there, name) != value:
                raise InstanceError(
                    f"{home / CONFIG_NAME} has another {name} ({getattr(there, name)}); change it there, or leave out "
                    f"the option. {_UNCHANGED}"
                )
        return None
    zone = sheet.time_zone
    values = {"time_zone": zone if zone and is_time_zone(zone) else system_time_zone()}
    if sheet.base_url and is_origin(sheet.base_url):
        values["base_url"] = sheet.base_url
    if len(nodes) == 1:
        values["node"] = nodes[0]
    values |= chosen
    overridden_config(values, "The new configuration")
    return config_text(checked_config(values, "The new configuration"))


def _prepare(home: Path, store: Path, key: MasterKey, text: str | None) -> None:
    """Write everything but the catalog and FORMAT."""
    close_to_others(home)
    make_folder(home / "run")
    if text is not None and not (home / CONFIG_NAME).exists():
        write_durably(home / CONFIG_NAME, text.encode())
    if not os.environ.get(KEY_VARIABLE) and not (home / KEY_NAME).exists():
        write_durably(home / KEY_NAME, f"{key.hex()}\n".encode())
    if not os.path.lexists(home / "store"):
        (home / "store").symlink_to(store)
        sync_folder(home)


def _finished(
    instance: Instance, sheet: Sheet, nodes: Sequence[str], by: Actor, on_account: Callable[[Rebuilt], None]
) -> BroughtBack:
    instance.confirm_store()
    instance.node_lease.hold()  # on a catalog that others have too, one of that name may live
    accounts = rebuild(instance, by, on_account)
    if sheet.is_on_paper:
        note_key_exported(instance, by)
    write_format(instance.home)
    config: Config = instance.config
    return BroughtBack(
        key_id=sheet.key.fingerprint,
        base_url=config.base_url,
        time_zone=config.time_zone,
        node=config.node,
        other_nodes=[node for node in nodes if node != config.node],
        accounts=accounts,
        missing_folders=_missing_folders(instance),
    )


def _missing_folders(instance: Instance) -> list[MissingFolder]:
    missing = []
    for app in list_apps(instance):
        if app.node == instance.config.node and app.path != NO_FOLDER and not os.path.isdir(app.path):
            newest = latest_successful(instance.catalog, app.id)
            missing.append(MissingFolder(app.name, app.path, newest.name if newest else None))
    return missing


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
