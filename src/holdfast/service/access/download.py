"""Serve a backup as a download: find it by its link, stream it from any byte."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.catalog.backups.changes.labels import set_zip_sha256
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.database.engine import CatalogError
from holdfast.catalog.people.links import link_to, note_link_used
from holdfast.catalog.people.records import Link
from holdfast.catalog.records import Backup, State
from holdfast.service.errors import LinkExpired
from holdfast.service.instance.home import NOBODY, Instance
from holdfast.service.registry.backups import Format
from holdfast.service.registry.damage import file_named
from holdfast.service.registry.link_keys import AccountKeys, account_keys, same_key
from holdfast.stores.port import StoreError
from holdfast.units import SECOND_NS
from holdfast.vault.control import Control, Progress
from holdfast.vault.errors import Cancelled, VaultError
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

    @property
    def sha256(self) -> bytes | None:
        """The SHA-256 of the whole; None while it is not known, as that of a tar.gz always is."""
        return self.backup.zip_sha256 if self.format == "zip" else None

    def stream(
        self, start: int, stop: int, buffer_bytes: Callable[[], int] = lambda: BUFFER_BYTES
    ) -> Generator[memoryview, None, None]:
        """Bytes `start` to `stop`, in buffers of about `buffer_bytes()` that belong to the caller.

        Every record is checked before a byte of it is given out. Raises DamagedError, ChunkMissing, StoreError; what
        was given out before is right. Close the generator to stop early. The first stream of a whole zip gives its
        backup the SHA-256.
        """
        pieces = self._pieces(start, stop, buffer_bytes)
        if self.format == "zip" and (start, stop) == (0, self.length) and self.backup.zip_sha256 is None:
            pieces = self._hashed(pieces)
        with closing(pieces):
            yield from pieces

    def _hashed(self, pieces: Generator[memoryview, None, None]) -> Generator[memoryview, None, None]:
        """Pass all bytes of the zip on, and enter their digest before the last of them; hashlib lets other threads run.

        Not behind the last: a client that has all of it may be gone before it is asked for more.
        """
        digest, size = hashlib.sha256(), 0
        with closing(pieces):
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                if size == self.length:
                    self._enter(digest.digest())
                yield piece

    def _enter(self, digest: bytes) -> None:
        try:
            set_zip_sha256(self.instance.catalog, self.backup, digest)
        except CatalogError as error:  # the next one that reads all of it enters it
            _log.warning("the digest of backup %s could not be recorded: %s", self.backup.id, error)

    def _pieces(self, start: int, stop: int, buffer_bytes: Callable[[], int]) -> Generator[memoryview, None, None]:
        snapshot = self.instance.vault(self.backup.account_id).open(self.backup.id)
        try:
            snapshot.reader.buffer_bytes = buffer_bytes
            layout = zip_layout if self.format == "zip" else targz
            with file_named(self.instance, self.backup):
                yield from snapshot.reader.render(layout.pieces(snapshot, start, stop))
        finally:
            snapshot.close()


def require_digest(instance: Instance, backup: Backup, control: Control) -> None:
    """Make the SHA-256 of a backup's zip known by reading the zip once, unless it is known. A fault is only logged.

    `control` is told the bytes. Raises Cancelled.
    """
    now = backup_by_id(instance.catalog, backup.id)
    if now is None or now.state is not State.SUCCESSFUL or now.damage or now.zip_sha256 is not None:
        return
    done = 0
    try:
        with closing(Download(instance, now, "zip").stream(0, now.zip_bytes)) as pieces:
            for piece in pieces:
                done += len(piece)
                control.check("It was cancelled.")
                control.progress(Progress(0, done, 0, now.zip_bytes))
    except (VaultError, StoreError) as error:
        if isinstance(error, Cancelled):
            raise
        _log.warning("the digest of the zip of backup %s is not known yet: %s", backup.id, error)


def find_download(instance: Instance, account_id: str, name: str, key: str, format: Format) -> Download | None:
    """The backup that a link opens, or None: for a wrong key, name or account alike, after the same work.

    Raises KeyMismatch.
    """
    found = _opened(instance, account_id, name, lambda keys, _, digest: same_key(key, keys.key(digest)))
    backup = _successful(instance, found)
    return None if backup is None else Download(instance, backup, format)


def find_signed_download(
    instance: Instance, account_id: str, name: str, expires: int, signature: str, format: Format
) -> Download | None:
    """The backup that a link with an end opens, or None: for a wrong signature, name or account alike.

    `expires`: seconds since 1970, as the link has it. Raises LinkExpired only for a link that is rightly signed and
    has ended, KeyMismatch.
    """

    def is_signed(keys: AccountKeys, backup_id: str, _: bytes) -> bool:
        return same_key(signature, keys.signature(account_id, backup_id, format, expires))

    found = _opened(instance, account_id, name, is_signed)
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


def _opened(
    instance: Instance, account_id: str, name: str, opens: Callable[[AccountKeys, str, bytes], bool]
) -> str | None:
    """Return the id of the backup of that name that a link opens; `opens` gets the keys, a backup's id and digest.

    The oldest, if two applications have a backup of this name and content: a link goes on giving its bytes.
    """
    # A secret is opened and a key computed and compared in any case, so that a wrong name takes as long as a wrong key.
    linked = instance.prepared.linked(account_id, name)
    if not linked:
        opens(account_keys(instance, NOBODY, instance.nobodys_link_secret), _NO_BACKUP, _NO_DIGEST)
        return None
    keys = account_keys(instance, account_id, linked[0][2])
    opened = [backup_id for backup_id, digest, _ in linked if opens(keys, backup_id, digest)]
    return opened[0] if opened else None


def _successful(instance: Instance, backup_id: str | None) -> Backup | None:
    backup = None if backup_id is None else backup_by_id(instance.catalog, backup_id)
    return backup if backup is not None and backup.state is State.SUCCESSFUL else None


def _note_used(instance: Instance, link: Link, now_ns: int) -> None:
    """Record a link's last use, once a minute. Of a catalog that cannot be written is a line in the log only."""
    if link.used_at is not None and link.used_at > now_ns - _NOTED_NS:
        return
    try:
        note_link_used(instance.catalog, link.id, now_ns, now_ns - _NOTED_NS)
    except CatalogError as error:
        _log.warning("the last use of link %s could not be recorded: %s", link.id, error)
