"""Assembly: makes the blocks of a new backup from the scan, the previous backup and the workers' results.

Everything is columns; Python objects are made only for rare entries (large files, links). A block in which nothing
changed is named again, not written again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from holdfast.units import MIB
from holdfast.vault.archiver.ingest import STATUS_READ, changed_notice
from holdfast.vault.archiver.tasks import RESULT_FIELDS
from holdfast.vault.errors import ChunkMissing, TooManyLinks
from holdfast.vault.layout.listing import ref_of
from holdfast.vault.manifest.block import EXTENT_DTYPE, Block, encode_block, encode_list
from holdfast.vault.manifest.changes import safe_ctime
from holdfast.vault.manifest.columns import COLUMNS, EntryColumns, gather, starts_of
from holdfast.vault.manifest.entry import INLINE_EXTENTS_MAX, Extra, Kind, ListRef, decode_extra, encode_extra
from holdfast.vault.manifest.listing import BlockRef
from holdfast.vault.manifest.previous import PreviousEntries
from holdfast.vault.manifest.root import listing_parts
from holdfast.vault.pack.chunk import chunk_id
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.segment import Encoder, SegmentMaker
from holdfast.vault.pack.writer import PackWriter
from holdfast.vault.path_warnings import PathWarning, PathWarnings
from holdfast.vault.paths import shown
from holdfast.vault.source import ContentOrigin, Scan

if TYPE_CHECKING:
    from holdfast.vault.archiver.tasks import Gathered

RESULT_DTYPE = np.dtype([(name, code) for name, code, _ in RESULT_FIELDS])

BLOCK_ENTRIES_MIN = 16
BLOCK_ENTRIES_MAX = 1024
BLOCK_EXTENTS_MAX = 16_384
BLOCK_PATH_BYTES_MAX = 8 * MIB
"""Paths and extras of a block: with more it could not be read again (`snapshot.MANIFEST_CHUNK_BYTES_MAX`)."""
LINK_BYTES_MAX = 256 * MIB
"""Of all further hard links together: each has the whole path of the first one."""
_BLOCK_CUT_MASK = 127
_LIST_EXTENTS_MIN = 16
_LIST_EXTENTS_MAX = 4096
_LIST_CUT_MASK = 63


@dataclass(frozen=True, slots=True)
class Written:
    """The blocks of a new backup, durable and in the ledger."""

    refs: list[BlockRef]
    listing: tuple[bytes, ...]
    files: int
    folders: int
    symlinks: int
    content_bytes: int
    notices: PathWarnings


class ManifestChunks:
    """Stores chunks of kind manifest that the vault does not have yet."""

    def __init__(self, packs: PackWriter, id_key: bytes, index: Index) -> None:
        self._packs = packs
        self._id_key = id_key
        self._index = index
        self._seen: set[bytes] = set()
        self._segments = SegmentMaker(Encoder.ISAL_3)

    def add(self, data: bytes) -> bytes:
        """Store `data` unless the vault has it; return its id."""
        cid = chunk_id(data, self._id_key)
        if cid not in self._seen and int(self._index.positions(cid)[0]) < 0:
            crc = isal_zlib.crc32(data)
            segment, encoder = self._segments.make(data, crc)
            self._packs.add(cid, segment, len(data), crc, encoder)
        self._seen.add(cid)
        return cid

    def finish(self) -> list[PackRow]:
        """End the last pack; return the rows of all packs made, once they are durable."""
        self._packs.end_pack()
        return self._packs.rows(wait=True)


_OF_STAT = ("mode", "uid", "gid", "mtime_ns", "inode", "device")
_OF_CONTENT = ("size", "crc32", "stored_sum", "extent_count", "extra_length")


class _Rows(EntryColumns):
    """The columns of the new backup, one row per entry of the scan, while they are filled in."""

    def __init__(self, scan: Scan, before: PreviousEntries, scanned_ns: int) -> None:
        n = len(scan.kind)
        self.alive = np.ones(n, bool)
        self.kind, self.path_length = scan.kind, scan.paths.lengths
        for name in _OF_STAT:
            setattr(self, name, getattr(scan, name).copy())
        self.ctime_ns = safe_ctime(scan.ctime_ns, scanned_ns)
        for name in _OF_CONTENT:
            setattr(self, name, np.zeros(n, COLUMNS[name]))
        self.size = np.where(scan.kind == Kind.FILE, scan.size, 0).astype(np.uint64)
        self.extent_start = np.zeros(n, np.int64)
        self.extra_start = np.zeros(n, np.int64)
        self.extents: list[NDArray[np.void]] = [before.extents]
        self.extent_total = len(before.extents)
        self.extras: list[bytes] = [before.extra_bytes]
        self.extra_total = len(before.extra_bytes)

    def add_extents(self, rows: NDArray[np.void]) -> int:
        """Append extents; return the position of the first."""
        start = self.extent_total
        self.extents.append(rows)
        self.extent_total += len(rows)
        return start

    def set_extra(self, i: int, data: bytes) -> None:
        """Give entry `i` the extra `data`."""
        self.extra_start[i], self.extra_length[i] = self.extra_total, len(data)
        self.extras.append(data)
        self.extra_total += len(data)


class Assembly:
    """Makes the blocks of one backup. Use once."""

    def __init__(
        self,
        *,
        packs: PackWriter,
        id_key: bytes,
        scanned_ns: int,
        before_refs: Sequence[BlockRef],
        folder_xattrs: Callable[[bytes], tuple[tuple[bytes, bytes], ...]],
    ) -> None:
        self._packs = packs
        self._id_key = id_key
        self._scanned_ns = scanned_ns
        self._before_refs = before_refs
        self._folder_xattrs = folder_xattrs

    def write(
        self,
        scan: Scan,
        before: PreviousEntries,
        match: NDArray[np.int64],
        keep: NDArray[np.bool_],
        primary: NDArray[np.int64],
        got: Gathered,
        index: Index,
        publish: Callable[[Sequence[PackRow]], None],
    ) -> Written:
        """Write the new parts of the manifest. Raises ChunkMissing, SessionFenced, StoreError."""
        self._chunks = ManifestChunks(self._packs, self._id_key, index)
        self._paths = scan.paths
        self._notices = PathWarnings(scan.notices)
        self._notices.extend(got.notices)
        rows = _Rows(scan, before, self._scanned_ns)
        self._fill_kept(rows, before, match, keep)
        self._fill_read(rows, scan, got, index)
        self._alive(rows, scan, keep, primary, got)
        self._fill_links(rows, scan, keep)
        same = keep | self._fill_secondaries(rows, before, match, primary, keep)
        refs = self._blocks(rows, before, match, same)
        listing = tuple(self._chunks.add(part) for part in listing_parts(refs))
        publish(self._chunks.finish())
        alive = rows.alive
        kinds = scan.kind[alive]
        return Written(
            refs=refs,
            listing=listing,
            files=int((kinds == Kind.FILE).sum()),
            folders=int((kinds == Kind.FOLDER).sum()),
            symlinks=int((kinds == Kind.SYMLINK).sum()),
            content_bytes=int(rows.size[alive].sum()),
            notices=PathWarnings(sorted(self._notices, key=lambda notice: notice.path), self._notices.more),
        )

    # -- filling in ------------------------------------------------------------------------------------------------

    def _fill_kept(
        self, rows: _Rows, before: PreviousEntries, match: NDArray[np.int64], keep: NDArray[np.bool_]
    ) -> None:
        at = keep.nonzero()[0]
        old = match[at]
        for name in _OF_CONTENT:
            getattr(rows, name)[at] = getattr(before, name)[old]
        rows.extent_start[at] = before.extent_starts[old]
        rows.extra_start[at] = before.extra_starts[old]

    def _fill_read(self, rows: _Rows, scan: Scan, got: Gathered, index: Index) -> None:
        """Take over what the workers read: sizes, checksums, extents, extras and, of files, their stat."""
        # Results come in the order in which workers finished, and a large file has one for each of its parts. The
        # extents and extras of all results stand back to back in that order; so where each result's begin is computed
        # first, from running sums, and only then the results are sorted by file and part, with their starts. The first
        # part of each file fills its row; files of several parts are joined after that, which overwrites the row.
        # `sums` has the stored bytes before each extent: a run's stored bytes are one subtraction.
        results = np.frombuffer(b"".join(got.rows), RESULT_DTYPE)
        extents = np.frombuffer(b"".join(got.extents), EXTENT_DTYPE).copy()
        _resolve(extents, index)
        sums = np.zeros(len(extents) + 1, np.uint64)
        np.cumsum(extents["stored"].astype(np.uint64) * extents["repeat"], out=sums[1:])
        extent_start = starts_of(results["extent_count"])
        extra_start = starts_of(results["extra_length"]) + rows.extra_total
        extras = b"".join(got.extras)
        rows.extras.append(extras)
        rows.extra_total += len(extras)
        base = rows.add_extents(extents)
        order = np.lexsort((results["part"], results["number"]))
        results, extent_start, extra_start = results[order], extent_start[order], extra_start[order]
        is_first = np.ones(len(results), bool)
        is_first[1:] = results["number"][1:] != results["number"][:-1]
        at = results["number"][is_first]
        for name in ("size", "crc32", "extent_count", "extra_length"):
            getattr(rows, name)[at] = results[name][is_first]
        itself = scan.content[at] == ContentOrigin.FILE
        for name in _OF_STAT:
            getattr(rows, name)[at[itself]] = results[name][is_first][itself]
        rows.ctime_ns[at[itself]] = safe_ctime(results["ctime_ns"][is_first][itself], self._scanned_ns)
        rows.extent_start[at] = extent_start[is_first] + base
        rows.extra_start[at] = extra_start[is_first]
        ends = extent_start + results["extent_count"]
        rows.stored_sum[at] = (sums[ends] - sums[extent_start])[is_first]
        firsts = is_first.nonzero()[0]
        lasts = np.append(firsts[1:], len(results))
        for first, last in zip(firsts[lasts - firsts > 1].tolist(), lasts[lasts - firsts > 1].tolist(), strict=True):
            self._join_parts(rows, results[first:last], extents, extent_start[first:last])
        for i in at[rows.extent_count[at] > INLINE_EXTENTS_MAX].tolist():
            self._move_to_lists(rows, i)

    def _join_parts(
        self, rows: _Rows, parts: NDArray[np.void], extents: NDArray[np.void], starts: NDArray[np.int64]
    ) -> None:
        i = int(parts["number"][0])
        if (parts["status"] != STATUS_READ).any():
            return
        runs = [extents[s : s + c] for s, c in zip(starts.tolist(), parts["extent_count"].tolist(), strict=True)]
        joined = np.concatenate(runs)
        rows.extent_start[i], rows.extent_count[i] = rows.add_extents(joined), len(joined)
        rows.size[i] = int(parts["size"].sum())
        rows.stored_sum[i] = int((joined["stored"].astype(np.uint64) * joined["repeat"]).sum())
        crc = 0
        for part_crc, size in zip(parts["crc32"].tolist(), parts["size"].tolist(), strict=True):
            crc = isal_zlib.crc32_combine(crc, part_crc, size)
        rows.crc32[i] = crc
        if (
            len(set(zip(parts["mtime_ns"].tolist(), parts["ctime_ns"].tolist(), strict=True))) > 1
            or (parts["ctime_ns"] == 0).any()
        ):
            rows.ctime_ns[i] = 0  # its parts were read in different states: the next backup reads it again
            if all(notice.path != self._paths[i] for notice in self._notices):
                self._notices.append(changed_notice(self._paths[i]))

    def _move_to_lists(self, rows: _Rows, i: int) -> None:
        """Move the extents of a large file to chunks of their own, cut by content."""
        # A list ends behind each extent whose id has its lowest 6 bits zero, one in 64: so a change in the file moves
        # only the borders next to it, and the other lists stay chunks that are stored already. A list shorter than the
        # minimum goes on past a cut, and one longer than the maximum is cut without one; the end of the file is the
        # last cut. This decides which chunks equal those of earlier backups: another rule would store all lists anew.
        start, count = int(rows.extent_start[i]), int(rows.extent_count[i])
        extents = _slice(rows.extents, start, count)
        first = np.frombuffer(extents["id"].tobytes(), "<u2").reshape(-1, 16)[:, 0]
        cuts = ((first & _LIST_CUT_MASK) == 0).nonzero()[0] + 1
        refs, at = [], 0
        for cut in [*cuts.tolist(), count]:
            while at < count and (cut - at >= _LIST_EXTENTS_MIN or cut == count):
                run = extents[at : min(cut, at + _LIST_EXTENTS_MAX)]
                repeat = run["repeat"].astype(np.uint64)
                refs.append(
                    ListRef(
                        self._chunks.add(encode_list(run)),
                        len(run),
                        int((run["stored"] * repeat).sum()),
                        int((run["raw"] * repeat).sum()),
                    )
                )
                at += len(run)
                if at >= cut:
                    break
        extra = self._extra_of(rows, i)
        rows.set_extra(i, encode_extra(msgspec.structs.replace(extra, lists=tuple(refs))))
        rows.extent_count[i] = 0

    def _extra_of(self, rows: _Rows, i: int) -> Extra:
        start, length = int(rows.extra_start[i]), int(rows.extra_length[i])
        if not length:
            return Extra()
        for part in rows.extras:
            if start < len(part):
                return decode_extra(part[start : start + length])
            start -= len(part)
        raise AssertionError("an extra is in none of the parts")

    def _alive(
        self, rows: _Rows, scan: Scan, keep: NDArray[np.bool_], primary: NDArray[np.int64], got: Gathered
    ) -> None:
        """Leave out files that were not read (gone, unreadable), and further links of such."""
        results = np.frombuffer(b"".join(got.rows), RESULT_DTYPE)
        read = np.zeros(len(scan.kind), bool)
        read[results["number"]] = True
        read[results["number"][results["status"] != STATUS_READ]] = False
        rows.alive &= keep | read | (scan.kind != Kind.FILE) | (primary >= 0)
        lost = (primary >= 0) & ~rows.alive[primary]
        rows.alive &= ~lost
        for i in lost.nonzero()[0].tolist():
            name = shown(self._paths[i])
            self._notices.append(
                PathWarning(
                    self._paths[i],
                    "UNREADABLE_FILE",
                    f"The file {name} was left out: another link of it could not be read.",
                )
            )

    def _fill_links(self, rows: _Rows, scan: Scan, keep: NDArray[np.bool_]) -> None:
        """Fill in the targets of new symbolic links and the attributes of new folders."""
        target_start = starts_of(scan.target_length)
        for i in (~keep & (scan.kind == Kind.SYMLINK)).nonzero()[0].tolist():
            start = int(target_start[i])
            target = scan.target_bytes[start : start + int(scan.target_length[i])]
            rows.set_extra(i, encode_extra(Extra(target=target)))
        for i in (~keep & (scan.kind == Kind.FOLDER)).nonzero()[0].tolist():
            xattrs = self._folder_xattrs(self._paths[i])
            if xattrs:
                rows.set_extra(i, encode_extra(Extra(xattrs=xattrs)))

    def _fill_secondaries(
        self,
        rows: _Rows,
        before: PreviousEntries,
        match: NDArray[np.int64],
        primary: NDArray[np.int64],
        keep: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Repeat the first hard link's content in the further ones; return those that are as in the previous backup."""
        same = np.zeros(len(primary), bool)
        at = ((primary >= 0) & rows.alive).nonzero()[0]
        if not len(at):
            return same
        first = primary[at]
        for name in (*_OF_STAT, "ctime_ns", "size", "crc32", "stored_sum", "extent_start", "extent_count"):
            column = getattr(rows, name)
            column[at] = column[first]
        if int(rows.path_length[first].sum(dtype=np.int64)) > LINK_BYTES_MAX:
            raise TooManyLinks("The folder has too many hard links with long paths; remove some and take it again.")
        for i, p in zip(at.tolist(), first.tolist(), strict=True):
            extra = encode_extra(msgspec.structs.replace(self._extra_of(rows, p), hard_link=self._paths[p]))
            rows.set_extra(i, extra)
            j = int(match[i])
            if keep[p] and j >= 0:
                old = before.extra_data(j)
                same[i] = old == extra and before.ctime_ns[j] == rows.ctime_ns[i] and before.inode[j] == rows.inode[i]
        return same

    # -- blocks ----------------------------------------------------------------------------------------------------

    def _blocks(
        self, rows: _Rows, before: PreviousEntries, match: NDArray[np.int64], same: NDArray[np.bool_]
    ) -> list[BlockRef]:
        at = rows.alive.nonzero()[0]
        if len(at) == len(before) == len(match) and same.all() and (match == np.arange(len(match))).all():
            return list(self._before_refs)
        extents = np.concatenate(rows.extents)
        extras = np.frombuffer(b"".join(rows.extras), np.uint8)
        block_numbers = {start: k for k, start in enumerate(before.block_starts)}
        refs = []
        for start, stop in self._borders(at, rows):
            part = at[start:stop]
            old = match[part]
            number = block_numbers.get(int(old[0]))
            if (
                number is not None
                and number < len(self._before_refs)
                and before.block_starts[number + 1] - int(old[0]) == len(part)
                and same[part].all()
                and (np.diff(old) == 1).all()
            ):
                refs.append(self._before_refs[number])
                continue
            block = self._block(rows, part, extents, extras)
            refs.append(ref_of(block, self._chunks.add(encode_block(block))))
        return refs

    def _borders(self, at: NDArray[np.int64], rows: _Rows) -> list[tuple[int, int]]:
        """Return the borders of blocks; decided only by the paths (and, for huge entries, extents) near each border."""
        # A block ends behind each path whose CRC-32 has its lowest 7 bits zero, one in 128: an entry that comes or goes
        # moves only the borders next to it, and the blocks behind stay what they were. `n` entries, `extents` and
        # `texts` (bytes of paths and extras) of the block so far are counted against the limits.
        paths, crc32 = self._paths, zlib.crc32
        counts = rows.extent_count[at].tolist()
        lengths = (rows.path_length[at] + rows.extra_length[at].astype(np.int64)).tolist()
        borders, start, extents, texts = [], 0, 0, 0
        for n, i in enumerate(at.tolist(), 1):
            extents += counts[n - 1]
            texts += lengths[n - 1]
            size = n - start
            if (
                (size >= BLOCK_ENTRIES_MIN and not crc32(paths[i]) & _BLOCK_CUT_MASK)
                or size >= BLOCK_ENTRIES_MAX
                or extents >= BLOCK_EXTENTS_MAX
                or texts >= BLOCK_PATH_BYTES_MAX
            ):
                borders.append((start, n))
                start, extents, texts = n, 0, 0
        if start < len(at):
            borders.append((start, len(at)))
        return borders

    def _block(
        self,
        rows: _Rows,
        part: NDArray[np.int64],
        extents: NDArray[np.void],
        extras: NDArray[np.uint8],
    ) -> Block:
        columns: dict[str, NDArray[np.generic]] = {name: getattr(rows, name)[part] for name in COLUMNS}
        return Block(
            columns,
            extents[gather(rows.extent_start[part], rows.extent_count[part])],
            b"".join([self._paths[i] for i in part.tolist()]),
            extras[gather(rows.extra_start[part], rows.extra_length[part])].tobytes(),
        )


def _resolve(extents: NDArray[np.void], index: Index) -> None:
    """Fill in the stored lengths of chunks that another worker stored. Raises ChunkMissing."""
    open_ones = (extents["stored"] == 0).nonzero()[0]
    if not len(open_ones):
        return
    places = index.locate(extents["id"][open_ones].tobytes())
    if (places.pack < 0).any():
        raise ChunkMissing("A chunk that a worker undertook to store is in none of the packs; take the backup again.")
    extents["stored"][open_ones] = places.stored


def _slice(parts: Sequence[NDArray[np.void]], start: int, count: int) -> NDArray[np.void]:
    """Return `count` extents from `start` on, counted over all parts; a run never crosses parts."""
    for part in parts:
        if start < len(part):
            return part[start : start + count]
        start -= len(part)
    raise AssertionError("extents are in none of the parts")
