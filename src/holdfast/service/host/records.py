"""The records of the accounts that a sync has changed, written behind it: two synced files each would hold it up.

No backup begins without its account's record (`registry/vault_there.py`), and a process that dies before all are
written leaves the rest to the next start of the jobs (`store_records`).
"""

from __future__ import annotations

import logging

from holdfast.catalog.database.engine import CatalogError
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import store_record
from holdfast.stores.port import StoreError

AT_ONCE = 20

_log = logging.getLogger(__name__)


def write_some_records(instance: Instance, account_ids: list[str]) -> None:
    """Write the records of the next accounts, and take these off the list; all of them when it cannot be done now."""
    for _ in range(min(AT_ONCE, len(account_ids))):
        account_id = account_ids.pop()
        try:
            store_record(instance, account_id)
        except (StoreError, CatalogError, ServiceError) as error:
            _log.warning(
                "the records of %d accounts are to be written at the next start: %s", len(account_ids) + 1, error
            )
            account_ids.clear()
            return
