"""Download links: the key in a URL that opens one backup, and nothing else."""

from __future__ import annotations

import hashlib
import hmac

LINK_KEY_DIGITS = 40


def link_key(link_secret: bytes, digest: bytes) -> str:
    """The key of a backup's download: 160 bits of HMAC-SHA-256 with the account's secret over the backup's digest.

    Two backups with the same content have the same key; a new secret ends all links of the account.
    """
    return hmac.new(link_secret, b"holdfast 1 download" + digest, hashlib.sha256).hexdigest()[:LINK_KEY_DIGITS]


def same_key(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
