"""Packs: objects of up to 32 MiB that hold sealed records, and end with a sealed table of them.

Bytes of a pack (integers little-endian; docs/formats.md, "Pack"):

    header   8   magic "HFPK", version u8, kind u8, flags u16
    records      sealed segments back to back, each `stored` bytes and a 16-byte tag
    trailer      the sealed, deflated table (below) with its tag
    footer  32   trailer length u32, records u32, salt 16, version u8, kind u8, flags u16, magic "HFPE"

The table: records u32, origins u16, kind u16; origins (16-byte salts; the first is the pack's own); then columns:
ids 32 bytes, stored u32, raw u32, crc32 u32, counter u32, encoder u8, origin u16. Offsets are the running sum.
*Origin* and *counter* give the salt and nonce under which a record was sealed, so that prune can copy it
without opening it.

A pack is named by the SHA-256 of its bytes: anyone can check one without a key (`sha256sum`).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum

from holdfast.stores.port import ObjectWriter, Store
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.seal import FORMAT_VERSION, TAG_BYTES, SealKind, VaultKeys, new_salt, nonce
from holdfast.vault.pack.segment import Encoder

PACK_BYTES_TARGET = 24 * 1024 * 1024
"""A pack is ended at the first record that brings it here; so none is over 32 MiB."""

RECORDS_MAX = 65_000
"""At most this many records in a pack: its table stays small (tiny chunks), and every origin has a number (u16)."""

FLAGS_KNOWN = 0
_HEADER = struct.Struct("<4sBBH")
FOOTER = struct.Struct("<II16sBBH4s")
TABLE_HEAD = struct.Struct("<IHH")
HEADER_BYTES = _HEADER.size
FOOTER_BYTES = FOOTER.size
_HEADER_MAGIC, FOOTER_MAGIC = b"HFPK", b"HFPE"
_BUFFER_BYTES = 1024 * 1024


class PackKind(IntEnum):
    """The content of a pack's records; data and manifests never share one."""

    DATA = 1
    MANIFEST = 2


PACKS_PREFIX = "packs/"


def pack_name(pack_id: bytes) -> str:
    """Return the object name of a pack: `packs/<first two hex digits>/<64 hex digits>`."""
    digits = pack_id.hex()
    return f"{PACKS_PREFIX}{digits[:2]}/{digits}"


def pack_header(kind: int) -> bytes:
    """Return the first bytes of a pack."""
    return _HEADER.pack(_HEADER_MAGIC, FORMAT_VERSION, kind, FLAGS_KNOWN)


class PackWriter:
    """Seals records into packs of one kind, one pack after the other.

    `submit` runs the slow end of a pack (fsync, rename) off this thread and gives a future of its PackRow; `rows`
    waits for all of them. Buffers are kept from pack to pack. Not to be shared between threads.
    """

    def __init__(
        self, store: Store, keys: VaultKeys, kind: PackKind, submit: Callable[[Callable[[], PackRow]], Future[PackRow]]
    ) -> None:
        self._store = store
        self._keys = keys
        self._kind = kind
        self._submit = submit
        self._seal_kind = SealKind.DATA if kind is PackKind.DATA else SealKind.MANIFEST
        self._associated = keys.associated(self._seal_kind)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._pending: list[Future[PackRow]] = []
        self._object: ObjectWriter | None = None
        self._reset()

    def _reset(self) -> None:
        self._object = None
        self._fill = 0
        self._size = 0
        self._ids: list[bytes] = []
        self._stored: list[int] = []
        self._raw: list[int] = []
        self._crc: list[int] = []
        self._encoder: list[int] = []
        self._counter: list[int] = []
        self._origin: list[int] = []
        self._origins: dict[bytes, int] = {}

    def _begin(self) -> None:
        self._object = self._store.writer()
        self._salt = new_salt()
        self._cipher = self._keys.cipher(self._salt)
        self._origins[self._salt] = 0
        self._hash = hashlib.sha256()
        self._append(pack_header(self._kind))

    def _append(self, data: bytes | memoryview) -> None:
        if self._fill + len(data) > _BUFFER_BYTES:
            self._flush()
        if len(data) > _BUFFER_BYTES:
            self._hash.update(data)
            assert self._object is not None
            self._object.write(data)
        else:
            self._buffer[self._fill : self._fill + len(data)] = data
            self._fill += len(data)
        self._size += len(data)

    def _flush(self) -> None:
        if self._fill:
            part = self._buffer[: self._fill]
            self._hash.update(part)
            assert self._object is not None
            self._object.write(part)
            self._fill = 0

    def add(self, chunk_id: bytes, segment: bytes, raw: int, crc32: int, encoder: Encoder) -> None:
        """Seal one segment as the next record. Raises StoreFull, StoreError."""
        if self._object is None:
            self._begin()
        sealed = len(segment) + TAG_BYTES
        number = len(self._ids)
        counter = nonce(number)
        if sealed > _BUFFER_BYTES:
            self._append(self._cipher.encrypt(counter, segment, self._associated + chunk_id))
        else:
            if self._fill + sealed > _BUFFER_BYTES:
                self._flush()
            place = self._buffer[self._fill : self._fill + sealed]
            self._cipher.encrypt_into(counter, segment, self._associated + chunk_id, place)
            self._fill += sealed
            self._size += sealed
        self._enter(chunk_id, len(segment), raw, crc32, encoder, number, 0)

    def copy(
        self, chunk_id: bytes, sealed: bytes | memoryview, raw: int, crc32: int, encoder: int, salt: bytes, counter: int
    ) -> None:
        """Copy a record as sealed elsewhere, under `salt` with `counter`. Raises StoreFull, StoreError."""
        if self._object is None:
            self._begin()
        self._append(sealed)
        origin = self._origins.setdefault(salt, len(self._origins))
        self._enter(chunk_id, len(sealed) - TAG_BYTES, raw, crc32, encoder, counter, origin)

    def _enter(
        self, chunk_id: bytes, stored: int, raw: int, crc32: int, encoder: int, counter: int, origin: int
    ) -> None:
        self._ids.append(chunk_id)
        self._stored.append(stored)
        self._raw.append(raw)
        self._crc.append(crc32)
        self._encoder.append(encoder)
        self._counter.append(counter)
        self._origin.append(origin)
        if self._size >= PACK_BYTES_TARGET or len(self._ids) >= RECORDS_MAX:
            self.end_pack()

    def end_pack(self) -> None:
        """End the open pack, if there is one; it becomes durable in the background."""
        if self._object is None:
            return
        n = len(self._ids)
        plain = b"".join(
            [
                TABLE_HEAD.pack(n, len(self._origins), self._kind),
                *self._origins,
                *self._ids,
                *(struct.pack(f"<{n}I", *column) for column in (self._stored, self._raw, self._crc, self._counter)),
                bytes(self._encoder),
                struct.pack(f"<{n}H", *self._origin),
            ]
        )
        deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
        table = self._keys.seal_whole(SealKind.TRAILER, self._salt, deflater.compress(plain) + deflater.flush())
        footer = FOOTER.pack(len(table), n, self._salt, FORMAT_VERSION, self._kind, FLAGS_KNOWN, FOOTER_MAGIC)
        self._append(table)
        self._append(footer)
        self._flush()
        pack_id = self._hash.digest()
        row = PackRow(pack_id=pack_id, kind=int(self._kind), size=self._size, salt=self._salt, table=table, records=n)
        writer = self._object
        self._reset()

        def finish() -> PackRow:
            writer.commit(pack_name(pack_id))
            return row

        self._pending.append(self._submit(finish))

    def rows(self, *, wait: bool) -> list[PackRow]:
        """Return the rows of packs that became durable since the last call; with `wait`, of all ended ones.

        Raises what making them durable raised (StoreFull, StoreError).
        """
        done = [f for f in self._pending if wait or f.done()]
        self._pending = [f for f in self._pending if f not in done]
        return [f.result() for f in done]

    def abort(self) -> None:
        """Discard the open pack."""
        if self._object is not None:
            self._object.abort()
        self._reset()


def run_now(work: Callable[[], PackRow]) -> Future[PackRow]:
    """Run the slow end of a pack on this thread, behind the interface of an executor."""
    future: Future[PackRow] = Future()
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
    return future
