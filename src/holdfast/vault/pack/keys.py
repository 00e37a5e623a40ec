"""The master key of an instance: wraps every other key. Without it nothing can be read.

Source of the construction: AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D allows 2^32 uses of one key; an
instance wraps a handful of keys per account); the purpose is associated data, so that a wrapped key taken from one
place does not open in another.
"""

from __future__ import annotations

import os

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.vault.errors import KeyMismatch

KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12


class MasterKey:
    """32 secret bytes, in memory only."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self._key = key
        self._tag_key = blake3(key, derive_key_context="holdfast 1 master key tag").digest()
        self._cipher = AESGCM(blake3(key, derive_key_context="holdfast 1 master key wrap").digest())

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits that identify a master key and reveal nothing about it."""
        return blake3(self._key, derive_key_context="holdfast 1 master key fingerprint").hexdigest(8)

    def hex(self) -> str:
        """Return the key itself, for the recovery sheet."""
        return self._key.hex()

    def tag(self, message: bytes, purpose: str) -> bytes:
        """Return 32 bytes that only who has this key can make of a message, for one purpose. Any number may be made."""
        return blake3(purpose.encode() + b"\0" + message, key=self._tag_key).digest()

    def wrap(self, plain: bytes, purpose: str) -> bytes:
        """Seal a key or secret for one purpose."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def unwrap(self, sealed: bytes, purpose: str) -> bytes:
        """Open a secret that `wrap` sealed for the same purpose. Raise KeyMismatch when it does not open."""
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return self._cipher.decrypt(nonce, body, purpose.encode())
        except (InvalidTag, ValueError):
            raise KeyMismatch(
                f"A stored key ({purpose.split(':')[0]}) does not open with this master key; "
                "restore the master key that this instance was created with (it is on your recovery sheet)."
            ) from None


def new_data_key() -> bytes:
    """Return a new key for one vault."""
    return os.urandom(KEY_BYTES)
