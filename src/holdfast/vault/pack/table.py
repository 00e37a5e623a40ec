"""Reading the table of a pack: from its ledger row, or from the end of the pack itself.

`vault/pack/writer.py` has the format.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.stores.port import Store
from holdfast.vault.errors import DamagedError, FormatError
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.seal import FORMAT_VERSION, TAG_BYTES, SealKind, VaultKeys
from holdfast.vault.pack.writer import (
    FLAGS_KNOWN,
    FOOTER,
    FOOTER_BYTES,
    FOOTER_MAGIC,
    HEADER_BYTES,
    TABLE_HEAD,
    PackKind,
    pack_name,
)


@dataclass(frozen=True, slots=True)
class Table:
    """The contents of one pack: columns of equal length, in the order of the records."""

    kind: PackKind
    origins: tuple[bytes, ...]
    ids: bytes
    stored: NDArray[np.uint32]
    raw: NDArray[np.uint32]
    crc32: NDArray[np.uint32]
    counter: NDArray[np.uint32]
    encoder: NDArray[np.uint8]
    origin: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def offsets(self) -> NDArray[np.uint32]:
        """Return the start of each record in the pack."""
        sizes = self.stored.astype(np.int64) + TAG_BYTES
        return (HEADER_BYTES + np.cumsum(sizes) - sizes).astype(np.uint32)


def open_table(keys: VaultKeys, row: PackRow) -> Table:
    """Read a pack's table from its ledger row. Raise DamagedError when it does not open, FormatError when malformed."""
    what = f"The table of pack {row.pack_id.hex()[:12]}"
    deflated = keys.open_whole(SealKind.TRAILER, row.salt, row.table, what)
    try:
        plain = zlib.decompress(deflated, -15)
    except zlib.error as error:
        raise DamagedError(f"{what} is damaged.") from error
    # Behind the head stand the origins (16 bytes each) and then the records by columns: ids (32 bytes each), four
    # columns of u32, the encoder (u8) and the origin (u16). `at` is where the next column begins. The length is checked
    # before anything is cut, so that a damaged count reads nothing that is not there.
    n, origin_n, kind = TABLE_HEAD.unpack_from(plain)
    at = TABLE_HEAD.size
    if len(plain) != at + 16 * origin_n + n * (32 + 16 + 1 + 2):
        raise FormatError(f"{what} has the wrong length.")
    if (n, kind) != (row.records, row.kind):
        raise DamagedError(f"{what} does not belong to this pack's footer.")
    origins = tuple(plain[at + 16 * i : at + 16 * i + 16] for i in range(origin_n))
    at += 16 * origin_n
    ids = plain[at : at + 32 * n]
    at += 32 * n
    words = np.frombuffer(plain, "<u4", 4 * n, at).reshape(4, n)
    at += 16 * n
    encoder = np.frombuffer(plain, "u1", n, at)
    origin = np.frombuffer(plain, "<u2", n, at + n)
    if n and int(origin.max()) >= origin_n:
        raise FormatError(f"{what} names an origin that it does not have.")
    return Table(PackKind(row.kind), origins, ids, words[0], words[1], words[2], words[3], encoder, origin)


def read_footer(keys: VaultKeys, store: Store, pack_id: bytes) -> PackRow:
    """Read the ledger row of a pack from the pack itself, by two range reads. For rebuilding and checking."""
    name = pack_name(pack_id)
    size = store.size(name)
    footer = store.get_range(name, max(0, size - FOOTER_BYTES), FOOTER_BYTES)
    if len(footer) < FOOTER_BYTES:
        raise DamagedError(f"Pack {pack_id.hex()[:12]} is cut short.")
    length, records, salt, version, kind, flags, magic = FOOTER.unpack(footer)
    if magic != FOOTER_MAGIC or length + FOOTER_BYTES + HEADER_BYTES > size:
        raise DamagedError(f"Pack {pack_id.hex()[:12]} has no valid footer.")
    if version > FORMAT_VERSION or flags & ~FLAGS_KNOWN:
        raise FormatError(f"Pack {pack_id.hex()[:12]} was written by a newer Holdfast; use that version or later.")
    table = store.get_range(name, size - FOOTER_BYTES - length, length)
    return PackRow(pack_id=pack_id, kind=kind, size=size, salt=salt, table=table, records=records)
