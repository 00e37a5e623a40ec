"""The check of a restored tree: a new walk of it is compared with the manifest, entry by entry.

Nothing that the restore itself knew or counted is trusted here. Only the backup's attributes are compared, as a file
system may add its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.sources.reader import DirectoryReader
from holdfast.vault.control import Control
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.changes import match_paths
from holdfast.vault.manifest.columns import starts_of
from holdfast.vault.manifest.entry import Entry, Extra, Kind
from holdfast.vault.manifest.previous import PreviousEntries
from holdfast.vault.path_tree import PathTree
from holdfast.vault.source import Scan


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A path that is not as the backup has it. `what`: the end of the sentence that begins with the path."""

    path: bytes
    what: str


def other_entries(
    before: PreviousEntries,
    scan: Scan,
    wanted: NDArray[np.bool_],
    links: Mapping[int, int],
    reader: DirectoryReader,
    *,
    owners: bool,
    may_lack_attributes: bool,
) -> Iterator[Mismatch]:
    """Yield the `wanted` entries of a backup (one flag for each) that are missing or differ in a walk, contents aside.

    `links`: entries that are hard links, and the number of each one's first. `owners`: whether they were set, and so
    count. `may_lack_attributes`: the disk could not keep all of them.
    """
    paths = before.paths
    match = match_paths(scan, before)
    is_known = _known(match, wanted)
    yield from _added(scan, is_known)
    place = np.full(len(before), -1, np.int64)
    place[match[is_known]] = is_known.nonzero()[0]
    for i in (wanted & (place < 0)).nonzero()[0].tolist():
        yield Mismatch(paths[i], "is missing")
    here = (wanted & (place >= 0)).nonzero()[0]
    for number, what in _other_columns(before, scan, here, place[here], owners=owners):
        yield Mismatch(paths[number], f"has another {what}")
    yield from _other_links(before, scan, here, place, links, paths)
    yield from _other_extras(before, scan, here.tolist(), place, paths, reader, may_lack_attributes)


def new_entries(before: PreviousEntries, scan: Scan, wanted: NDArray[np.bool_]) -> Iterator[Mismatch]:
    """Yield the entries of a walk that are not among the `wanted` ones of a backup, are of another kind, or point
    elsewhere."""
    match = match_paths(scan, before)
    is_known = _known(match, wanted)
    yield from _added(scan, is_known)
    here = is_known.nonzero()[0]
    for j in here[before.kind[match[here]] != scan.kind[here]].tolist():
        yield Mismatch(scan.paths[j], "has another kind")
    targets = starts_of(scan.target_length)
    for j in here[(scan.kind[here] == Kind.SYMLINK) & (before.kind[match[here]] == Kind.SYMLINK)].tolist():
        if _target(scan, targets, j) != before.extra(int(match[j])).target:
            yield Mismatch(scan.paths[j], "points elsewhere")


def _known(match: NDArray[np.int64], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each entry of a walk True if its match is among the wanted ones."""
    is_known = match >= 0
    is_known[is_known] = wanted[match[is_known]]
    return is_known


def _added(scan: Scan, is_known: NDArray[np.bool_]) -> Iterator[Mismatch]:
    for j in (~is_known).nonzero()[0].tolist():
        yield Mismatch(scan.paths[j], "exists, but the backup does not have it")


def _target(scan: Scan, targets: NDArray[np.int64], number: int) -> bytes:
    at = int(targets[number])
    return scan.target_bytes[at : at + int(scan.target_length[number])]


def _other_columns(
    before: PreviousEntries, scan: Scan, i: NDArray[np.int64], j: NDArray[np.int64], *, owners: bool
) -> Iterator[tuple[int, str]]:
    is_file, has_mode = before.kind[i] == Kind.FILE, before.kind[i] != Kind.SYMLINK
    checks = [
        ("kind", before.kind[i] != scan.kind[j]),
        ("mode", has_mode & (before.mode[i] != scan.mode[j])),
        ("time", before.mtime_ns[i] != scan.mtime_ns[j]),
        ("size", is_file & (before.size[i] != scan.size[j])),
    ]
    if owners:
        checks.append(("owner", (before.uid[i] != scan.uid[j]) | (before.gid[i] != scan.gid[j])))
    for what, other in checks:
        for number in i[other].tolist():
            yield number, what


def _other_links(
    before: PreviousEntries,
    scan: Scan,
    here: NDArray[np.int64],
    place: NDArray[np.int64],
    links: Mapping[int, int],
    paths: PathTree,
) -> Iterator[Mismatch]:
    """Files that have more or fewer names than in the backup, or names of another file."""
    names = np.ones(len(before), np.int64)
    for number in links.values():
        names[number] += 1
    for number, of in links.items():
        names[number] = names[of]
        same = of >= 0 and place[of] >= 0 and place[number] >= 0
        if same and scan.inode[place[of]] != scan.inode[place[number]]:
            yield Mismatch(paths[number], "is not a hard link of the same file as in the backup")
    files = here[before.kind[here] == Kind.FILE]
    for number in files[names[files] != scan.nlink[place[files]]].tolist():
        yield Mismatch(paths[number], "has another number of hard links")


def _other_extras(
    before: PreviousEntries,
    scan: Scan,
    here: Sequence[int],
    place: NDArray[np.int64],
    paths: Sequence[bytes],
    reader: DirectoryReader,
    may_lack: bool,
) -> Iterator[Mismatch]:
    """Symbolic links that point elsewhere, and attributes that are missing or other."""
    targets = starts_of(scan.target_length)
    has_extra = (before.extra_length > 0).tolist()
    for i in here:
        if not has_extra[i]:
            continue
        j, extra = int(place[i]), before.extra(i)
        if before.kind[i] == Kind.SYMLINK:
            if _target(scan, targets, j) != extra.target:
                yield Mismatch(paths[i], "points elsewhere")
        elif extra.xattrs and _lacks(extra, dict(_attributes(reader, int(before.kind[i]), paths[i])), may_lack):
            yield Mismatch(paths[i], "has other attributes")


def _lacks(extra: Extra, found: dict[bytes, bytes], may_lack: bool) -> bool:
    return any(found.get(name, value if may_lack else None) != value for name, value in extra.xattrs)


def _attributes(reader: DirectoryReader, kind: int, path: bytes) -> tuple[tuple[bytes, bytes], ...]:
    if kind == Kind.FOLDER:
        return reader.folder_xattrs(path)
    try:
        fd = _opened(reader, path)
    except OSError:
        return ()
    try:
        return reader.xattrs(fd)
    finally:
        os.close(fd)


def other_contents(
    blocks: Iterable[Block],
    wanted: NDArray[np.bool_],
    reader: DirectoryReader,
    is_given_back: Callable[[Entry, Callable[[memoryview, int], int]], bool],
    on_file: Callable[[int], None],
    control: Control,
) -> Iterator[Mismatch]:
    """Yield those of the `wanted` files whose content, read from the disk, is not that of their entry.

    `on_file(bytes)` is called after each. Raises Cancelled, and what `is_given_back` raises.
    """
    base = 0
    for block in blocks:
        rows = (wanted[base : base + len(block)] & (block.kind == Kind.FILE)).nonzero()[0].tolist()
        base += len(block)
        for i in rows:
            entry = block.entry(i)
            try:
                fd = _opened(reader, entry.path)
            except OSError as error:
                yield Mismatch(entry.path, f"can't be opened ({error.strerror})")
                continue

            def read_into(buffer: memoryview, offset: int, fd: int = fd) -> int:
                control.check("The test restore was cancelled.")
                return os.preadv(fd, [buffer], offset)

            try:
                if not is_given_back(entry, read_into):
                    yield Mismatch(entry.path, "has another content")
            except OSError as error:
                yield Mismatch(entry.path, f"can't be read ({error.strerror})")
            finally:
                os.close(fd)
            on_file(entry.size)


def _opened(reader: DirectoryReader, path: bytes) -> int:
    """Return a descriptor of a file that is ours, after changing its mode if that denies us access."""
    try:
        return reader.open(path)
    except PermissionError:
        above, _, name = path.rpartition(b"/")
        folder = reader.open_folder(above)
        try:
            os.chmod(name, 0o600, dir_fd=folder)
        finally:
            os.close(folder)
        return reader.open(path)
