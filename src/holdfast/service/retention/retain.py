"""Retain: delete old backups by an application's rules and its plan's caps.

`service/policy/retention.py` decides. It runs after every good backup of an application and again every hour, for the
caps on days and on storage. Each deletion is decided twice: here, so that it can be shown beforehand, and in the
statement that starts it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import tzinfo

import msgspec

from holdfast.catalog.accounts.apps import app_by_id, change_settings, list_apps
from holdfast.catalog.accounts.rows import note_storage
from holdfast.catalog.backups import retention as rows
from holdfast.catalog.backups import trash
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.backups.outdated import mark_outdated
from holdfast.catalog.backups.retention import Candidate
from holdfast.catalog.packs.storage import storage_of
from holdfast.catalog.records import SYSTEM, Account, Actor, App, State
from holdfast.schemas.apps import RetainedBackup, RetentionPreview, rules_of, shrunk_of
from holdfast.schemas.backups import shown_state
from holdfast.schemas.times import iso
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.instance.logs import event
from holdfast.service.policy.retention import CAPS, Decision, Reason, decide, make_room
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.accounts import get_account, plan_of
from holdfast.service.registry.apps import get_app
from holdfast.service.registry.backups import marked
from holdfast.service.registry.kept import terms_of
from holdfast.service.registry.trash import delete_now, measure_trash, resume_deletions
from holdfast.service.retention.evidence import Evidence
from holdfast.stores.port import StoreError
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import VaultError

NEARLY_FULL, NOT_FULL_BELOW = 0.9, 0.8
"""The parts of the plan's storage from which an account is told, and below which it may be told again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retained:
    """The outcome of retention for one application: its decisions, and the ids of the backups that went."""

    app: App
    verdicts: list[Decision]
    gone: list[str]


class Run:
    """One run of retention: what it has asked about an account, it does not ask again for the next application."""

    def __init__(self, instance: Instance) -> None:
        self.evidence = Evidence(instance)
        self._instance = instance
        self._accounts: dict[str, tuple[Account, int]] = {}

    def account(self, account_id: str) -> tuple[Account, int]:
        """Return an account, and by how many bytes it exceeds its plan's storage. Raises NotFound."""
        found = self._accounts.get(account_id)
        if found is None:
            account = get_account(self._instance, account_id)
            found = self._accounts[account_id] = account, _excess_bytes(self._instance, account)
        return found

    def excess_was_judged(self, account_id: str) -> None:
        """Note that room was made for an account, as far as there was any to make; once in a run."""
        self._accounts[account_id] = self._accounts[account_id][0], 0


def plan_retention(instance: Instance, app: App) -> list[Decision]:
    """Return what retention would do now with each backup of an application, oldest first."""
    return [v for v in _planned(instance, app, Run(instance)) if v.backup.app_id == app.id]


def retain_app(
    instance: Instance, app: App, by: Actor, *, control: Control = NEVER, run: Run | None = None
) -> Retained:
    """Delete what one application's rules and caps let go, and what the account's storage cap lets go of others.

    Raises NotFound, CatalogError, StoreError.
    """
    run = run or Run(instance)
    verdicts = _planned(instance, app, run)
    now = [v for v in verdicts if v.backup.app_id == app.id or v.goes_by is Reason.PLAN_STORAGE]
    gone = _delete_outdated(instance, app.account_id, now, by, control, run.evidence)
    run.excess_was_judged(app.account_id)
    return Retained(app, [v for v in verdicts if v.backup.app_id == app.id], gone)


def retain_after(instance: Instance, app_id: str, control: Control = NEVER, run: Run | None = None) -> None:
    """Retention behind a backup that has just succeeded. What fails is only logged: the next run does it."""
    app = app_by_id(instance.catalog, app_id)
    if app is None:
        return
    try:
        retain_app(instance, app, SYSTEM, control=control, run=run)
    except (StoreError, ServiceError) as error:
        _log.warning("retention of application %s waits for the next run: %s", app_id, error)


def retain_due(instance: Instance, control: Control = NEVER) -> None:
    """Retain every application of this node that has several backups, and finish deletions that were cut off.

    A cancel ends it early.
    """
    resume_deletions(instance)
    run = Run(instance)
    for app_id in rows.apps_with_several(instance.catalog, instance.config.node):
        if control.is_cancelled():
            return
        retain_after(instance, app_id, control, run)


def accept_size(instance: Instance, app: App, by: Actor) -> App:
    """Record that a person confirmed an application's size: its retention goes on.

    Raises StoreError: then it is entered in the catalog, and the next change writes it to the store.
    """
    now_ns = instance.clock.now_ns()
    change_settings(
        instance.catalog,
        app.id,
        lambda settings: msgspec.structs.replace(settings, shrunk=None),
        now_ns,
        by,
        "size.accepted",
    )
    store_record(instance, app.account_id)
    event("size_accepted", {"app_id": app.id, "account_id": app.account_id})
    return get_app(instance, app.account_id, app.id)


def shown_retention(instance: Instance, app: App, verdicts: Sequence[Decision]) -> RetentionPreview:
    """Rules and verdicts as they are shown."""
    return RetentionPreview(
        rules=rules_of(app.settings.retention),
        backups=[_shown(v, instance.zone) for v in verdicts],
        kept=sum(v.goes_by is None for v in verdicts),
        going=sum(v.goes_by is not None for v in verdicts),
        shrunk=shrunk_of(app, instance.zone),
    )


def _shown(verdict: Decision, zone: tzinfo) -> RetainedBackup:
    backup = verdict.backup
    return RetainedBackup(
        id=backup.id,
        name=backup.name,
        created_at=iso(backup.created_at, zone),
        state=shown_state(backup.state),
        origin=backup.origin,  # type: ignore[arg-type]
        goes=verdict.goes_by is not None,
        kept_by=[str(why) for why in verdict.kept_by],
        goes_by=None if verdict.goes_by is None else str(verdict.goes_by),
    )


def _planned(instance: Instance, app: App, run: Run) -> list[Decision]:
    """Return the decisions on an application's backups; on all of the account's while it stores too much."""
    account, excess = run.account(app.account_id)
    if excess > 0:
        return _judged_account(instance, account, excess)
    return _judged(instance, app, account, rows.candidates(instance.catalog, app_id=app.id))


def _judged(instance: Instance, app: App, account: Account, backups: Sequence[Candidate]) -> list[Decision]:
    terms = terms_of(instance.config, app, account.plan)
    return decide(backups, terms, instance.clock.now_ns(), instance.zone)


def _judged_account(instance: Instance, account: Account, excess: int) -> list[Decision]:
    """Return the decisions on all backups of an account, with room made for its cap on storage."""
    by_app: dict[str, list[Candidate]] = {}
    for backup in rows.candidates(instance.catalog, account_id=account.id):
        by_app.setdefault(backup.app_id, []).append(backup)
    verdicts = []
    for app in list_apps(instance.catalog, account.id):
        verdicts += _judged(instance, app, account, by_app.get(app.id, []))

    # What is in the trash goes in any case, and its bytes were not counted: they come on top of the excess.
    trashed, held = trash.trashed_ids(instance.catalog, account.id), trash.trash_of(instance.catalog, account.id).bytes

    def find(going: Collection[str], order: Sequence[str]) -> dict[str, int]:
        try:
            found = instance.vault(account.id).make_room([*trashed, *going], order, excess + held)
        except VaultError as error:
            # Nothing is pruned then, so no deletion would free anything.
            _log.warning("what makes room for account %s is not known: %s", account.id, error)
            return {}
        return {one.backup_id: one.bytes for one in found}

    return make_room(verdicts, excess, find)


def _excess_bytes(instance: Instance, account: Account) -> int:
    """Return by how much an account exceeds its plan's storage; 0 while its storage is about to shrink.

    An account that comes near its plan's storage is told, once.

    A prune has to run before it is known how much a deletion frees. So at most the estimated excess is deleted at once,
    and then nothing more until the packs show how much was gained. What the trash holds does not count.
    """
    cap = plan_of(instance, account).storage_bytes
    if not cap:
        return 0
    stored = storage_of(instance.catalog, account.id, instance.clock.now_ns())
    if not stored.is_measured:
        measure_trash(instance, account.id)
        stored = storage_of(instance.catalog, account.id, instance.clock.now_ns())
    if not stored.is_measured or stored.is_shrinking:
        return 0
    used = stored.counted_bytes
    is_full = used >= cap * (NOT_FULL_BELOW if stored.is_nearly_full else NEARLY_FULL)
    if is_full != stored.is_nearly_full:
        now_ns = instance.clock.now_ns()
        note_storage(instance.catalog, account.id, now_ns, is_full=is_full, used=used, allowed=cap)
    return max(0, used - cap)


def _delete_outdated(
    instance: Instance,
    account_id: str,
    verdicts: Sequence[Decision],
    by: Actor,
    control: Control,
    evidence: Evidence,
) -> list[str]:
    """Delete the backups of an account that go, the oldest first; return the ids of those that went.

    Good ones go into the trash, failed ones for good.

    A successful backup goes only when the store was seen to have the newest one that stays of its application.
    """
    gone = []
    stays: dict[str, Candidate] = {}
    for verdict in verdicts:
        if verdict.goes_by is None and verdict.backup.state is State.SUCCESSFUL:
            newest = stays.setdefault(verdict.backup.app_id, verdict.backup)
            stays[newest.app_id] = max(newest, verdict.backup, key=lambda b: (b.created_at, b.id))
    for verdict in sorted(verdicts, key=lambda v: (v.backup.created_at, v.backup.id)):
        if verdict.goes_by is None or control.is_cancelled():
            continue
        backup_id, app_id = verdict.backup.id, verdict.backup.app_id
        if (
            verdict.backup.state is State.SUCCESSFUL
            and app_id in stays
            and not evidence.has(account_id, stays[app_id].id)
        ):
            continue
        why = str(verdict.goes_by) if verdict.goes_by in CAPS and verdict.backup.state is State.SUCCESSFUL else None
        now_ns, reason = instance.clock.now_ns(), str(verdict.goes_by)
        if not mark_outdated(instance.catalog, backup_id, now_ns, by, reason, expired_by=why):
            continue  # locked, or in use, since it was looked at
        backup = backup_by_id(instance.catalog, backup_id)
        if backup is None:
            continue
        if backup.state is State.DELETING:
            delete_now(instance, backup, by)
        else:
            marked(instance, backup)
        gone.append(backup_id)
        _log.info("backup %s of application %s went by %s", backup_id, backup.app_id, verdict.goes_by)
    return gone
