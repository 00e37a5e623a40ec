"""The rules that keep each backup, as its full object shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.accounts.rows import account_by_id
from holdfast.catalog.backups.retention import Candidate, candidates
from holdfast.catalog.records import App, Backup
from holdfast.service.instance.config import Config
from holdfast.service.instance.home import Instance
from holdfast.service.policy.retention import Terms, decide


def terms_of(config: Config, app: App, plan: str) -> Terms:
    """Return the terms by which an application's backups are decided; a plan that is not configured caps nothing."""
    caps = config.plans.get(plan)
    return Terms(
        retention=app.settings.retention,
        backups_max=caps.backups_per_app if caps else 0,
        days_max=caps.keep_days_max if caps else 0,
        safety_days=config.safety_days,
        shrunk_order=None if app.settings.shrunk is None else app.settings.shrunk.order,
    )


def kept_by(instance: Instance, backups: Iterable[Backup]) -> dict[str, tuple[str, ...]]:
    """Return by id what keeps each backup, in one look at each of their applications; one that goes has no reason.

    The account's cap on storage is left aside: making room for it reads the manifests of the whole account, which
    `service/retention/retain.py` does when it is asked for, and not for every look at a backup.
    """
    found: dict[str, tuple[str, ...]] = {}
    for app_id in dict.fromkeys(backup.app_id for backup in backups):
        app = app_by_id(instance.catalog, app_id)
        account = None if app is None else account_by_id(instance.catalog, app.account_id)
        if app is None or account is None:
            continue
        found |= reasons_of(instance, app, account.plan, candidates(instance.catalog, app_id=app_id))
    return found


def reasons_of(instance: Instance, app: App, plan: str, known: Sequence[Candidate]) -> dict[str, tuple[str, ...]]:
    """Return by id what keeps each backup of an application, of all of them and its account's plan; as `kept_by`."""
    decisions = decide(known, terms_of(instance.config, app, plan), instance.clock.now_ns(), instance.zone)
    return {one.backup.id: tuple(map(str, one.kept_by)) for one in decisions}
