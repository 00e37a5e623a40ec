"""Reading records back: located through the index, read in long runs, opened, and returned only when their tag matches.

`render` turns a layout's pieces into bytes. Records that stand side by side in a pack are read with one call; buffers
are kept. Nothing of a record is returned before its tag was checked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from cryptography.exceptions import InvalidTag

from holdfast.stores.port import ObjectMissing, ObjectReader, Store
from holdfast.vault.errors import ChunkMissing, DamagedError, PackGone
from holdfast.vault.layout.pieces import Piece, SegmentPiece
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.seal import TAG_BYTES, SealKind, VaultKeys, nonce
from holdfast.vault.pack.writer import pack_name

READ_BUFFERS = 2
"""At most this many times a buffer is read from a pack at once, and at least one record; also the ciphertext held."""

GAP_BYTES_MAX = 64 * 1024
"""At most this many unwanted bytes between two records are read too, to save another call."""

PLAN_PIECES = 2048
"""Number of pieces that are located at once, with buffers of BUFFER_BYTES; with smaller ones fewer."""

BATCH_BUFFERS = 4
"""At most this many times a buffer of pieces is located at once; those that are literal are held meanwhile."""

BUFFER_BYTES = 1024 * 1024
"""The size of the buffers, for a reader that says nothing else."""

OPEN_PACKS_MAX = 8
"""Packs that a reader keeps open: each may be a descriptor, and one more `open` costs less than a record."""

Record = tuple[bytes, bytes, memoryview, bytes, int]
"""Chunk id, pack id, sealed bytes, salt, counter."""

Place = tuple[bytes, int, int, bytes, int]
"""Pack id, offset, sealed length, salt, counter."""


class RecordReader:
    """Reads records of one vault. Not to be shared between threads; `close` it."""

    def __init__(self, store: Store, keys: VaultKeys, index: Callable[[bool], Index]) -> None:
        """`index(refresh)` returns the vault's index, read again from the ledger when `refresh`."""
        self._store = store
        self._keys = keys
        self._index = index
        self._held = index(False)
        self._open: OrderedDict[bytes, ObjectReader] = OrderedDict()
        self._buffer = memoryview(b"")
        self.buffer_bytes: Callable[[], int] = lambda: BUFFER_BYTES
        """Says how large the next buffer is: less for a client that is slow, as each holds several."""
        self._associated = {kind: keys.associated(kind) for kind in (SealKind.DATA, SealKind.MANIFEST)}

    def close(self) -> None:
        """Release the open packs."""
        while self._open:
            self._open.popitem()[1].close()

    def _pack(self, pack_id: bytes) -> ObjectReader:
        reader = self._open.get(pack_id)
        if reader is not None:
            self._open.move_to_end(pack_id)
            return reader
        try:
            reader = self._store.open(pack_name(pack_id))
        except ObjectMissing:
            raise PackGone(f"The pack {pack_id.hex()[:12]} is gone from the store.") from None
        self._open[pack_id] = reader
        if len(self._open) > OPEN_PACKS_MAX:
            self._open.popitem(last=False)[1].close()
        return reader

    def _plan(self, ids: list[bytes]) -> list[Place]:
        """Locate each chunk. Raises ChunkMissing."""
        blob = b"".join(ids)
        plan = _places(self._held, blob)
        if None in plan:
            # Missing from the index of this reader's start. The others keep their places: a prune since then
            # may have removed their packs from the index, but leaves the objects for us.
            fresh = self._index(True)
            plan = [there or now for there, now in zip(plan, _places(fresh, blob), strict=True)]
            if None in plan:
                lost = ids[plan.index(None)]
                missing = ChunkMissing(
                    f"A part of the backup is lost: chunk {lost.hex()[:12]} is in none of the vault's packs. A check "
                    "of the backups names all files that need it."
                )
                missing.chunk_id = lost
                raise missing
        return [place for place in plan if place is not None]

    def _plan_anew(self, ids: list[bytes], gone: PackGone) -> list[Place]:
        """Locate each chunk by the current ledger. Raise `gone` when the first one has not moved."""
        before = _places(self._held, ids[0])
        self._held = self._index(True)
        plan = [place for place in _places(self._held, b"".join(ids)) if place is not None]
        if len(plan) < len(ids) or plan[0] == before[0]:
            gone.chunk_id = ids[0]
            raise gone
        return plan

    def _read(self, pack_id: bytes, offset: int, length: int) -> memoryview:
        wanted = max(length, READ_BUFFERS * self.buffer_bytes())
        if not wanted <= len(self._buffer) <= 2 * wanted:
            self._buffer = memoryview(bytearray(wanted))
        place = self._buffer[:length]
        if self._pack(pack_id).read_into(offset, place) != length:
            raise PackGone(f"Pack {pack_id.hex()[:12]} is cut short.")
        return place

    def _runs(self, ids: list[bytes]) -> Iterator[list[Record]]:
        """Yield the sealed records of `ids`, in order, in runs that were read with one call.

        The bytes are valid until the next run is asked for, or anything else of this reader.
        """
        plan = self._plan(ids)
        i = 0
        while i < len(plan):
            pack_id, start, sealed, _, _ = plan[i]
            end = start + sealed
            read_bytes = READ_BUFFERS * self.buffer_bytes()
            j = i + 1
            while j < len(plan):
                other, at, size, _, _ = plan[j]
                if other != pack_id or not end <= at <= end + GAP_BYTES_MAX or at + size - start > read_bytes:
                    break
                end = at + size
                j += 1
            try:
                run = self._read(pack_id, start, end - start)
            except PackGone as gone:
                # Pruned since this reader's index was made: its chunks are in another pack now.
                plan[i:] = self._plan_anew(ids[i:], gone)
                continue
            yield [
                (ids[k], pack_id, run[at - start : at - start + size], salt, counter)
                for k, (_, at, size, salt, counter) in enumerate(plan[i:j], i)
            ]
            i = j

    def _open_into(self, kind: SealKind, record: Record, place: memoryview) -> None:
        """Open one record into `place`. Raise DamagedError, with none of it in there, when its tag does not match."""
        if self._opens(kind, record, place):
            return
        chunk_id, pack_id = record[:2]
        # `check` may have copied good records out of a damaged pack, and a later backup stored the lost ones again.
        now = _places(self._index(True), chunk_id)[0]
        if now is not None and now[0] != pack_id and now[2] == len(record[2]):
            other, offset, sealed, salt, counter = now
            data = memoryview(bytearray(sealed))
            if self._pack(other).read_into(offset, data) == sealed and self._opens(
                kind, (chunk_id, other, data, salt, counter), place
            ):
                return
        damaged = DamagedError(f"A record of pack {pack_id.hex()[:12]} is damaged (chunk {chunk_id.hex()[:12]}).")
        damaged.chunk_id = chunk_id
        raise damaged

    def _opens(self, kind: SealKind, record: Record, place: memoryview) -> bool:
        """Open one record into `place`; return False, with none of it in there, when its tag does not match."""
        chunk_id, _, sealed, salt, counter = record
        try:
            self._keys.cipher(salt).decrypt_into(nonce(counter), sealed, self._associated[kind] + chunk_id, place)
        except (InvalidTag, ValueError):
            return False
        return True

    def segments(self, kind: SealKind, ids: list[bytes]) -> Iterator[bytes]:
        """Yield the segments of chunks, in order. Raises ChunkMissing, DamagedError."""
        for start in range(0, len(ids), PLAN_PIECES):
            part = ids[start : start + PLAN_PIECES]
            for run in self._runs(part):
                opened = []
                for record in run:
                    out = bytearray(len(record[2]) - TAG_BYTES)
                    self._open_into(kind, record, memoryview(out))
                    opened.append(bytes(out))
                # Only now, so that the caller may use this reader for other records in between.
                yield from opened

    def render(self, pieces: Iterable[Piece]) -> Iterator[memoryview]:
        """Yield the bytes of a layout, in buffers of about `buffer_bytes()` that belong to the caller.

        Raises ChunkMissing, DamagedError; bytes yielded before that are correct.
        """
        out = memoryview(bytearray(0))
        fill = 0
        scratch = memoryview(bytearray(0))
        for batch in self._batches(pieces):
            runs = self._runs([p.chunk_id for p in batch if isinstance(p, SegmentPiece)])
            records = (record for run in runs for record in run)
            for piece in batch:
                if not isinstance(piece, SegmentPiece):
                    size = len(piece)
                    if size > len(out) - fill:
                        if self._is_worth_giving(fill):
                            yield out[:fill]
                            fill = 0
                        out = self._next_buffer(out[:fill], size)
                    out[fill : fill + size] = piece
                    fill += size
                    continue
                record = next(records)
                if len(record[2]) - TAG_BYTES != piece.stored:
                    raise DamagedError(f"Chunk {piece.chunk_id.hex()[:12]} differs in length from its manifest.")
                if piece.take > len(out) - fill:
                    if self._is_worth_giving(fill):
                        yield out[:fill]
                        fill = 0
                    out = self._next_buffer(out[:fill], piece.take)
                if piece.take == piece.stored:
                    place = out[fill : fill + piece.stored]
                    self._open_into(SealKind.DATA, record, place)
                else:
                    if len(scratch) < piece.stored:
                        scratch = memoryview(bytearray(piece.stored))
                    whole = scratch[: piece.stored]
                    self._open_into(SealKind.DATA, record, whole)
                    out[fill : fill + piece.take] = whole[piece.skip : piece.skip + piece.take]
                fill += piece.take
        if fill:
            yield out[:fill]

    def _is_worth_giving(self, fill: int) -> bool:
        """True if a buffer that is filled so far is given out as it is; a few bytes go before what comes next."""
        return fill * 8 > self.buffer_bytes()

    def _next_buffer(self, begun: memoryview, size: int) -> memoryview:
        """Return a new buffer that begins with what is there, and has room for `size` bytes more."""
        out = memoryview(bytearray(max(self.buffer_bytes(), len(begun) + size)))
        out[: len(begun)] = begun
        return out

    def _batches(self, pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
        """Yield pieces in lists short enough to be planned at once: few at first, so that the first byte comes soon."""
        batch: list[Piece] = []
        size, pieces_max, bytes_max = 0, 16, BATCH_BUFFERS * self.buffer_bytes()
        for piece in pieces:
            batch.append(piece)
            size += piece.stored if isinstance(piece, SegmentPiece) else len(piece)
            if len(batch) >= pieces_max or size >= bytes_max:
                yield batch
                buffer_bytes = self.buffer_bytes()
                batch, size, bytes_max = [], 0, BATCH_BUFFERS * buffer_bytes
                pieces_max = max(16, PLAN_PIECES * buffer_bytes // BUFFER_BYTES)
        if batch:
            yield batch


def _places(index: Index, ids: bytes) -> list[Place | None]:
    """Locate the chunks whose ids lie back to back; None for those that the index does not have."""
    places = index.locate(ids)
    packs, origins = index.packs, index.origins
    return [
        None if pack < 0 else (packs[pack], offset, stored + TAG_BYTES, origins[origin], counter)
        for pack, offset, stored, origin, counter in zip(
            places.pack.tolist(),
            places.offset.tolist(),
            places.stored.tolist(),
            places.origin.tolist(),
            places.counter.tolist(),
            strict=True,
        )
    ]
