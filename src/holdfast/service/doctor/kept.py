"""Checks of stored data: the catalog, the store, its backups, and notices that wait."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

from holdfast.catalog import statistics
from holdfast.catalog.accounts.rows import all_accounts
from holdfast.catalog.backups.damage import damaged_backups
from holdfast.catalog.backups.found import backups_in
from holdfast.catalog.backups.trash import due, trash_of
from holdfast.catalog.database.engine import MEND
from holdfast.catalog.database.health import quick_check
from holdfast.catalog.packs.ledger import condemned_since
from holdfast.catalog.records import TRASH_NS, State
from holdfast.service.doctor.finding import Check, Finding, Level, problem, warning
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import bad_copies
from holdfast.stores.port import StoreUnreachable
from holdfast.units import DAY_NS, HOUR_NS, size_text

TRASH_LATE_NS_MAX = HOUR_NS
WAL_BYTES_MAX = 256 * 1024**2
PUT_SECONDS_MAX = 2.0
POSTGRESQL_MIN = 13
WAITED_NS_MAX = 3 * DAY_NS
"""At most this long may a vault wait for a prune."""

DELIVERY_WAITED_NS_MAX = HOUR_NS
DELIVERIES_SINCE_NS = DAY_NS


def _catalog(instance: Instance) -> Iterator[Finding]:
    if instance.catalog.read_only_because:
        yield problem(instance.catalog.read_only_because)
    health = quick_check(instance.catalog)
    if health.faults:
        yield problem(
            f"The catalog {instance.catalog.where} is damaged ({health.faults[0]}); {MEND}.",
            "holdfast rebuild",
        )
    if health.wal_bytes > WAL_BYTES_MAX:
        yield warning(
            f"The catalog's write-ahead log has {health.wal_bytes // 1024**2} MiB: something has read from it for "
            "long; restart the server."
        )
    kind, _, version = health.database.partition(" ")
    number = version.partition(".")[0]
    if kind == "PostgreSQL" and number.isdigit() and int(number) < POSTGRESQL_MIN:
        yield warning(f"The catalog's {health.database} gets no updates any more; move to a newer one.")


def _store(instance: Instance) -> Iterator[Finding]:
    try:
        instance.confirm_store()
    except StoreUnreachable as error:
        yield problem(f"{error} (STORE_UNREACHABLE)")
        return
    name, content = f"doctor-{secrets.token_hex(8)}", secrets.token_bytes(4096)
    started = time.monotonic()
    instance.store.put(name, content)
    try:
        took = time.monotonic() - started
        if instance.store.get(name) != content:
            yield problem("The store returned other bytes than were written; check its disk first of all.")
    finally:
        instance.store.delete(name)
    if took > PUT_SECONDS_MAX:
        yield warning(f"The store took {took:.1f} s to write 4 kB durably; backups will be slow. Check its disk.")


def _records(instance: Instance) -> Iterator[Finding]:
    bad = [account.id for account in all_accounts(instance.catalog) if account.data_key_sealed]
    bad = [account_id for account_id in bad if bad_copies(instance, account_id)]
    if bad:
        yield problem(
            f"The records of {len(bad)} accounts in the store are damaged or missing ({', '.join(bad[:3])}); without "
            "the catalog their vaults could stay closed. The check writes them anew; then check the store's disk.",
            "holdfast check",
        )


def _deletions(instance: Instance) -> Iterator[Finding]:
    waiting = backups_in(instance.catalog, [State.DELETING])
    if waiting:
        yield warning(
            f"{len(waiting)} backups are still being deleted; if the server was stopped, its next start finishes that.",
            "holdfast serve",
        )


def _trash(instance: Instance) -> Iterator[Finding]:
    late = due(instance.catalog, instance.clock.now_ns() - TRASH_NS - TRASH_LATE_NS_MAX, 1)
    held = trash_of(instance.catalog)
    if held.backups and not late:
        text = f"The trash lets go in time; it has {held.backups} backups, which hold {size_text(held.bytes)}."
        yield Finding(Level.OK, text)
    if late:
        yield warning(
            f"The trash is not emptied: of its {held.backups} backups, which hold {size_text(held.bytes)}, the first "
            "was to be gone over an hour ago; see whether the server runs and the store takes deletions.",
            "holdfast serve",
        )


def _damage(instance: Instance) -> Iterator[Finding]:
    for row in statistics.backup_statistics(instance.catalog):
        if row.damaged:
            names = ", ".join(repr(backup.name) for backup in damaged_backups(instance.catalog, row.account_id)[:3])
            yield problem(
                f"{row.damaged} backups of account {row.account_id} have files that can't be read any more ({names}); "
                "take a fresh backup of each application, then check again.",
                "holdfast check --read-data",
            )


def _packs(instance: Instance) -> Iterator[Finding]:
    before = instance.clock.now_ns() - WAITED_NS_MAX
    condemned = condemned_since(instance.catalog, before)
    if condemned:
        yield warning(
            f"{condemned} packs that nothing needs any more, or that were damaged, have waited for days; prune.",
            "holdfast prune",
        )
    wanted = statistics.prune_wanted(instance.catalog)
    if wanted.oldest_at is not None and wanted.oldest_at < before:
        yield warning(
            f"Backups of {wanted.accounts} accounts were deleted days ago, and their space is not free yet; prune.",
            "holdfast prune",
        )


def _notices(instance: Instance) -> Iterator[Finding]:
    for _id, account_id, label in statistics.disabled_endpoints(instance.catalog):
        yield warning(f"The endpoint {label} of account {account_id} is disabled; nothing is sent to it.")
    now_ns = instance.clock.now_ns()
    for label, count, error in statistics.failing_deliveries(instance.catalog, now_ns - DELIVERIES_SINCE_NS):
        yield warning(
            f"{count} notices to {label} failed for good within a day, the last one so: {error}; see to the receiver."
        )
    for row in statistics.delivery_statistics(instance.catalog):
        if row.state == "pending" and row.oldest_at < now_ns - DELIVERY_WAITED_NS_MAX:
            yield warning(f"{row.count} notices wait, the first for over an hour; see whether their receivers are up.")


KEPT_CHECKS = (
    Check("catalog", "The catalog is sound.", _catalog),
    Check("store", "The store writes, reads and deletes.", _store),
    Check("records", "The store has every account's record, twice.", _records),
    Check("deletions", "No deletion is unfinished.", _deletions),
    Check("trash", "The trash lets go in time.", _trash),
    Check("damage", "No backup is known to be damaged.", _damage),
    Check("packs", "Nothing waits long for a prune.", _packs),
    Check("notices", "Notices are delivered.", _notices),
)
