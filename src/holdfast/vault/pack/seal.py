"""Sealing: AES-256-GCM over everything stored, with keys that are derived and never used for two things.

Source of the construction: NIST SP 800-38D (GCM, 96-bit nonces from a counter that never repeats under one key);
key derivation is BLAKE3's `derive_key` mode and keyed mode.

The data key (32 bytes, one per vault) is never used directly. From it come the chunk id keys, the chunker's seed and
one key per pack and root: `salt` (16 random bytes) names it, so a nonce can simply count records.
The associated data binds each sealed piece to format, kind, vault and chunk: a record moved into another place, kind
or vault does not open.
"""

from __future__ import annotations

import os
from enum import IntEnum
from functools import lru_cache

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.vault.errors import DamagedError

FORMAT_VERSION = 1
TAG_BYTES = 16
SALT_BYTES = 16
TRAILER_COUNTER = 0xFFFF_FFFF
"""Nonce counter of a pack's trailer and of a root; records count from 0 and never get there."""


class SealKind(IntEnum):
    """The kind of a sealed piece; part of its associated data."""

    DATA = 1
    MANIFEST = 2
    TRAILER = 3
    ROOT = 4


class VaultKeys:
    """All keys of one vault, derived from its data key. Keep it in memory only."""

    def __init__(self, data_key: bytes, vault_id: str) -> None:
        if len(data_key) != 32:
            raise ValueError("a data key has 32 bytes")
        self._data_key = data_key
        self.chunk_id_key = blake3(data_key, derive_key_context="holdfast 1 chunk id").digest()
        self.manifest_id_key = blake3(data_key, derive_key_context="holdfast 1 manifest chunk id").digest()
        self._seal_key = blake3(data_key, derive_key_context="holdfast 1 seal").digest()
        seed = blake3(data_key, derive_key_context="holdfast 1 chunker seed").digest(8)
        self.chunker_seed = int.from_bytes(seed, "little") >> 1
        name = vault_id.encode()
        self._associated = {kind: b"HF" + bytes([FORMAT_VERSION, kind, len(name)]) + name for kind in SealKind}
        self.cipher = lru_cache(maxsize=4096)(self._cipher)

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(blake3(salt, key=self._seal_key).digest())

    def associated(self, kind: SealKind) -> bytes:
        """Return the start of the associated data of a piece of this kind; the chunk id (or salt) follows it."""
        return self._associated[kind]

    def seal_whole(self, kind: SealKind, salt: bytes, plain: bytes) -> bytes:
        """Seal a trailer or a root: the one piece under `salt` with the trailer's counter."""
        return self.cipher(salt).encrypt(nonce(TRAILER_COUNTER), plain, self._associated[kind] + salt)

    def open_whole(self, kind: SealKind, salt: bytes, sealed: bytes, what: str) -> bytes:
        """Open a trailer or a root. Raise DamagedError, which names `what`, when its tag does not match."""
        try:
            return self.cipher(salt).decrypt(nonce(TRAILER_COUNTER), sealed, self._associated[kind] + salt)
        except InvalidTag:
            raise DamagedError(f"{what} is damaged, or was sealed with another key.") from None


def new_salt() -> bytes:
    """Return a new salt: it names one pack's (or root's) key. Random, so a retried pack never reuses a nonce."""
    return os.urandom(SALT_BYTES)


def nonce(counter: int) -> bytes:
    """Return the 12-byte nonce of record number `counter`."""
    return counter.to_bytes(12, "little")
