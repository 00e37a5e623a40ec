"""Diff: the differences between two backups. Blocks that both have are not read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from holdfast.vault.manifest.entry import Entry, Kind
from holdfast.vault.reader.browse import key_of
from holdfast.vault.reader.snapshot import Snapshot

What = Literal["added", "removed", "changed", "metadata"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One path. `before`, `after`: None where it is not there. `metadata`: the content is the same."""

    path: bytes
    what: What
    before: Entry | None
    after: Entry | None


def differences(old: Snapshot, new: Snapshot) -> Iterator[Difference]:
    """Yield all paths that differ, in the order of the manifests; of each backup only a few blocks are in memory.

    Raises DamagedError, ChunkMissing, FormatError.
    """
    common = {ref.digest for ref in old.blocks} & {ref.digest for ref in new.blocks}
    before, after = _own_entries(old, common), _own_entries(new, common)
    was, now = next(before, None), next(after, None)
    while was is not None or now is not None:
        order = _order(was, now)
        left, right = (was if order <= 0 else None), (now if order >= 0 else None)
        what = _what(left, right)
        entry = left or right
        if what is not None and entry is not None:
            yield Difference(entry.path, what, left, right)
        if order <= 0:
            was = next(before, None)
        if order >= 0:
            now = next(after, None)


def _order(was: Entry | None, now: Entry | None) -> int:
    """Return -1 if the entry of the old backup comes first, 1 if that of the new one does, 0 for the same path."""
    if was is None or now is None:
        return 1 if was is None else -1
    if was.path == now.path:
        return 0
    return -1 if key_of(was.path) < key_of(now.path) else 1


def _own_entries(snapshot: Snapshot, common: set[bytes]) -> Iterator[Entry]:
    own = [ref.chunk_id for ref in snapshot.blocks if ref.digest not in common]
    for block in snapshot.decoded(own):
        yield from block.entries()


def _what(was: Entry | None, now: Entry | None) -> What | None:
    if was is None:
        return "added"
    if now is None:
        return "removed"
    if _content(was) != _content(now):
        return "changed"
    if (was.mode, was.uid, was.gid, was.mtime_ns, was.extra.xattrs, was.extra.hard_link) != (
        now.mode,
        now.uid,
        now.gid,
        now.mtime_ns,
        now.extra.xattrs,
        now.extra.hard_link,
    ):
        return "metadata"
    return None


def _content(entry: Entry) -> tuple[object, ...]:
    chunks = tuple(e.chunk_id for e in entry.extents) if entry.kind is Kind.FILE else ()
    extra = entry.extra
    return entry.kind, entry.size, entry.crc32, chunks, tuple(r.chunk_id for r in extra.lists), extra.target
