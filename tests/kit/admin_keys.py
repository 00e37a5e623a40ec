"""Keys of the host."""

from __future__ import annotations

from holdfast.catalog.records import SYSTEM
from holdfast.service.host.admin_keys import add_admin_key
from holdfast.service.instance.home import Instance


def admin_key(instance: Instance, *scopes: str, name: str = "panel", expires_in: int | None = None) -> str:
    """Make a key of the host; return its text."""
    return add_admin_key(instance, name, scopes, SYSTEM, expires_in_seconds=expires_in).key
