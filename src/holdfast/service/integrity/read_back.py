"""Read the whole store back within a number of days, in small runs, starting with the packs read longest ago.

Having written a pack proves nothing about it: it is read like any other. Damage has the same consequences as in
`holdfast check` (`verify.py`). One node reads at a time; how much is read in an hour and in a run is limited, and the
packs' rows say what was read before, so nothing is kept between two runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from holdfast.catalog.backups import read_back as rows
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import mend_record
from holdfast.service.registry.damage import check_backups, record_damage, successful
from holdfast.service.registry.vault_there import confirm_vault
from holdfast.stores.port import StoreError
from holdfast.units import DAY_NS, HOUR_NS, SECOND_NS
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import Cancelled, VaultError

RUN_SECONDS = 10.0
HOLD_NS = 120 * SECOND_NS
"""A node that is gone holds the reading up for at most this long."""

HOUR_BYTES_MIN = 256 * 1024**2
"""A small store is read at once: nobody feels that."""

PACKS_A_RUN = 200
BACKUPS_AT_ONCE = 50
_HASTE = 1.25
"""The share by which to read faster than needed, as a server is not always on."""

_log = logging.getLogger(__name__)


def read_back(instance: Instance, control: Control = NEVER) -> int:
    """Read one run's share of packs; return their number. Packs that cannot be read now are logged, and tried again."""
    config, now_ns = instance.config, instance.clock.now_ns()
    if not config.read_back_days:
        return 0
    due = rows.due_packs(instance.catalog, now_ns - config.read_back_days * DAY_NS, PACKS_A_RUN)
    if not due:
        return 0
    lease = rows.claim_lease(
        instance.catalog, config.node, now_ns, HOLD_NS, HOUR_NS, _hour_bytes(config.read_back_days)
    )
    if lease is None:
        return 0
    left = min(
        lease.hour_bytes - rows.read_since(instance.catalog, now_ns - HOUR_NS),
        int(config.read_back_bytes_per_second * RUN_SECONDS),
    )
    chosen: dict[str, list[bytes]] = {}
    for pack in due:
        if left <= 0:
            break
        left -= pack.size
        chosen.setdefault(pack.account_id, []).append(pack.pack_id)
    for account_id, pack_ids in chosen.items():
        try:
            _read_account(instance, account_id, pack_ids, control)
        except Cancelled:
            break
        except (VaultError, StoreError, NotFound) as error:
            _log.warning("packs of account %s could not be read back; they will be again: %s", account_id, error)
    return sum(map(len, chosen.values()))


def _hour_bytes(days: int) -> Callable[[int], int]:
    return lambda total: max(int(total * _HASTE / (days * 24)), HOUR_BYTES_MIN)


def _read_account(instance: Instance, account_id: str, pack_ids: Sequence[bytes], control: Control) -> None:
    """Read some packs of an account, and record what that proves."""
    confirm_vault(instance, account_id)
    mend_record(instance, account_id)
    began = instance.clock.now_ns()
    before = {backup.id for backup in successful(instance, account_id)}
    report = instance.vault(account_id).check_packs(
        pack_ids,
        lambda: [backup.id for backup in successful(instance, account_id)],
        now_ns=began,
        ledger=SqlLedger(instance.catalog, account_id, repaired_by=SYSTEM),
        control=control,
    )
    rows.mark_read(instance.catalog, account_id, report.good_packs, began)
    for finding in report.findings:
        _log.error("account %s: the pack %s %s", account_id, finding.pack_id.hex(), finding.why)
    if report.findings:
        # One that was finished meanwhile builds on nothing that is lost: it was fenced.
        checked = [backup for backup in successful(instance, account_id) if backup.id in before]
        record_damage(instance, checked, report.damaged_backups, None)
    _enter_verified(instance, account_id, control)


def _enter_verified(instance: Instance, account_id: str, control: Control) -> None:
    """Enter `verified_at` of those backups that are older than the oldest reading of any of the account's packs.

    All that such a backup needs is in live packs, so since then all of it was read. That it does need nothing else,
    and that its root can be read, is looked at here. Once a day and backup is enough.
    """
    since = rows.all_read_at(instance.catalog, account_id)
    if since is None:
        return
    due = rows.not_verified_since(instance.catalog, account_id, since, since - DAY_NS)
    for start in range(0, len(due), BACKUPS_AT_ONCE):
        if control.is_cancelled():
            return
        check_backups(instance, account_id, due[start : start + BACKUPS_AT_ONCE], since)
