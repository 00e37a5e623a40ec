"""The errors of a vault, each with the sentence a person needs."""

from __future__ import annotations

from holdfast.vault.paths import shown


class VaultError(Exception):
    """Base of all errors of the vault; `str(error)` is what a person needs, a sentence or two.

    `chunk_id`: the chunk that it is about; `path`, `backup`: the file that needs it, and the name of its backup.
    """

    chunk_id: bytes | None = None
    path: bytes | None = None
    backup = ""

    def __str__(self) -> str:
        text = super().__str__()
        if self.path is None:
            return text
        return f"{text} It is needed for the file {shown(self.path)} of the backup {self.backup}."


class FormatError(VaultError):
    """Bytes that are not what the format says: damaged, or of another version."""


class DamagedError(VaultError):
    """Stored bytes do not match their tag, hash or checksum; none of them were returned."""


class BackupMissing(DamagedError):
    """The store has no root object of this backup, so nothing of it can be found."""


class PackGone(DamagedError):
    """A pack is not in the store as the index says: pruned or replaced since the index was read, cut short, or lost."""


class ChunkMissing(VaultError):
    """A manifest names a chunk that no live pack has."""


class KeyMismatch(VaultError):
    """The key does not open this vault (another master key, or the wrapped key was changed)."""


class SessionFenced(VaultError):
    """Prune advanced the epoch while this backup was running; it has to start again."""


class Cancelled(VaultError):
    """The work was cancelled on request; nothing was kept."""


class Stopped(Cancelled):
    """The process that does the work is shutting down; the work itself was not cancelled."""


class SourceFailed(VaultError):
    """The source cannot deliver something that the backup must have; `code` is for programs."""

    code = "SOURCE_FAILED"


class TooManyLinks(SourceFailed):
    """Further hard links whose paths take more memory than a backup may."""

    code = "SOURCE_TOO_LARGE"


class StreamFailed(SourceFailed):
    """A stream (a database's dump) broke off or is incomplete."""

    code = "DUMP_FAILED"


class TakeAgain(VaultError):
    """Something read turned out to differ from what the source assumed; the next try reads it another way."""
