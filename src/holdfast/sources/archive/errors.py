"""Errors that refuse an archive, and the limits that it must not exceed."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.sources.port import SourceError
from holdfast.vault.paths import shown

ENTRIES_MAX = 2_000_000
NAMES_BYTES_MAX = 256 * 1024 * 1024
"""At most this many bytes of paths, link targets and extended attributes together: they are held in memory."""

CANCELLED = "The import was cancelled."

_SHOWN_CHARACTERS_MAX = 200


class ArchiveRefused(SourceError):
    """The archive cannot become a backup; the message is one sentence for a person."""


class ArchiveTooLarge(ArchiveRefused):
    """The unpacked archive exceeds a limit."""


class ScratchFailed(SourceError):
    """The disk failed while an archive was unpacked to it; the archive itself may be fine."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`content_bytes_max`: of all files, unpacked, hard links counted each time (as in the zip that is made of it)."""

    content_bytes_max: int
    entries_max: int = ENTRIES_MAX
    names_bytes_max: int = NAMES_BYTES_MAX


def shown_member(path: bytes) -> str:
    """Return a member's name for a sentence: printable, and not endless."""
    text = shown(path)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "…"


def refused(path: bytes, why: str) -> ArchiveRefused:
    """Return the error for one member; `why` goes on where "The member x" ends."""
    return ArchiveRefused(f"The archive's member {shown_member(path)} {why}; nothing was imported.")


def damaged(what: str) -> ArchiveRefused:
    """Return the error for an archive that cannot be read on."""
    return ArchiveRefused(f"The archive is damaged or incomplete: {what}; make or upload it again.")


def too_large(limit: int) -> ArchiveTooLarge:
    """Return the error for contents over the limit."""
    return ArchiveTooLarge(
        f"The unpacked archive is larger than the {limit:,} bytes that this account may import; "
        "import less, or ask for a larger plan."
    )
