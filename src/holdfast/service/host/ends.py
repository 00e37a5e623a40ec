"""The end of what the host has ended, and of accounts whose people asked for it, when its time is over."""

from __future__ import annotations

import logging

from holdfast.catalog.accounts.erasure import NotDue
from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.host.accounts import accounts_to_erase
from holdfast.catalog.host.apps import apps_to_remove, give_up
from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance, InstanceError
from holdfast.service.registry.accounts import get_account
from holdfast.service.registry.apps import remove_app
from holdfast.service.retention.erase import erase_account
from holdfast.service.retention.erasure import postpone_erasure
from holdfast.stores.port import StoreError
from holdfast.vault.control import NEVER, Control

_FAILURES = (ServiceError, CatalogError, StoreError, InstanceError)
_log = logging.getLogger(__name__)


def erase_due(instance: Instance, control: Control = NEVER) -> list[str]:
    """Erase the accounts and the ended applications whose time has come; return their ids.

    What fails is logged, and tried again. Backups that are locked until a time keep an application until then, and an
    account that its people want erased.
    """
    erased: list[str] = []
    for account_id in accounts_to_erase(instance.catalog, instance.clock.now_ns()):
        if control.is_cancelled():
            return erased
        try:
            erase_account(instance, get_account(instance, account_id), SYSTEM, only_if_due=True)
            erased.append(account_id)
        except NotDue:
            postpone_erasure(instance, account_id)
        except _FAILURES as error:
            _log.warning("account %s could not be erased yet: %s", account_id, error)
    for app in apps_to_remove(instance.catalog, instance.clock.now_ns()):
        if control.is_cancelled():
            return erased
        try:
            if give_up(instance.catalog, app.id, instance.clock.now_ns()):
                remove_app(instance, app, SYSTEM, is_over=True)
                erased.append(app.id)
        except _FAILURES as error:
            _log.warning("application %s, which the host ended, could not be erased yet: %s", app.id, error)
    return erased
