"""The keys of downloads, as clients get them."""

from __future__ import annotations

from holdfast.catalog.records import Backup
from holdfast.service.instance.home import Instance
from holdfast.service.registry.link_keys import LinkKeys


def key_of(instance: Instance, backup: Backup) -> str:
    """The key that opens a backup's downloads."""
    return LinkKeys(instance).of(backup)
