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


def differences(old: Snapshot, new: Snapshot) -> list[Difference]:
    """Yield all paths that differ, in the order of the manifests. Raises DamagedError, ChunkMissing, FormatError."""
    common = {ref.digest for ref in old.blocks} & {ref.digest for ref in new.blocks}
    before, after = ({e.path: e for e in _own_entries(snapshot, common)} for snapshot in (old, new))
    found = []
    for path in sorted(before.keys() | after.keys(), key=key_of):
        was, now = before.get(path), after.get(path)
        what = _what(was, now)
        if what is not None:
            found.append(Difference(path, what, was, now))
    return found


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
