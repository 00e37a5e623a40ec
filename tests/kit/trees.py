"""Trees on disk: one with everything, what can happen to it, and how two are compared."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from kit.world import World


class Node(NamedTuple):
    """Everything of a file, folder or link that a restore must bring back."""

    kind: int
    content: bytes | None
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    first_name: bytes  # of the names of the same inode: who shares an inode has the same
    xattrs: tuple[tuple[str, bytes], ...]


Tree = dict[bytes, Node]


def tree_of(root: Path) -> Tree:
    """Everything that a restore must bring back, by path."""
    out: Tree = {}
    first_of: dict[tuple[int, int], bytes] = {}
    base = os.fsencode(root)
    for at, folders, files in sorted(os.walk(base)):
        for name in sorted(folders + files):
            path = os.path.join(at, name)
            found = os.lstat(path)
            relative = os.path.relpath(path, base)
            first = first_of.setdefault((found.st_dev, found.st_ino), relative)
            out[relative] = _node(path, found, first)
    return out


def _node(path: bytes, found: os.stat_result, first_name: bytes) -> Node:
    is_link = stat.S_ISLNK(found.st_mode)
    content: bytes | None = None
    if is_link:
        content = os.readlink(path)
    elif stat.S_ISREG(found.st_mode):
        content = Path(os.fsdecode(path)).read_bytes()
    xattrs = () if is_link else tuple(sorted((name, os.getxattr(path, name)) for name in os.listxattr(path)))
    mode = 0 if is_link else stat.S_IMODE(found.st_mode)
    kind = stat.S_IFMT(found.st_mode)
    return Node(kind, content, mode, found.st_uid, found.st_gid, found.st_mtime_ns, first_name, xattrs)


def contents_of(root: Path) -> dict[bytes, bytes | None]:
    """Contents of files, targets of links, None for folders: a folder in the form of `Bench.tree`."""
    return {path: node.content for path, node in tree_of(root).items()}


def fill(root: Path) -> None:
    """A tree with everything that a backup can hold."""
    (root / "empty").mkdir()
    (root / "deep" / "er" / "still").mkdir(parents=True)
    for n in range(300):
        (root / "deep" / f"f{n:03}").write_bytes(bytes([n % 251]) * (n * 37))
    (root / "big").write_bytes(os.urandom(9_000_000))
    (root / "zeros").write_bytes(bytes(12_000_000))
    with (root / "sparse").open("wb") as file:
        file.write(b"start")
        file.seek(30_000_000)
        file.write(b"end")
    (root / "inline").write_text("small")
    (root / "nothing").touch()
    os.link(root / "deep" / "f200", root / "deep" / "er" / "link")
    os.link(root / "big", root / "another big")
    os.symlink("nowhere at all", root / "dangling")
    os.symlink("../../..", root / "deep" / "er" / "up")
    with open(os.fsencode(root) + b"/not utf-8 \xff\xfe", "wb") as file:
        file.write(b"bytes")
    (root / "日本語 😀").write_text("name")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o4755)
    (root / "secret").write_text("s")
    (root / "secret").chmod(0o400)
    (root / "closed").mkdir()
    (root / "closed" / "in").write_text("in")
    (root / "closed").chmod(0o500)
    if os.geteuid() == 0:
        os.chown(root / "inline", 1234, 2345)
        os.chown(root / "dangling", 1234, 2345, follow_symlinks=False)
        os.chown(root / "empty", 1234, 2345)
    os.setxattr(root / "inline", "user.note", b"kept")
    os.setxattr(root / "deep", "user.note", b"folder")
    for path, ns in (
        (root / "inline", 1_234_567_890_123_456_789),
        (root / "nothing", -1_500_000_001),
        (root / "empty", 7),
    ):
        os.utime(path, ns=(ns, ns))
    os.utime(root / "dangling", ns=(5, 5), follow_symlinks=False)


def mess_up(root: Path) -> None:
    """Everything that can happen to a tree after its backup."""
    (root / "closed").chmod(0o700)
    (root / "closed" / "in").unlink()
    (root / "inline").write_text("other")
    (root / "deep" / "f001").write_bytes(b"x" * 37)  # the same size
    (root / "deep" / "f002").unlink()
    (root / "deep" / "f003").unlink()
    (root / "deep" / "f003").mkdir()
    (root / "deep" / "f003" / "inside").write_text("i")
    (root / "deep" / "er" / "link").unlink()
    (root / "deep" / "er" / "link").write_text("no link any more")
    (root / "empty").rmdir()
    (root / "empty").write_text("a file now")
    (root / "dangling").unlink()
    (root / "dangling").symlink_to("elsewhere")
    (root / "new folder" / "new").mkdir(parents=True)
    (root / "new folder" / "new" / "file").write_text("new")
    (root / "another big").unlink()
    (root / "run.sh").chmod(0o644)
    os.setxattr(root / "inline", "user.note", b"changed")
    os.setxattr(root / "deep" / "f004", "user.more", b"x")
    os.utime(root / "nothing")
    (root / "big").write_bytes((root / "big").read_bytes())  # the same content


def staging_left(world: World) -> list[Path]:
    """What a restore left in the application's folder or beside it."""
    return [p for folder in (world.root, world.root.parent) for p in folder.glob(".holdfast*")]
