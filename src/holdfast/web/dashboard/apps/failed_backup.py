"""A failed backup: what happened, what is still safe, what happens next, and what can be restored instead."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

from holdfast.catalog.records import App, Backup
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.service.overview.backups import Choice, newest_backups
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.policy.standing import Facts
from holdfast.service.registry.backups import full_objects
from holdfast.service.standing.gather import standings
from holdfast.web.dashboard import words
from holdfast.web.dashboard.apps.restore_pages import restore_path
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.standing import badge_of_backup
from holdfast.web.dashboard.viewer import zone_of

_INSTEAD = 3
"""At most this many good backups are offered instead."""


class Box(NamedTuple):
    """A question, and its answer in sentences."""

    id: str
    title: str
    lines: Sequence[str]


class FailedShown(NamedTuple):
    """The beginning of a failed backup's page. `again`: the form that tries again, for whoever may."""

    boxes: Sequence[Box]
    good: Sequence[dict[str, Any]]
    again: dict[str, str] | None


def failed_shown(instance: Instance, caller: Caller, token: str, app: App, backup: Backup) -> FailedShown:
    """Return what a failed backup's page says first. Five queries at most."""
    facts = standings(instance, [app])[app.id].facts
    good = newest_backups(instance, caller.account.id, app.id, choice=Choice.GOOD, limit=_INSTEAD)
    boxes = (
        Box("happened", _("What happened"), _happened(instance, backup)),
        Box("safe", _("What is still safe"), _safe(instance, good)),
        Box("next", _("What happens next"), _next(instance, facts)),
    )
    may_take = caller.may(Right.BACKUPS_CREATE, app.id) and facts.backup is None and facts.restore is None
    return FailedShown(
        boxes,
        _rows(instance, caller, good),
        _again(token, app.id) if may_take and not facts.plan_without else None,
    )


def _happened(instance: Instance, backup: Backup) -> Sequence[str]:
    why = words.sentence(backup.error_message or "")
    ended = backup.finished_at
    return [why] if ended is None else [why, _("It ended on %(when)s.", when=words.whole(ended, zone_of(instance)))]


def _safe(instance: Instance, good: Sequence[Backup]) -> list[str]:
    if not good:
        return [_("It has no good backup yet, so nothing could be restored.")]
    when = words.whole(good[0].created_at, zone_of(instance))
    proved = next((one for one in good if one.restore_proved_at is not None), None)
    lines = [_("The good one of %(when)s is still there, with %(files)s.", when=when, files=words.files(good[0].files))]
    if proved is good[0]:
        return [*lines, _("A test restore brought back all of it.")]
    if proved is not None:
        when = words.whole(proved.created_at, zone_of(instance))
        return [*lines, _("A test restore brought back all of the one of %(when)s.", when=when)]
    return lines


def _next(instance: Instance, facts: Facts) -> list[str]:
    if facts.backup is not None:
        return [_("Another one is being made now.")]
    at = facts.next_backup_at
    if at is None:
        return [_("It has no schedule: the next one is made by hand.")]
    when = words.when(at, facts.now, zone_of(instance))
    return [_("The next try: %(when)s. Nothing is deleted before it is good.", when=when)]


def _rows(instance: Instance, caller: Caller, good: Sequence[Backup]) -> list[dict[str, Any]]:
    zone, now = zone_of(instance), instance.clock.now_ns()
    may_restore = bool(good) and caller.may(Right.BACKUPS_RESTORE, good[0].app_id)
    kept: dict[str, tuple[str, ...]] = {one.id: () for one in good}
    shown = full_objects(instance, good, with_keys=caller.may_download, kept=kept)
    return [
        {
            "name": words.name(one.name, one.created_at, zone),
            "href": f"/apps/{one.app_id}/backups/{one.id}",
            "badge": badge_of_backup(one),
            "about": f"{words.ago(one.created_at, now)} · {words.files(one.files)} · {words.size(one.content_bytes)}",
            "is_proved": one.restore_proved_at is not None,
            "url": full.url,
            "restore": restore_path(one.app_id, one.id) if may_restore else None,
        }
        for one, full in zip(good, shown, strict=True)
    ]


def _again(token: str, app_id: str) -> dict[str, str]:
    path = f"/apps/{app_id}/backups"
    return {"action": path, "token": form_token(token, path), "once": secrets.token_hex(16)}
