"""The root of a backup: the small sealed object `backups/<id>` from which everything else of it is found.

Bytes (docs/formats.md, "Root"): magic "HFRT", version u8, kind u8 (4), flags u16, salt 16 bytes, then the sealed
MessagePack map of `Root`. The list of blocks is itself cut into chunks (kind manifest), so that a backup in which
nothing changed adds little more than its root.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec
from blake3 import blake3

from holdfast.stores.port import ObjectMissing, Store
from holdfast.vault.errors import BackupMissing, DamagedError, FormatError
from holdfast.vault.manifest.listing import BlockRef
from holdfast.vault.pack.seal import FORMAT_VERSION, SealKind, VaultKeys, new_salt

_HEADER = struct.Struct("<4sBBH16s")
_MAGIC = b"HFRT"
_LISTING_REFS_MAX = 512

ZIP_LAYOUT = 2
"""The version of the zip's layout that a new backup gets. Each backup keeps its own for good, as its links do."""


class Root(msgspec.Struct, frozen=True):
    """The contents of the root object. Sizes in bytes."""

    backup_id: str
    commit_seq: int
    """Order of the account's backups, as the catalog counted it."""
    created_ns: int
    digest: bytes
    """32 bytes over all that a customer can see of the backup; equal for equal content."""
    zip_bytes: int
    tar_bytes: int
    files: int
    folders: int
    symlinks: int
    content_bytes: int
    listing: tuple[bytes, ...]
    """Ids of the chunks that hold the list of blocks, in order."""
    labels: dict[str, str] = {}
    """Data of the caller that must be found again with the content (application, name); opaque here."""
    finished_ns: int = 0
    """Time at which the root was written."""
    stored_bytes: int = 0
    """Bytes that the backup added to the store, without the root itself."""
    zip_layout: int = 1
    """Version of the layout of its zip (docs/layouts.md, "Versions")."""


_root_decoder = msgspec.msgpack.Decoder(Root)
_refs_decoder = msgspec.msgpack.Decoder(list[BlockRef])


ROOTS_PREFIX = "backups/"


def root_name(backup_id: str) -> str:
    """Return the object name of a root."""
    return ROOTS_PREFIX + backup_id


def write_root(store: Store, keys: VaultKeys, root: Root) -> int:
    """Store a root durably; return its size. Raises StoreError."""
    salt = new_salt()
    header = _HEADER.pack(_MAGIC, FORMAT_VERSION, SealKind.ROOT, 0, salt)
    sealed = keys.seal_whole(SealKind.ROOT, salt, msgspec.msgpack.encode(root))
    store.put(root_name(root.backup_id), header + sealed)
    return len(header) + len(sealed)


def read_root(store: Store, keys: VaultKeys, backup_id: str) -> Root:
    """Read a root. Raises BackupMissing, DamagedError, FormatError, StoreError."""
    try:
        data = store.get(root_name(backup_id))
    except ObjectMissing:
        raise _gone(backup_id) from None
    if len(data) < _HEADER.size:
        raise DamagedError(f"The root of backup {backup_id} is cut short.")
    magic, version, kind, flags, salt = _HEADER.unpack_from(data)
    if magic != _MAGIC or kind != SealKind.ROOT:
        raise DamagedError(f"The root of backup {backup_id} is damaged.")
    if version > FORMAT_VERSION or flags:
        raise _newer(backup_id)
    plain = keys.open_whole(SealKind.ROOT, salt, data[_HEADER.size :], f"The root of backup {backup_id}")
    root = _root_decoder.decode(plain)
    if root.backup_id != backup_id:
        raise DamagedError(f"The object of backup {backup_id} holds another backup.")
    if root.zip_layout > ZIP_LAYOUT:
        raise _newer(backup_id)
    return root


def root_size(store: Store, backup_id: str) -> int:
    """Return the bytes of a root in the store. Raises BackupMissing, StoreError."""
    try:
        return store.size(root_name(backup_id))
    except ObjectMissing:
        raise _gone(backup_id) from None


def _newer(backup_id: str) -> FormatError:
    return FormatError(f"Backup {backup_id} was written by a newer Holdfast; use that version or later.")


def _gone(backup_id: str) -> BackupMissing:
    return BackupMissing(f"The root of backup {backup_id} is gone from the store.")


def digest_of(refs: Sequence[BlockRef]) -> bytes:
    """Return the digest of a backup from those of its blocks."""
    return blake3(b"".join(r.digest for r in refs), derive_key_context="holdfast 1 backup digest").digest()


def listing_parts(refs: Sequence[BlockRef]) -> list[bytes]:
    """Return the list of blocks as encoded parts whose borders depend only on the blocks near them."""
    parts: list[bytes] = []
    start = 0
    for i, ref in enumerate(refs, 1):
        if ref.chunk_id[0] < 2 or i - start >= _LISTING_REFS_MAX or i == len(refs):
            parts.append(msgspec.msgpack.encode(refs[start:i]))
            start = i
    return parts


def decode_listing(part: bytes) -> list[BlockRef]:
    """Decode one part of the list of blocks. Raise FormatError when it is not one."""
    try:
        return _refs_decoder.decode(part)
    except msgspec.MsgspecError as error:
        raise FormatError("A backup's list of blocks is damaged.") from error
