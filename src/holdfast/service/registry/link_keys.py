"""The keys of downloads: computed when they are needed, and stored nowhere.

A key is 160 bits of HMAC-SHA-256 over the backup's digest with the account's link secret, which the catalog has sealed
by the master key. So who reads the catalog can open no download, two backups with the same content have the same key,
and a new secret ends all links of the account. A link with an end has, in the place of a key, its end and a signature:
HMAC-SHA-256 with the same secret and a purpose of its own over account, backup, format and end.
"""

from __future__ import annotations

import hmac

from holdfast.catalog.records import Backup
from holdfast.service.instance.home import Instance

LINK_KEY_DIGITS = 40
_PURPOSE = b"holdfast 1 download"
_LINK_PURPOSE = b"holdfast 1 link with an end"


class AccountKeys:
    """The keys of one account's downloads."""

    def __init__(self, link_secret: bytes) -> None:
        self._link_secret = link_secret
        self._begun = hmac.new(link_secret, _PURPOSE, "sha256")  # a copy of it costs half of what beginning costs

    def key(self, digest: bytes) -> str:
        """Return the key of the downloads of a backup with this digest."""
        whole = self._begun.copy()
        whole.update(digest)
        return whole.hexdigest()[:LINK_KEY_DIGITS]

    def signature(self, account_id: str, backup_id: str, format: str, expires: int) -> str:
        """Return the signature of a link to a backup that ends at a time (seconds since 1970)."""
        # None of the parts has a zero byte, so no two links have the same text.
        text = "\0".join((account_id, backup_id, format, str(expires)))
        return hmac.new(self._link_secret, _LINK_PURPOSE + b"\0" + text.encode(), "sha256").hexdigest()


def same_key(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def account_keys(instance: Instance, account_id: str, link_secret_sealed: bytes) -> AccountKeys:
    """Open the secret behind an account's links. Raises KeyMismatch."""
    return AccountKeys(instance.master_key.unwrap(link_secret_sealed, f"link secret:{account_id}"))


class LinkKeys:
    """The keys of some backups, whose accounts' secrets are opened once each.

    Made anew for each answer: another process may have given an account a new secret since.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._accounts: dict[str, AccountKeys] = {}

    def of(self, backup: Backup) -> str:
        """Return the key of a backup; empty unless there is something to download. Raises KeyMismatch."""
        return self.key(backup.account_id, backup.digest)

    def key(self, account_id: str, digest: bytes | None) -> str:
        """As `of`, for a digest of one of the account's backups."""
        if digest is None:
            return ""
        keys = self._accounts.get(account_id)
        if keys is None:
            sealed = self._instance.prepared.link_secret(account_id)
            if sealed is None:
                return ""  # the account was erased just now
            keys = self._accounts[account_id] = account_keys(self._instance, account_id, sealed)
        return keys.key(digest)
