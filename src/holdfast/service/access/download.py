"""Serve a backup as a download: find it by its link, stream it from any byte."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.catalog.backups import rows
from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.people.links import link_to, note_link_used
from holdfast.catalog.people.records import Link
from holdfast.catalog.records import Backup, State
from holdfast.service.errors import LinkExpired
from holdfast.service.instance.home import NOBODY, Instance
from holdfast.service.registry.backups import Format
from holdfast.service.registry.damage import file_named
from holdfast.service.registry.link_keys import AccountKeys, account_keys, same_key
from holdfast.units import SECOND_NS
from holdfast.vault.layout import targz
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.reader.records import BUFFER_BYTES

TARGZ_LAYOUT = 1
"""The version of the tar.gz's layout, part of the ETag as that of the zip is, which each backup has for itself."""

_MEDIA_TYPES: dict[Format, str] = {"zip": "application/zip", "tar.gz": "application/gzip"}
_NO_DIGEST = bytes(32)
_NO_BACKUP = "0" * 32
_NOTED_NS = 60 * SECOND_NS

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """One backup in one format, ready to be streamed."""

    instance: Instance
    backup: Backup
    format: Format
    link: Link | None = None
    """The link with an end that opened it, if one did."""

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
        layout = self.backup.zip_layout if self.format == "zip" else TARGZ_LAYOUT
        return f'"{digest}-{self.format}-{layout}"'

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
            with file_named(self.instance, self.backup):
                yield from snapshot.reader.render(layout.pieces(snapshot, start, stop))
        finally:
            snapshot.close()


def find_download(instance: Instance, account_id: str, name: str, key: str, format: Format) -> Download | None:
    """The backup that a link opens, or None: for a wrong key, name or account alike, after the same work.

    Raises KeyMismatch.
    """
    found = None
    # A secret is opened and a key computed and compared in any case, so that a wrong name takes as long as a wrong key.
    linked = instance.prepared.linked(account_id, name)
    if linked:
        keys = account_keys(instance, account_id, linked[0][2])
    else:
        keys = account_keys(instance, NOBODY, instance.nobodys_link_secret)
        same_key(key, keys.key(_NO_DIGEST))
    for backup_id, digest, _ in linked:
        # The oldest, if two applications have a backup of this name and content: a link goes on giving its bytes.
        if same_key(key, keys.key(digest)) and found is None:
            found = backup_id
    backup = _successful(instance, found)
    return None if backup is None else Download(instance, backup, format)


def find_signed_download(
    instance: Instance, account_id: str, name: str, expires: int, signature: str, format: Format
) -> Download | None:
    """The backup that a link with an end opens, or None: for a wrong signature, name or account alike.

    `expires`: seconds since 1970, as the link has it. Raises LinkExpired only for a link that is rightly signed and
    has ended, KeyMismatch.
    """
    found = None
    linked = instance.prepared.linked(account_id, name)
    if linked:
        keys = account_keys(instance, account_id, linked[0][2])
    else:
        keys = account_keys(instance, NOBODY, instance.nobodys_link_secret)
        _is_signed(keys, signature, account_id, _NO_BACKUP, format, expires)
    for backup_id, _, _ in linked:
        if _is_signed(keys, signature, account_id, backup_id, format, expires):
            found = backup_id
    if found is None:
        return None
    now_ns = instance.clock.now_ns()
    link = link_to(instance.catalog, found, format, expires * SECOND_NS) if expires * SECOND_NS > now_ns else None
    if link is None:
        raise LinkExpired
    backup = _successful(instance, found)
    if backup is None:
        return None
    _note_used(instance, link, now_ns)
    return Download(instance, backup, format, link)


def _is_signed(
    keys: AccountKeys, signature: str, account_id: str, backup_id: str, format: Format, expires: int
) -> bool:
    return same_key(signature, keys.signature(account_id, backup_id, format, expires))


def _successful(instance: Instance, backup_id: str | None) -> Backup | None:
    backup = None if backup_id is None else rows.backup_by_id(instance.catalog, backup_id)
    return backup if backup is not None and backup.state is State.SUCCESSFUL else None


def _note_used(instance: Instance, link: Link, now_ns: int) -> None:
    """Record a link's last use, once a minute. Of a catalog that cannot be written is a line in the log only."""
    if link.used_at is not None and link.used_at > now_ns - _NOTED_NS:
        return
    try:
        note_link_used(instance.catalog, link.id, now_ns, now_ns - _NOTED_NS)
    except CatalogError as error:
        _log.warning("the last use of link %s could not be recorded: %s", link.id, error)
