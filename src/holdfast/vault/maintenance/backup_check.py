"""The check of a backup: its root, its lists, and that the vault has every chunk of each of its files.

Only manifests are read here, each shared part of them once; `pack_check.py` checks the chunks themselves. A chunk
counts as present when the index has it with the stored length that the manifest promises (the download's
length depends on that) and it was not found to be bad.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from holdfast.stores.port import Store, StoreError, StoreUnreachable
from holdfast.vault.errors import BackupMissing, ChunkMissing, DamagedError, FormatError, VaultError
from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.layout.listing import ref_of
from holdfast.vault.manifest.block import Block, decode_block, decode_list
from holdfast.vault.manifest.entry import Extent, Extra, Kind
from holdfast.vault.manifest.listing import BlockRef
from holdfast.vault.manifest.root import Root, decode_listing, digest_of, read_root
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.paths import shown
from holdfast.vault.reader.records import RecordReader
from holdfast.vault.reader.snapshot import Snapshot

_BLOCKS_AT_ONCE = 64

FILES_NAMED_MAX = 1000
"""At most this many damaged files of a backup are named; of more, only the count is kept."""


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file (or a run of entries whose list is lost) that cannot be read. `path`: empty for the whole backup."""

    path: bytes
    message: str
    count: int = 1
    """Number of entries: more than one for a lost list."""


@dataclass(slots=True)
class DamagedBackup:
    """A backup that is not whole."""

    backup_id: str
    files: list[DamagedFile] = field(default_factory=list)
    """At most FILES_NAMED_MAX."""
    count: int = 0
    """Number of files; of a lost list, the number of its entries."""
    is_unreadable: bool = False
    """True when nothing of it can be read: its root or its list of blocks is lost."""

    def add(self, path: bytes, message: str, count: int = 1) -> None:
        """Add one damaged file."""
        self.count += count
        if len(self.files) < FILES_NAMED_MAX:
            self.files.append(DamagedFile(path, message, count))

    def lose_all(self, message: str) -> DamagedBackup:
        """Record that nothing of the backup can be read."""
        self.is_unreadable = True
        self.add(b"", message)
        return self


@dataclass(frozen=True, slots=True)
class _BlockRead:
    """The facts kept about a block that was read and found whole."""

    first: bytes
    last: bytes
    files: int
    folders: int
    symlinks: int
    content_bytes: int


class BackupCheck:
    """Checks backups of one vault against one index. Not to be shared between threads; `close` it."""

    def __init__(self, store: Store, keys: VaultKeys, index: Index, bad: NDArray[np.bool_] | None = None) -> None:
        """`bad`: for each position of the index, True if that chunk was found to be lost."""
        self._store = store
        self._keys = keys
        self.index = index
        self._reader = RecordReader(store, keys, lambda refresh: index)
        self._bad = np.zeros(len(index), bool) if bad is None else bad
        self._whole: dict[bytes, _BlockRead] = {}
        self.used: NDArray[np.bool_] = np.zeros(len(index), bool)
        """For each position of the index, True if a checked backup needs that chunk."""
        self.missing: set[bytes] = set()
        """Ids of chunks that a checked backup needs and that the index does not have."""
        self.suspects: set[bytes] = set()
        """Packs with manifest chunks that the index has and that could not be read."""

    def close(self) -> None:
        """Release the open packs."""
        self._reader.close()

    def backup(self, backup_id: str) -> DamagedBackup | None:
        """Check a backup; return its losses, or None when it is whole. Raises StoreUnreachable."""
        damaged = DamagedBackup(backup_id)
        try:
            root = self._root(backup_id)
        except BackupMissing:
            return damaged.lose_all("Its root is missing from the store, so nothing of it can be read.")
        except StoreUnreachable:
            raise
        except StoreError:  # its text may be about the store's machine, and this one is for everybody
            return damaged.lose_all("Its root cannot be read from the store, so nothing of it can be read.")
        except VaultError as error:
            return damaged.lose_all(f"Nothing of it can be read: {error}")
        snapshot = Snapshot(root, self._reader)
        refs: list[BlockRef] = []
        for chunk_id, part in zip(root.listing, self._manifest(snapshot, root.listing), strict=True):
            try:
                refs += decode_listing(part) if part is not None else _raise_lost(chunk_id)
            except FormatError:
                return damaged.lose_all("Its list of blocks is lost, so nothing of it can be read.")
        snapshot.blocks = refs
        self._blocks(snapshot, refs, damaged)
        return damaged if damaged.count else None

    def _root(self, backup_id: str) -> Root:
        """Read a root, a second time when it is not good."""
        try:
            return read_root(self._store, self._keys, backup_id)
        except (BackupMissing, StoreUnreachable):
            raise
        except (StoreError, VaultError):
            return read_root(self._store, self._keys, backup_id)

    # -- blocks ----------------------------------------------------------------------------------------------------

    def _blocks(self, snapshot: Snapshot, refs: Sequence[BlockRef], damaged: DamagedBackup) -> None:
        sums = np.zeros(4, np.int64)  # files, folders, symlinks, content bytes
        last = b""
        is_complete = True
        for number, (ref, seen) in enumerate(self._checked_blocks(snapshot, refs, damaged)):
            if seen is None:
                is_complete = False
                before = refs[number + 1].first_path if number + 1 < len(refs) else None
                damaged.add(ref.first_path, _lost_entries(ref, before), ref.sums.entries)
                continue
            if last and _key(seen.first) <= _key(last):
                damaged.add(seen.first, "The backup's paths are out of order.")
            last = seen.last
            sums += (seen.files, seen.folders, seen.symlinks, seen.content_bytes)
        root = snapshot.root
        if is_complete and tuple(sums.tolist()) != (root.files, root.folders, root.symlinks, root.content_bytes):
            damaged.add(b"", "Its counts do not match its files.")
        if digest_of(refs) != root.digest:
            damaged.add(b"", "Its digest does not match its files.")
        if is_complete and not damaged.count and not _has_its_lengths(snapshot):
            damaged.add(b"", "Its downloads would have other lengths than its root states.")

    def _checked_blocks(
        self, snapshot: Snapshot, refs: Sequence[BlockRef], damaged: DamagedBackup
    ) -> Iterator[tuple[BlockRef, _BlockRead | None]]:
        """Yield each block with the facts about it; those not met before are read, several at a time."""
        for start in range(0, len(refs), _BLOCKS_AT_ONCE):
            some = refs[start : start + _BLOCKS_AT_ONCE]
            fresh = [ref.chunk_id for ref in some if ref.chunk_id not in self._whole]
            contents = dict(zip(fresh, self._manifest(snapshot, fresh), strict=True))
            for ref in some:
                if ref.chunk_id in contents:
                    yield ref, self._block(snapshot, ref, contents[ref.chunk_id], damaged)
                else:
                    yield ref, self._whole[ref.chunk_id]

    def _block(
        self, snapshot: Snapshot, ref: BlockRef, data: bytes | None, damaged: DamagedBackup
    ) -> _BlockRead | None:
        """Check one block; return None when it cannot be read. Whole blocks are remembered."""
        if data is None:
            return None
        try:
            block = decode_block(data)
            extras = block.extras()
            if not len(block):
                return None
        except (FormatError, ValueError):
            return None
        count = damaged.count
        if ref_of(block, ref.chunk_id) != ref:
            damaged.add(ref.first_path, "The list of entries differs from the one that the backup names.")
        paths = block.paths()
        keys = [_key(path) for path in paths]
        if any(a >= b for a, b in pairwise(keys)):
            damaged.add(paths[0], "The backup's paths are out of order.")
        for i in self._hit_entries(snapshot, block, extras):
            damaged.add(paths[i], f"The file {shown(paths[i])} can't be read.")
        is_file = block.kind == Kind.FILE
        seen = _BlockRead(
            paths[0],
            paths[-1],
            int(is_file.sum()),
            int((block.kind == Kind.FOLDER).sum()),
            int((block.kind == Kind.SYMLINK).sum()),
            int(block.size.sum()),
        )
        if damaged.count == count:
            self._whole[ref.chunk_id] = seen
        return seen

    def _hit_entries(self, snapshot: Snapshot, block: Block, extras: dict[int, Extra]) -> list[int]:
        """Return the numbers of the entries whose content is incomplete."""
        # `owner` has for each extent of the block the number of its entry, so that what is found of extents (lost ones,
        # and the sum of their lengths, which must be the file's) is told of entries in one step. What has no extents of
        # its own is looked at one by one: large files by their lists, small ones by the content in their extra.
        extents = block.extents
        lost = self._lost(extents["id"].tobytes(), extents["stored"])
        owner = np.repeat(np.arange(len(block)), block.extent_count)
        damaged = set(owner[lost].tolist())
        product = extents["raw"].astype(np.int64) * extents["repeat"]
        raw = np.bincount(owner, weights=product.astype(np.float64), minlength=len(block))
        # Floats are exact up to 2^53 bytes; an entry's own extents are at most 64.
        listed = {i: extra for i, extra in extras.items() if extra.lists}
        is_own = block.extent_count > 0
        damaged.update((is_own & (raw != block.size.astype(np.float64))).nonzero()[0].tolist())
        for i, extra in listed.items():
            if not self._lists_whole(snapshot, extra, int(block.size[i])):
                damaged.add(i)
        for i in ((block.kind == Kind.FILE) & ~is_own & (block.size > 0)).nonzero()[0].tolist():
            if i not in listed and (i not in extras or len(extras[i].inline or b"") != int(block.size[i])):
                damaged.add(i)
        return sorted(damaged)

    def _lists_whole(self, snapshot: Snapshot, extra: Extra, size: int) -> bool:
        """Return True if all extents of a large file are present and add up."""
        is_whole, total = True, 0
        parts = self._manifest(snapshot, [ref.chunk_id for ref in extra.lists])
        for ref, data in zip(extra.lists, parts, strict=True):
            try:
                extents: tuple[Extent, ...] = decode_list(data) if data is not None else _raise_lost(ref.chunk_id)
            except FormatError:
                is_whole = False
                continue
            raw = sum(e.raw * e.repeat for e in extents)
            sums = (len(extents), sum(e.stored * e.repeat for e in extents), raw)
            total += raw
            stored = np.array([e.stored for e in extents], np.uint32)
            is_whole &= not self._lost(b"".join(e.chunk_id for e in extents), stored).any()
            is_whole &= sums == (ref.count, ref.stored_sum, ref.raw_sum)
        return is_whole and total == size

    # -- chunks ----------------------------------------------------------------------------------------------------

    def _lost(self, ids: bytes, stored: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Return, for each data chunk, True if it is lost; mark the others as used."""
        at = self.index.positions(ids)
        lost = at < 0
        self.missing.update(ids[32 * i : 32 * i + 32] for i in lost.nonzero()[0].tolist())
        if len(self.index):
            safe = np.where(lost, 0, at)
            lost |= self._bad[safe] | (self.index.stored_column()[safe] != stored)
            self.used[at[at >= 0]] = True
        return lost

    def _manifest(self, snapshot: Snapshot, ids: Sequence[bytes]) -> list[bytes | None]:
        """Return the contents of manifest chunks; None for each that is lost."""
        if not ids:
            return []
        at = self.index.positions(b"".join(ids))
        self.used[at[at >= 0]] = True
        try:
            return list(snapshot.chunks(ids))
        except StoreUnreachable:
            raise
        except (ChunkMissing, DamagedError, StoreError):
            return [self._one(snapshot, chunk_id) for chunk_id in ids]

    def _one(self, snapshot: Snapshot, chunk_id: bytes) -> bytes | None:
        for _ in range(2):
            try:
                return next(snapshot.chunks([chunk_id]))
            except StoreUnreachable:
                raise
            except ChunkMissing:
                self.missing.add(chunk_id)
                return None
            except (DamagedError, StoreError):
                continue
        place = self.index.locate(chunk_id)
        self.suspects.add(self.index.packs[int(place.pack[0])])
        return None


def _raise_lost(chunk_id: bytes) -> NoReturn:
    raise FormatError(f"The chunk {chunk_id.hex()[:12]} is lost.")


def _lost_entries(ref: BlockRef, before: bytes | None) -> str:
    """Return the sentence for a lost block: its entries can only be named by their number and the first path."""
    first = shown(ref.first_path)
    until = "to the end" if before is None else f"to before {shown(before)}"
    return f"The list of {ref.sums.entries} entries from {first} {until} is lost, so they can't be read."


def _key(path: bytes) -> bytes:
    """Return a key that sorts as the manifest does: component by component (no name has a NUL)."""
    return path.replace(b"/", b"\0")


def _has_its_lengths(snapshot: Snapshot) -> bool:
    root = snapshot.root
    return (zip_layout.total_bytes(snapshot), targz.total_bytes(snapshot)) == (root.zip_bytes, root.tar_bytes)
