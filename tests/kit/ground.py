"""Steps that the tests of crashes and of faults share: a scheduled backup, and the digest of its download."""

from __future__ import annotations

import hashlib

from holdfast.catalog.records import SYSTEM, Backup
from holdfast.service.access.download import Download
from holdfast.service.instance.home import Instance
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup


def zip_digest(instance: Instance, backup: Backup) -> str:
    ready = Download(instance, backup, "zip")
    digest = hashlib.sha256()
    for piece in ready.stream(0, ready.length):
        digest.update(piece)
    return digest.hexdigest()


def take(instance: Instance, app_id: str) -> Backup:
    asked, _ = request_backup(instance, app_id, SYSTEM, origin="scheduled")
    return run_backup(instance, asked.id)
