"""An instance: its home folder, and the objects that all operations need.

The home: `FORMAT` (read first; a newer one is refused and left untouched), `holdfast.toml`, `master.key` (0600),
`catalog.sqlite`, `jobs.sqlite`, `store/` (the vaults), `run/` (locks, and the address of a running server), `cache/`
(what can be found again). The master key is outside the store, or in the environment (HOLDFAST_MASTER_KEY).
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.catalog.accounts.rows import account_by_id
from holdfast.catalog.database.engine import Catalog, open_catalog, sqlite_url
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.prepared_queries import PreparedQueries
from holdfast.service.errors import NotFound
from holdfast.service.instance.clock import Clock, SystemClock
from holdfast.service.instance.config import (
    CONFIG_NAME,
    Config,
    checked_config,
    config_text,
    overridden_config,
    read_config,
    system_time_zone,
)
from holdfast.service.instance.file_locks import folder_held, is_served
from holdfast.service.instance.node_lease import HOME_ID_NAME, NodeLease
from holdfast.service.instance.privacy import keep_private, owner_for_root
from holdfast.service.instance.store_mark import mark_in_use, mark_new_store, recognise
from holdfast.stores.durable import UNFINISHED, make_folder, write_durably
from holdfast.stores.identified import IdentifiedStore
from holdfast.stores.local import LocalStore
from holdfast.stores.port import Store, StoreError
from holdfast.stores.prefixed import PrefixedStore
from holdfast.vault.errors import KeyMismatch
from holdfast.vault.pack.keys import KEY_BYTES, MasterKey

if TYPE_CHECKING:
    from holdfast.vault.vault import Vault

FORMAT_NAME = "FORMAT"
FORMAT = 1
KEY_NAME = "master.key"
KEY_VARIABLE = "HOLDFAST_MASTER_KEY"
VAULTS_OPEN_MAX = 64
NOBODY = "nobody"
"""No account has this id."""
_FINGERPRINT = "master key fingerprint"
_CATALOG_NAME = "catalog.sqlite"
_CUT_OFF_NAMES = {
    "store",
    "run",
    *(f"{_CATALOG_NAME}{end}" for end in ("", "-wal", "-shm", "-journal")),
    *(f"{name}{end}" for name in (CONFIG_NAME, KEY_NAME, FORMAT_NAME) for end in ("", UNFINISHED)),
}
"""All that a making of an instance that was cut off can leave."""


class InstanceError(Exception):
    """The instance cannot be opened or made; the message is one sentence for a person."""


class Instance:
    """An open instance. Safe to use from several threads; `close` it."""

    def __init__(self, home: Path, config: Config, catalog: Catalog, master_key: MasterKey, clock: Clock) -> None:
        self.home = home
        self.config = config
        self.catalog = catalog
        self.prepared = PreparedQueries(catalog)
        self.master_key = master_key
        self.clock = clock
        self.nobodys_link_secret = master_key.wrap(os.urandom(KEY_BYTES), f"link secret:{NOBODY}")
        """Opened for a link of an account that never was, so that it takes as long as for any other."""
        self.zone = config.zone
        self.local_store = LocalStore(home / "store")
        self.node_lease = NodeLease(catalog, home, config.node, is_needed=bool(config.catalog_url))
        self.identified = IdentifiedStore(self.local_store, None, is_in_use=False)
        self.store: Store = self.identified
        # One that is not there, or can't be read, is refused by every use of it, and recognised when it is back.
        with suppress(StoreError):
            self.recognise_store()
        self._vaults: OrderedDict[str, Vault] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def run(self) -> Path:
        """Folder of lock files."""
        return self.home / "run"

    def recognise_store(self) -> None:
        """See whether the store is this instance's. Raises StoreError, CatalogError."""
        recognise(self.identified, self.catalog, self.home, self.master_key, self.clock.now_ns())

    def confirm_store(self) -> None:
        """Read the store's mark. Raises StoreUnreachable (not there, or another store), StoreError, CatalogError."""
        if self.identified.store_id is None or not self.identified.is_in_use:
            self.recognise_store()
        self.identified.confirm()

    def mark_store_in_use(self) -> None:
        """Mark the store once more, before its first vault is made. Raises StoreUnreachable, StoreError."""
        if not self.identified.is_in_use:
            mark_in_use(self.identified, self.catalog, self.clock.now_ns())

    def vault_store(self, account_id: str) -> Store:
        """The part of the store that one account's vault has."""
        return PrefixedStore(self.store, f"vaults/{account_id}/")

    def vault(self, account_id: str) -> Vault:
        """The vault of an account. Raises NotFound, KeyMismatch."""
        from holdfast.vault.vault import Vault  # with numpy and the codec, which commands that only list never need

        with self._lock:
            vault = self._vaults.get(account_id)
            if vault is None:
                account = account_by_id(self.catalog, account_id)
                if account is None:
                    raise NotFound("ACCOUNT_NOT_FOUND", f"No account {account_id} exists.")
                vault = Vault(
                    vault_id=account_id,
                    store=self.vault_store(account_id),
                    data_key=self.master_key.unwrap(account.data_key_sealed, f"data key:{account_id}"),
                    ledger=SqlLedger(self.catalog, account_id),
                    level=self.config.level,
                    workers=self.config.workers,
                    uses_file=self.uses_file(account_id),
                )
                self._vaults[account_id] = vault
                if len(self._vaults) > VAULTS_OPEN_MAX:
                    self._vaults.popitem(last=False)
            self._vaults.move_to_end(account_id)
            return vault

    def uses_file(self, account_id: str) -> Path:
        """The file that notes how often each chunk of a vault is needed; it can be deleted at any time."""
        return self.home / "cache" / f"uses-{account_id}"

    def forget_vault(self, account_id: str) -> None:
        """Drop the open vault of an account, with its key and its index."""
        with self._lock:
            self._vaults.pop(account_id, None)

    def close(self) -> None:
        """Release the node's name and the catalog."""
        self.node_lease.close()
        self.prepared.close()
        self.catalog.close()


def create_instance(
    home: Path,
    *,
    base_url: str | None = None,
    backups_url: str | None = None,
    time_zone: str | None = None,
    clock: Clock | None = None,
) -> Instance:
    """Make a new instance in `home`, a folder that is missing or empty; or go on where the making was cut off.

    Raises InstanceError, ConfigError, CatalogError, StoreError.
    """
    chosen = {"time_zone": time_zone or system_time_zone()}
    chosen |= {name: url for name, url in (("base_url", base_url), ("backups_url", backups_url)) if url}
    # All that can be refused is looked at before anything is made.
    config = overridden_config(chosen, "The new configuration")
    given = os.environ.get(KEY_VARIABLE)
    key = parsed_key(given, f"The environment variable {KEY_VARIABLE}") if given else None
    require_own(home)
    try:
        make_folder(home)
        with folder_held(home):  # of two that make an instance here, the second then finds it
            check_free(home)
            close_to_others(home)
            make_folder(home / "run")
            write_durably(home / CONFIG_NAME, config_text(checked_config(chosen, "The new configuration")).encode())
            if key is None:
                if not (home / KEY_NAME).exists():
                    write_durably(home / KEY_NAME, (os.urandom(KEY_BYTES).hex() + "\n").encode())
                key = _read_key(home)
            return _made(home, config, key, clock or SystemClock())
    except OSError as error:
        raise InstanceError(
            f"{home} cannot be made ({error.strerror}); choose another --home or fix its permissions."
        ) from error


def _made(home: Path, config: Config, key: MasterKey, clock: Clock) -> Instance:
    """The last steps of making: the catalog, and the mark that all is there."""
    catalog = open_catalog(catalog_url_of(home, config), create=True, zone=config.zone)
    try:
        if catalog.fact(_FINGERPRINT) is None:
            catalog.set_fact(_FINGERPRINT, key.fingerprint)
        _check_key(home, catalog, key)
        if mark_new_store(home / "store", catalog, clock.now_ns()) is None:
            raise InstanceError(
                f"The catalog {catalog.where} belongs to another store than {home / 'store'}; put that store there, or "
                "name another catalog."
            )
        instance = Instance(home, config, catalog, key, clock)
        write_format(home)
    except BaseException:
        catalog.close()
        raise
    return instance


def write_format(home: Path) -> None:
    """Mark the home as complete, the last step of making it: one without FORMAT was cut off while it was made."""
    write_durably(home / FORMAT_NAME, f"holdfast home {FORMAT}\n".encode(), 0o644)


def open_instance(
    home: Path,
    *,
    clock: Clock | None = None,
    new_catalog: bool = False,
    may_only_read: bool = False,
    is_finished: bool = True,
) -> Instance:
    """Open the instance in `home`. `new_catalog`: for a rebuild; a catalog that is gone is made anew.
    `may_only_read`: a home that no server uses may be on a disk that is full or mounted read-only. `is_finished`:
    False for whoever makes the home, and has yet to write its FORMAT.

    Raises InstanceError (none there, a newer one, master key missing or wrong), ConfigError, CatalogError, StoreError.
    """
    if is_finished:
        check_format(home)
    config = read_config(home)
    key = _read_key(home)
    if new_catalog:
        _check_key_on_store(home, key)
    url = catalog_url_of(home, config)
    catalog = open_catalog(
        url,
        create=new_catalog,
        may_only_read=lambda: may_only_read and not is_served(home),
        zone=config.zone,
    )
    try:
        if new_catalog and catalog.fact(_FINGERPRINT) is None:
            catalog.set_fact(_FINGERPRINT, key.fingerprint)
        _check_key(home, catalog, key)
        if not (home / "run").is_dir():
            (home / "run").mkdir(mode=0o700, exist_ok=True)
        return Instance(home, config, catalog, key, clock or SystemClock())
    except BaseException as error:
        catalog.close()
        if isinstance(error, OSError):
            raise InstanceError(f"{home} cannot be used ({error.strerror}); fix its permissions.") from error
        raise


def close_to_others(home: Path) -> None:
    """Close a home to everybody but its owner. Raises InstanceError when that cannot be done."""
    try:
        keep_private(home)
    except OSError as error:
        raise InstanceError(
            f"Other users of this machine can look into {home}, which holds keys and backups, and it cannot be closed "
            f"to them ({error.strerror}); run `chmod 700 {home}` as its owner, or choose another --home."
        ) from None


def require_own(home: Path) -> None:
    """Raise InstanceError for root on the home of another user, who could not use what root makes in it."""
    owner = owner_for_root(home)
    if owner is not None:
        raise InstanceError(
            f"{home} belongs to {owner}, who could not use the files that root makes in it; run this as {owner} "
            f"(`sudo -u {owner} holdfast ...`), or give the home and the store to root. Nothing was changed."
        )


def catalog_url_of(home: Path, config: Config) -> str:
    try:
        return config.catalog_url or sqlite_url(home / _CATALOG_NAME)
    except UnicodeEncodeError:
        raise InstanceError(f"The path of the home must be UTF-8, and {os.fsencode(home)!r} is not.") from None


def check_format(home: Path) -> None:
    """Raise InstanceError unless `home` holds an instance of a known format, which we may write; touches nothing."""
    require_own(home)
    path = home / FORMAT_NAME
    try:
        words = path.read_text(encoding="utf-8", errors="replace").split()
    except (FileNotFoundError, NotADirectoryError):
        raise InstanceError(
            f"No Holdfast instance exists in {home}; make one with `holdfast --home {home} init`, "
            "or name another with --home or HOLDFAST_HOME."
        ) from None
    except OSError as error:
        raise InstanceError(f"{path} cannot be read ({error.strerror}); fix its permissions.") from None
    if words[:2] != ["holdfast", "home"] or len(words) != 3 or not (words[2].isascii() and words[2].isdigit()):
        raise InstanceError(f"{path} is damaged; it should say `holdfast home {FORMAT}`.")
    if int(words[2]) > FORMAT:
        raise InstanceError(
            f"The instance in {home} has format {words[2]} and this program knows {FORMAT}; "
            "use the newer Holdfast. Nothing was touched."
        )


def check_free(home: Path, *, may_have_vaults: bool = False) -> None:
    """Raises InstanceError when `home` is anything but an empty folder, or one whose making was cut off.
    `may_have_vaults`: it is made from a store.
    """
    names = {path.name for path in home.iterdir()}
    if FORMAT_NAME in names:
        raise InstanceError(f"There is an instance in {home} already; use it, or choose another --home.")
    if any(name not in _CUT_OFF_NAMES and not name.startswith(HOME_ID_NAME) for name in names):
        raise InstanceError(f"{home} is not empty; choose an empty or new folder for --home.")
    if not may_have_vaults and (home / "store" / "vaults").exists():
        raise InstanceError(
            f"The store in {home} has backups, and the file {FORMAT_NAME} is gone; run `holdfast init --from-store "
            f"{home / 'store'} --key SHEET`, which brings all back with the recovery sheet, or choose another --home."
        )


def _check_key(home: Path, catalog: Catalog, key: MasterKey) -> None:
    """Raises InstanceError when the catalog was made with another master key."""
    known = catalog.fact(_FINGERPRINT)
    if known is not None and known != key.fingerprint:
        raise InstanceError(
            f"The master key does not belong to this instance (it is {key.fingerprint}, the instance was made with "
            f"{known}); put the right one from your recovery sheet into {home / KEY_NAME} or {KEY_VARIABLE}."
        )


def has_vaults(home: Path) -> bool:
    """Return True if the store of a home has vaults."""
    return bool(records_in(home / "store"))


def records_in(store: Path) -> list[tuple[str, Path]]:
    """Return all copies of the accounts' records in a store, each with its account's id."""
    records = [(path.parent.name, path) for path in sorted((store / "vaults").glob("*/account"))]
    return records + [(path.name, path) for path in sorted((store / "records").glob("*"))]


def _check_key_on_store(home: Path, key: MasterKey) -> None:
    """Raises InstanceError when the store's vaults were made with another master key; without a catalog it tells."""
    records = records_in(home / "store")
    for account_id, path in records:
        # A damaged record does not open either: the key is wrong only when none does.
        with suppress(KeyMismatch):
            key.unwrap(path.read_bytes(), f"account record:{account_id}")
            return
    if records:
        raise InstanceError(
            f"The master key does not open the vaults in {home / 'store'}; put the right one from your recovery sheet "
            f"into {home / KEY_NAME} or {KEY_VARIABLE}. Nothing was changed."
        )


def _read_key(home: Path) -> MasterKey:
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return parsed_key(given, f"The environment variable {KEY_VARIABLE}")
    path = home / KEY_NAME
    try:
        return parsed_key(path.read_text(encoding="utf-8", errors="replace"), f"The file {path}")
    except FileNotFoundError:
        raise InstanceError(
            f"The master key is missing: put it from your recovery sheet into {path} (mode 0600) or into "
            f"{KEY_VARIABLE}. Without it no backup can be read."
        ) from None
    except OSError as error:
        raise InstanceError(
            f"The master key {path} cannot be read ({error.strerror}); fix its permissions (0600) and its owner."
        ) from None


def parsed_key(text: str, what: str) -> MasterKey:
    """Return the master key with these hex digits. Raises InstanceError, which calls the text `what`."""
    try:
        return MasterKey(bytes.fromhex(text.strip()))
    except ValueError:
        raise InstanceError(
            f"{what} is not a master key: it must be {2 * KEY_BYTES} hex digits; copy them from your recovery sheet."
        ) from None
