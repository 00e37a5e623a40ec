"""Paths of a backup, made from members' names; refuses names outside the tree, or invalid on any file system."""

from __future__ import annotations

import re

from holdfast.sources.archive.errors import refused

PATH_BYTES_MAX = 32_767 - 1
"""At most this many bytes has a path, as in the walk of a folder."""

COMPONENT_BYTES_MAX = 255
TARGET_BYTES_MAX = 4095
"""Linux: PATH_MAX without the zero at the end."""

_ESCAPED = re.compile(rb"%([89A-F][0-9A-F])")
_DRIVE = re.compile(rb"[A-Za-z]:[\\/]")


def checked_path(name: bytes) -> bytes:
    """Return the path of a member's name: components that are empty or "." dropped; empty for the root itself.

    Raises ArchiveRefused.
    """
    if b"\0" in name:
        raise refused(name, "has a zero byte in its name")
    if name.startswith(b"/"):
        raise refused(name, "has an absolute path")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise refused(name, "has '..' in its path")
    if any(len(part) > COMPONENT_BYTES_MAX for part in parts):
        raise refused(name, f"has a name of more than {COMPONENT_BYTES_MAX} bytes")
    path = b"/".join(parts)
    if len(path) > PATH_BYTES_MAX:
        raise refused(name, f"has a path of more than {PATH_BYTES_MAX:,} bytes")
    return path


def checked_target(path: bytes, target: bytes) -> bytes:
    """Return the target of a symbolic link: any that a file system can hold. Raises ArchiveRefused.

    It may be absolute or lead out of the tree, as a backup of a folder keeps such links too. Nothing follows it: a
    member below a link is refused (`tree`), and files are unpacked under names that are no part of theirs (`scratch`).
    """
    if not target or b"\0" in target:
        raise refused(path, "is a symbolic link without a proper target")
    if len(target) > TARGET_BYTES_MAX:
        raise refused(path, f"is a symbolic link with a target of more than {TARGET_BYTES_MAX:,} bytes")
    return target


def unescaped(name: bytes) -> bytes:
    """Return a name of one of our own zips as the path that it was made of (`vault.layout.names`, rule 2).

    Only where that rule gives the same name again; otherwise the percent signs are the path's own.
    """
    if b"%" not in name:
        return name
    path = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), name)
    return path if escaped(path) == name else name


def escaped(path: bytes) -> bytes:
    """Rule 2: each byte that is not part of valid UTF-8 as `%XX`."""
    return "".join(
        f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in path.decode(errors="surrogateescape")
    ).encode()


def from_windows(name: bytes) -> bytes:
    """Convert a name from a system with backslashes as separators. Raises ArchiveRefused (a drive's letter)."""
    if _DRIVE.match(name):
        raise refused(name, "has an absolute path")
    return name.replace(b"\\", b"/")
