"""Retake: a new backup of each application with a finding in its backups. It heals content that is still the same.

The catalog alone decides if one is wanted: there is a finding, and no backup was requested since. So one is requested
once for each finding, whatever found it, even if a crash came in between.
"""

from __future__ import annotations

from holdfast.catalog.backups.damage import apps_to_retake
from holdfast.catalog.records import SYSTEM, Backup
from holdfast.service.errors import Conflict, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.take.request import request_backup

RUN_SECONDS = 20.0


def retake(instance: Instance) -> list[Backup]:
    """Ask for the backups that are wanted of this node's applications; returns them, to be queued."""
    asked = []
    for app_id in apps_to_retake(instance.catalog, instance.config.node):
        try:
            backup, _ = request_backup(instance, app_id, SYSTEM, origin="scheduled")
        except (Conflict, NotFound):
            continue  # being backed up or restored: the next turn looks again
        asked.append(backup)
    return asked
