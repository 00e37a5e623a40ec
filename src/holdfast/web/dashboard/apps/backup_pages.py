"""`/apps/{app_id}/backups/{id}`: one backup, how far it can be trusted, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import Backup, State
from holdfast.schemas.backups import NAME_CHARACTERS_MAX, NOTE_CHARACTERS_MAX
from holdfast.service.instance.home import Instance
from holdfast.service.integrity.prove import queue_prove
from holdfast.service.integrity.verify import request_verify
from holdfast.service.jobs.events import newest_event
from holdfast.service.language.texts import N_, _
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps, trash
from holdfast.service.registry import backups as operations
from holdfast.service.registry.accounts import require_api_backups
from holdfast.service.take.log import log_lines
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_app
from holdfast.web.dashboard.apps.failed_backup import failed_shown
from holdfast.web.dashboard.apps.job_pages import job_form, path_of_job
from holdfast.web.dashboard.apps.restore_pages import restore_path
from holdfast.web.dashboard.render import app_frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.standing import badge_of_backup, locked_words
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

_ONE = "/apps/{app_id:str}/backups/{backup:str}"
_BACKUP_SEGMENT = 3
WARNINGS_SHOWN = 100

Action = Callable[[Instance, Caller, Backup, dict[str, str]], str]
"""Does what a form says, and returns the path of the page to see then."""


def backup_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_ONE, opt=needs(Right.BACKUPS_READ))
    @as_page
    async def backup_page(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        ref = inputs.path_segment(request.scope, _BACKUP_SEGMENT)
        return await context.call(_page, request.scope, instance, caller, token, app_id, ref)

    return [backup_page, *(_form_route(context, *form) for form in _FORMS)]


def _form_route(context: Context, name: str, right: Right, act: Action) -> HTTPRouteHandler:
    @post(f"{_ONE}/{name}", opt=needs(right))
    @as_page
    async def form(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        ref = inputs.path_segment(request.scope, _BACKUP_SEGMENT)
        fields = await form_fields(context, request, token, f"/apps/{app_id}/backups/{ref}/{name}")

        def done() -> str:
            find = trash.find_trashed if name == "undelete" else operations.find_backup
            return act(context.instance, caller, find(context.instance, app_id, ref), fields)

        return redirect(await context.call(done), [])

    return form


def path_of(backup: Backup) -> str:
    """The path of a backup's page."""
    return f"/apps/{backup.app_id}/backups/{backup.id}"


def _delete(instance: Instance, caller: Caller, backup: Backup, fields: dict[str, str]) -> str:
    gone_at = trash.delete_backup(instance, backup, caller.actor).gone_at
    return f"/apps/{backup.app_id}" + ("" if gone_at is None else f"?deleted={backup.id}")


def _undelete(instance: Instance, caller: Caller, backup: Backup, fields: dict[str, str]) -> str:
    trash.undelete(instance, backup, caller.actor, is_limited=True)
    return path_of(backup)


def _lock(instance: Instance, caller: Caller, backup: Backup, fields: dict[str, str]) -> str:
    operations.set_lock(instance, backup, caller.actor, True, by_customer=True)
    return path_of(backup)


def _unlock(instance: Instance, caller: Caller, backup: Backup, fields: dict[str, str]) -> str:
    operations.set_lock(instance, backup, caller.actor, False, by_customer=True)
    return path_of(backup)


def _note(instance: Instance, caller: Caller, backup: Backup, fields: dict[str, str]) -> str:
    note = operations.checked_note(fields.get("note", "").replace("\r\n", "\n").strip() or None)
    operations.set_note(instance, backup, note, caller.actor)
    return path_of(backup)


def _rename(instance: Instance, caller: Caller, backup: Backup, fields: dict[str, str]) -> str:
    name = fields.get("name", "")
    if name != backup.name:
        operations.check_name(name)
        operations.rename(instance, backup, name, caller.actor)
    return path_of(backup)


def _verify(instance: Instance, caller: Caller, backup: Backup, fields: dict[str, str]) -> str:
    return path_of_job(request_verify(instance, backup, _node_of(instance, caller, backup), caller.actor).id)


def _prove(instance: Instance, caller: Caller, backup: Backup, fields: dict[str, str]) -> str:
    return path_of_job(queue_prove(instance, backup, _node_of(instance, caller, backup), caller.actor).id)


def _node_of(instance: Instance, caller: Caller, backup: Backup) -> str:
    """The node of a backup's application, for a job that the plan must include."""
    require_api_backups(instance, caller.account)
    return apps.get_app(instance, caller.account.id, backup.app_id).node


_FORMS: tuple[tuple[str, Right, Action], ...] = (
    ("delete", Right.BACKUPS_DELETE, _delete),
    ("undelete", Right.BACKUPS_DELETE, _undelete),
    ("lock", Right.BACKUPS_UPDATE, _lock),
    ("unlock", Right.BACKUPS_UPDATE, _unlock),
    ("note", Right.BACKUPS_UPDATE, _note),
    ("name", Right.BACKUPS_UPDATE, _rename),
    ("verify", Right.BACKUPS_CREATE, _verify),
    ("prove", Right.BACKUPS_CREATE, _prove),
)


def _page(scope: Scope, instance: Instance, caller: Caller, token: str, app_id: str, ref: str) -> Answer:
    app = apps.get_app(instance, caller.account.id, app_id)
    seen = newest_event(instance, caller.account.id)  # before anything is read: what comes later is told
    backup = operations.find_backup(instance, app_id, ref)
    # What keeps a failed one is not said, and costs a look at all backups.
    kept: dict[str, tuple[str, ...]] | None = {backup.id: ()} if backup.state is State.FAILED else None
    full = operations.full_objects(instance, [backup], with_keys=caller.may_download, kept=kept)[0]
    now, zone = instance.clock.now_ns(), zone_of(instance)

    def times(*lines: tuple[str, int | None]) -> list[tuple[str, str]]:
        return [(what, words.whole(at, zone)) for what, at in lines if at is not None]

    may = {right: caller.may(right, app_id) for right in (Right.BACKUPS_UPDATE, Right.BACKUPS_DELETE)}
    is_good = backup.state is State.SUCCESSFUL
    may_create = caller.may(Right.BACKUPS_CREATE, app_id)
    may_cancel = backup.state in (State.QUEUED, State.RUNNING) and may_create
    is_settled = backup.state in (State.SUCCESSFUL, State.FAILED)
    return page(
        scope,
        "backup.html",
        seen=seen,
        frame=app_frame(caller, str(zone), app, "backups"),
        name=words.name(backup.name, backup.created_at, zone),
        backup=full,
        badge=badge_of_backup(backup),
        locked=locked_words(backup, now, zone),
        origin=words.origin(backup.origin),
        failed=failed_shown(instance, caller, token, app, backup) if backup.state is State.FAILED else None,
        trust=_trust(backup, instance, may_ask=may_create),
        restore=restore_path(app_id, backup.id) if is_good and caller.may(Right.BACKUPS_RESTORE, app_id) else None,
        cancel=job_form(token, backup.id, "cancel") if may_cancel else None,
        warnings=full.warnings[:WARNINGS_SHOWN],
        sizes=_sizes(backup),
        times=times((_("Begun"), backup.created_at), (_("Ended"), backup.finished_at)),
        log=log_lines(instance, backup, with_private=False),
        tar_url=None if full.url is None else full.url.replace(".zip?", ".tar.gz?"),
        tokens={name: form_token(token, f"{path_of(backup)}/{name}") for name, *_rest in _FORMS},
        path=path_of(backup),
        may_change=may[Right.BACKUPS_UPDATE] and is_settled,
        may_delete=may[Right.BACKUPS_DELETE] and is_settled,
        name_max=NAME_CHARACTERS_MAX,
        note_max=NOTE_CHARACTERS_MAX,
        base_url=instance.config.base_url.rstrip("/"),
    )


def _trust(backup: Backup, instance: Instance, *, may_ask: bool) -> list[dict[str, Any]]:
    """Return the three steps that a good backup goes: made, read back, proved; those not gone yet say so."""
    zone = zone_of(instance)

    def step(title: str, at: int | None, done: str, to_do: str, form: tuple[str, str] | None = None) -> dict[str, Any]:
        when = "" if at is None else words.whole(at, zone)
        text = to_do if at is None else done
        return {
            "title": title,
            "is_done": at is not None,
            "when": when,
            "text": text,
            "form": form if may_ask else None,
        }

    files, added = words.files(backup.files), words.size(backup.stored_bytes)
    return [
        step(_("Made"), backup.finished_at, _("%(files)s, %(size)s of them new.", files=files, size=added), ""),
        step(
            _("Read back"),
            backup.verified_at,
            _("Every byte of it was read from the store and compared with its sum."),
            _("The server reads its whole store by and by; this backup's turn has not come yet."),
            ("verify", N_("Read back now")),
        ),
        step(
            _("Proved"),
            backup.restore_proved_at,
            _("A test restore brought back all of it, %(files)s, and they were compared.", files=files),
            _("The newest backup is restored to an empty place once a week and compared."),
            ("prove", N_("Prove now")),
        ),
    ]


def _sizes(backup: Backup) -> list[tuple[str, str]]:
    if backup.state is not State.SUCCESSFUL:
        return []
    return [
        (_("In this backup"), words.size(backup.content_bytes)),
        (_("New in it"), words.size(backup.stored_bytes)),
        (_("As a .zip, about"), words.size(backup.zip_bytes)),
    ]
