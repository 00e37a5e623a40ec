"""The vault of one account: take a backup, open one. The facade over everything else in this package."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.stores.port import Store
from holdfast.stores.shared import SharedStore
from holdfast.vault.archiver.archive import INLINE_POOL_BYTES_MAX, INLINE_POOL_FILES_MAX, Archive
from holdfast.vault.archiver.manifest_writer import Assembly, Written
from holdfast.vault.archiver.pool import InlinePool, ProcessPool
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import ChunkMissing, DamagedError, FormatError
from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.maintenance.backup_check import DamagedBackup
from holdfast.vault.maintenance.check import Check, CheckReport, auditor
from holdfast.vault.maintenance.mark import Marker
from holdfast.vault.maintenance.prune import GRACE_NS, Prune, bytes_freed
from holdfast.vault.maintenance.prune_plan import CopyBudget, PruneControl, PrunePlan, PruneResult
from holdfast.vault.maintenance.room import Freed, Room
from holdfast.vault.maintenance.uses import Uses
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Entry, Extent
from holdfast.vault.manifest.listing import BlockRef
from holdfast.vault.manifest.previous import PreviousEntries
from holdfast.vault.manifest.root import ZIP_LAYOUT, Root, digest_of, read_root, root_size, write_root
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.ledger import Ledger
from holdfast.vault.pack.live_index import LiveIndex
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.segment import LEVELS
from holdfast.vault.pack.writer import PackKind, PackWriter
from holdfast.vault.path_warnings import PathWarning, PathWarnings
from holdfast.vault.reader.extract import is_given_back, same_content
from holdfast.vault.reader.records import RecordReader
from holdfast.vault.reader.snapshot import Snapshot
from holdfast.vault.source import Scan, Source


@dataclass(frozen=True, slots=True)
class TakeResult:
    """A backup that is whole and durable in the store. Sizes in bytes."""

    backup_id: str
    epoch: int
    """The vault's epoch while it was taken; the caller's own commit must still find it."""
    digest: bytes
    zip_bytes: int
    tar_bytes: int
    zip_layout: int
    files: int
    content_bytes: int
    stored_bytes: int
    """Bytes that it added to the store."""
    commit_seq: int
    finished_ns: int
    notices: PathWarnings


@dataclass(frozen=True, slots=True)
class _Previous:
    """The previous backup, as far as a new one builds on it."""

    entries: PreviousEntries
    refs: list[BlockRef]
    is_stored: NDArray[np.bool_]
    """For each entry, whether the vault still has all of its content."""
    notices: list[PathWarning]


class Vault:
    """Everything one account stores. Safe to use from several threads; the caller runs one take at a time."""

    def __init__(
        self,
        *,
        vault_id: str,
        store: Store,
        data_key: bytes,
        ledger: Ledger,
        level: str = "fast",
        workers: int = 2,
        uses_file: Path | None = None,
    ) -> None:
        """`level`: fast, balanced or small. `workers`: processes of a large take; 0 does all of it in this one.
        `uses_file`: where it notes how often each chunk is needed (`maintenance/uses.py`)."""
        self._vault_id = vault_id
        self._store = store
        self._shared_store = SharedStore(store)
        """For snapshots, of which there may be hundreds. A check opens for itself: it must see what is there now."""
        self._data_key = data_key
        self._keys = VaultKeys(data_key, vault_id)
        self._ledger = ledger
        self._encoder = LEVELS[level]
        self._workers = workers
        self._live = LiveIndex(self._keys, ledger)
        self._uses = Uses(store, self._keys, vault_id, uses_file)
        self._uses_lock = threading.RLock()  # a deletion may begin where a take calls the store

    def index(self, refresh: bool) -> Index:
        """Return the vault's index; with `refresh` as the ledger has it now. Raises DamagedError, FormatError."""
        return self._live.index(refresh)

    def open(self, backup_id: str, view: Callable[[Block], Block] = lambda block: block) -> Snapshot:
        """Open a backup for reading; `view` changes each block as it is read.

        Raises BackupMissing, DamagedError, FormatError, StoreError.
        """
        root = read_root(self._store, self._keys, backup_id)
        return Snapshot(root, RecordReader(self._shared_store, self._keys, self.index), view)

    def root(self, backup_id: str) -> Root:
        """Read the root of a backup. Raises BackupMissing, DamagedError, FormatError, StoreError."""
        return read_root(self._store, self._keys, backup_id)

    def missing_of(self, backup_id: str) -> str | None:
        """Return the reason that a backup is not whole, as far as its manifest and the index tell; None when it is.

        Its content is not read. Raises StoreError.
        """
        marker = Marker(self._store, self._keys, self.index(False))
        try:
            marker.mark_all([backup_id])
        except (DamagedError, ChunkMissing, FormatError) as error:
            return str(error)
        finally:
            marker.close()
        return None

    def same_content(self, snapshot: Snapshot, entry: Entry, read_into: Callable[[memoryview, int], int]) -> bool:
        """Return True if a file has the content of an entry of the same size. See `extract.same_content`."""
        return same_content(snapshot, entry, self._keys.chunk_id_key, read_into)

    def is_given_back(self, snapshot: Snapshot, entry: Entry, read_into: Callable[[memoryview, int], int]) -> bool:
        """As `same_content`, with the file's CRC-32. See `extract.is_given_back`."""
        return is_given_back(snapshot, entry, self._keys.chunk_id_key, read_into)

    def take(
        self,
        source: Source,
        previous: str | None,
        *,
        backup_id: str,
        commit_seq: int,
        now_ns: int,
        clock: Callable[[], int] = time.time_ns,
        labels: Mapping[str, str] | None = None,
        control: Control = NEVER,
    ) -> TakeResult:
        """Take a backup of `source`; files that did not change since the backup `previous` are not read again.

        When this returns, the backup is durable in the store; it is the caller's to enter it in its own books, in a
        transaction that still finds `TakeResult.epoch`. Raises Cancelled, SessionFenced, StoreError, VaultError,
        OSError.
        """
        epoch = self._ledger.epoch()
        index = self.index(True)
        scan = source.scan()
        old = self._previous(previous, index)
        archive = Archive(
            keys=self._keys,
            ledger=self._ledger,
            epoch=epoch,
            index=index,
            source=source,
            open_pool=partial(self._open_pool, source, index),
            control=control,
        )
        written = self._write(archive, source, scan, old, now_ns)
        root = self._measured(
            Root(
                backup_id=backup_id,
                commit_seq=commit_seq,
                created_ns=now_ns,
                digest=digest_of(written.refs),
                zip_bytes=0,
                tar_bytes=0,
                files=written.files,
                folders=written.folders,
                symlinks=written.symlinks,
                content_bytes=written.content_bytes,
                listing=written.listing,
                labels=dict(labels or {}),
                finished_ns=clock(),
                stored_bytes=archive.stored_bytes,
                zip_layout=ZIP_LAYOUT,
            ),
            written.refs,
        )
        root_bytes = write_root(self._store, self._keys, root)
        return _result_of(root, root_bytes, epoch, PathWarnings([*old.notices, *written.notices], written.notices.more))

    def _previous(self, backup_id: str | None, index: Index) -> _Previous:
        """Return the previous backup; an empty one where there is none, and with a notice where it cannot be read."""
        nothing = PreviousEntries([])
        if backup_id is None:
            return _Previous(nothing, [], np.zeros(0, bool), [])
        try:
            snapshot = self.open(backup_id)
            try:
                before = PreviousEntries(snapshot.all_blocks())
                return _Previous(before, list(snapshot.blocks), _is_stored(before, snapshot, index), [])
            finally:
                snapshot.close()
        except (DamagedError, ChunkMissing, FormatError) as error:
            message = f"The previous backup could not be read, so every file was read again: {error}"
            return _Previous(nothing, [], np.zeros(0, bool), [PathWarning(b"", "PREVIOUS_UNREADABLE", message)])

    def _open_pool(self, source: Source, index: Index, files: int, size: int, chunks: int) -> ProcessPool | InlinePool:
        """Return the pool that reads the files: this process alone for little, several for much."""
        if not self._workers or (files <= INLINE_POOL_FILES_MAX and size <= INLINE_POOL_BYTES_MAX):
            return InlinePool(source, self._store, self._keys, self._encoder, index, chunks)
        return ProcessPool(
            source, self._store, self._data_key, self._vault_id, self._encoder, index, self._workers, chunks
        )

    def _write(self, archive: Archive, source: Source, scan: Scan, old: _Previous, now_ns: int) -> Written:
        """Read what changed, and store it and the blocks of the new backup; all but the root is durable then."""
        with ThreadPoolExecutor(max_workers=1) as finisher:
            packs = PackWriter(self._store, self._keys, PackKind.MANIFEST, finisher.submit)
            reader = source.reader()
            try:
                assembly = Assembly(
                    packs=packs,
                    id_key=self._keys.manifest_id_key,
                    scanned_ns=now_ns,
                    before_refs=old.refs,
                    folder_xattrs=reader.folder_xattrs,
                )
                return archive.run(scan, old.entries, old.is_stored, assembly)
            finally:
                reader.close()
                packs.abort()

    def _measured(self, root: Root, refs: Sequence[BlockRef]) -> Root:
        """Return the root of a new backup with the lengths of its downloads."""
        snapshot = Snapshot(root, RecordReader(self._store, self._keys, self.index))
        snapshot.blocks = refs
        try:
            return msgspec.structs.replace(
                root, zip_bytes=zip_layout.total_bytes(snapshot), tar_bytes=targz.total_bytes(snapshot)
            )
        finally:
            snapshot.close()

    def prune(
        self,
        *,
        now_ns: int,
        grace_ns: int = GRACE_NS,
        budget: CopyBudget | None = None,
        control: PruneControl = NEVER,
    ) -> PruneResult:
        """Delete everything that no stored backup needs; without a `budget` all at once. Raises as `Prune.run`."""
        return self._prune(control, budget).run(now_ns, grace_ns)

    def plan_prune(self, *, control: PruneControl = NEVER) -> PrunePlan:
        """Return the plan of `prune`; change nothing. Raises as `Prune.run`."""
        return self._prune(control).plan()

    def _prune(self, control: PruneControl, budget: CopyBudget | None = None) -> Prune:
        return Prune(self._store, self._keys, self._ledger, self.index, budget=budget, control=control)

    def check(
        self,
        backups: Callable[[], Sequence[str]],
        *,
        now_ns: int,
        share: float = 0.0,
        repair: bool = True,
        shuffle: Callable[[list[int]], None] = lambda order: None,
        ledger: Ledger | None = None,
        control: Control = NEVER,
    ) -> CheckReport:
        """Check the whole vault; see `Check.all`. `ledger`: the same one, which tells somebody who repairs."""
        check = Check(self._store, self._keys, ledger or self._ledger, repair=repair, control=control)
        return check.all(backups, now_ns, share, shuffle)

    def check_packs(
        self,
        pack_ids: Sequence[bytes],
        backups: Callable[[], Sequence[str]],
        *,
        now_ns: int,
        ledger: Ledger | None = None,
        control: Control = NEVER,
    ) -> CheckReport:
        """Read some packs back; see `Check.some`. `ledger` as in `check`."""
        return Check(self._store, self._keys, ledger or self._ledger, control=control).some(pack_ids, backups, now_ns)

    def check_one(
        self, backup_id: str, *, now_ns: int, ledger: Ledger | None = None, control: Control = NEVER
    ) -> CheckReport:
        """Read everything that one backup needs; see `Check.one`. `ledger` as in `check`."""
        check = Check(self._store, self._keys, ledger or self._ledger, control=control)
        return check.one(backup_id, now_ns)

    def damaged_backups(self, backup_ids: Sequence[str]) -> list[DamagedBackup]:
        """Return the backups that are not whole, as far as their manifests and the index tell. Raises StoreError."""
        audit = auditor(self._store, self._keys, self._ledger)
        try:
            return [damaged for damaged in map(audit.backup, backup_ids) if damaged is not None]
        finally:
            audit.close()

    def bytes_only_in(self, gone: Collection[str], besides: Collection[str] = ()) -> int:
        """Return the bytes of packs that only these backups need: pruning frees them once they are deleted.

        `besides`: backups that are not counted among those which stay. Raises DamagedError, FormatError, ChunkMissing
        when a backup's manifest cannot be read.
        """
        with self._uses_lock:
            index, sizes = self._live.with_sizes()
            leaving, staying = self._uses.only_in(index, gone, besides)
        return bytes_freed(index, leaving, staying, sizes)

    def count_uses(self, trashed: Collection[str]) -> None:
        """Count what a new backup needs, so that a deletion finds it counted. Raises as `bytes_only_in`."""
        with self._uses_lock:
            self._uses.bring_up(self.index(True), trashed)

    def root_bytes(self, backup_id: str) -> int:
        """Return the size of a backup's root in the store. Raises BackupMissing, StoreError."""
        return root_size(self._store, backup_id)

    def make_room(self, gone: Collection[str], order: Sequence[str], wanted_bytes: int) -> list[Freed]:
        """Return the backups of `order` to delete so that pruning frees `wanted_bytes`: `Room.make`.

        Raises DamagedError, FormatError, ChunkMissing when a backup's manifest cannot be read.
        """
        return Room(self._store, self._keys, *self._live.with_sizes()).make(gone, order, wanted_bytes)


def _result_of(root: Root, root_bytes: int, epoch: int, notices: PathWarnings) -> TakeResult:
    return TakeResult(
        backup_id=root.backup_id,
        epoch=epoch,
        digest=root.digest,
        zip_bytes=root.zip_bytes,
        tar_bytes=root.tar_bytes,
        zip_layout=root.zip_layout,
        files=root.files,
        content_bytes=root.content_bytes,
        stored_bytes=root.stored_bytes + root_bytes,
        commit_seq=root.commit_seq,
        finished_ns=root.finished_ns,
        notices=notices,
    )


def _is_stored(before: PreviousEntries, snapshot: Snapshot, index: Index) -> NDArray[np.bool_]:
    """Return True for each entry of which the index still has every chunk, with the stored length.

    A chunk that was lost and stored again by another encoder has another length: then its file is read again.
    """
    present = _all_there(index, before.extents["id"].tobytes(), before.extents["stored"])
    missing = np.zeros(len(present) + 1, np.int64)
    np.cumsum(~present, out=missing[1:])
    starts = before.extent_starts
    stored: NDArray[np.bool_] = missing[starts + before.extent_count] == missing[starts]
    listed = (before.size > 0) & (before.extent_count == 0) & (before.extra_length > 0) & (before.stored_sum > 0)
    for i in listed.nonzero()[0].tolist():
        stored[i] = all(_all_present(snapshot.extent_list(ref), index) for ref in before.extra(i).lists)
    return stored


def _all_present(extents: tuple[Extent, ...], index: Index) -> bool:
    stored = np.array([e.stored for e in extents], np.uint32)
    return bool(_all_there(index, b"".join(e.chunk_id for e in extents), stored).all())


def _all_there(index: Index, ids: bytes, stored: NDArray[np.uint32]) -> NDArray[np.bool_]:
    if not len(index):
        return np.zeros(len(stored), bool)
    places = index.locate(ids)
    there: NDArray[np.bool_] = (places.pack >= 0) & (places.stored == stored)
    return there
