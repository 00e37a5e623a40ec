"""The end of what the host has ended, when its time is over."""

from __future__ import annotations

import logging

from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.host.accounts import accounts_to_erase
from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance, InstanceError
from holdfast.service.registry.accounts import get_account
from holdfast.service.retention.erase import erase_account
from holdfast.stores.port import StoreError
from holdfast.vault.control import NEVER, Control

_log = logging.getLogger(__name__)


def erase_due(instance: Instance, control: Control = NEVER) -> list[str]:
    """Erase the ended accounts whose time has come; return their ids. What fails is logged, and tried again."""
    erased = []
    for account_id in accounts_to_erase(instance.catalog, instance.clock.now_ns()):
        if control.is_cancelled():
            break
        try:
            erase_account(instance, get_account(instance, account_id), SYSTEM)
            erased.append(account_id)
        except (ServiceError, CatalogError, StoreError, InstanceError) as error:
            _log.warning("account %s, which the host ended, could not be erased yet: %s", account_id, error)
    return erased
