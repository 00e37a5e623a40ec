"""Give out a backup as a download: found by its link, streamed from any byte on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.catalog.backups import rows
from holdfast.catalog.records import Backup
from holdfast.service.instance.home import Instance
from holdfast.service.registry.backups import LINK_KEY_DIGITS, Format, same_key
from holdfast.units import SECOND_NS
from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.reader.records import BUFFER_BYTES

LAYOUT_VERSION = 1
"""Part of the ETag: a layout whose bytes differ for the same manifest gets a new one."""

_MEDIA_TYPES: dict[Format, str] = {"zip": "application/zip", "tar.gz": "application/gzip"}
_NO_KEY = "0" * LINK_KEY_DIGITS


@dataclass(frozen=True)
class Download:
    """One backup in one format, ready to be streamed."""

    instance: Instance
    backup: Backup
    format: Format

    @property
    def filename(self) -> str:
        """The name to save it under."""
        return f"{self.backup.name}.{self.format}"

    @property
    def length(self) -> int:
        """Bytes of the whole."""
        return self.backup.zip_bytes if self.format == "zip" else self.backup.tar_bytes

    @property
    def etag(self) -> str:
        """Strong and quoted: the same bytes have the same, other bytes another."""
        digest = (self.backup.digest or b"").hex()[:40]
        return f'"{digest}-{self.format}-{LAYOUT_VERSION}"'

    @property
    def last_modified(self) -> datetime:
        """The time at which the backup was finished, in UTC, whole seconds."""
        return datetime.fromtimestamp((self.backup.finished_at or 0) // SECOND_NS, UTC)

    @property
    def media_type(self) -> str:
        """The Content-Type."""
        return _MEDIA_TYPES[self.format]

    def stream(
        self, start: int, stop: int, buffer_bytes: Callable[[], int] = lambda: BUFFER_BYTES
    ) -> Iterator[memoryview]:
        """Bytes `start` to `stop`, in buffers of about `buffer_bytes()` that belong to the caller.

        Every record is checked before a byte of it is given out. Raises DamagedError, ChunkMissing, StoreError; what
        was given out before is right. Close the generator to stop early.
        """
        snapshot = self.instance.vault(self.backup.account_id).open(self.backup.id)
        try:
            snapshot.reader.buffer_bytes = buffer_bytes
            layout = zip_layout if self.format == "zip" else targz
            yield from snapshot.reader.render(layout.pieces(snapshot, start, stop))
        finally:
            snapshot.close()


def find_download(instance: Instance, account_id: str, name: str, key: str, format: Format) -> Download | None:
    """The backup that a link opens, or None: for a wrong key, name or account alike."""
    found = None
    same_key(key, _NO_KEY)  # at least one comparison, so that a wrong name takes as long as a wrong key
    for backup in rows.backups_by_name(instance.catalog, account_id, name):
        if same_key(key, backup.link_key):
            found = backup
    return None if found is None else Download(instance, found, format)
