"""The routes of one application's backups: list, start, show, change, delete, log."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET

from holdfast.catalog.records import Backup
from holdfast.schemas.backups import Backup as FullBackup
from holdfast.schemas.backups import BackupChange, BackupLog, DeletedBackup, NewBackup
from holdfast.schemas.fields import given
from holdfast.schemas.times import iso_or_none
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import backups as operations
from holdfast.service.registry import trash
from holdfast.service.registry.backups import check_name, checked_note
from holdfast.service.take.log import log_lines
from holdfast.service.take.request import checked_reference, request_backup
from holdfast.web.api.held import held_backup
from holdfast.web.api.list_cache import WholeLists
from holdfast.web.auth import needs, requested_app, requested_backup
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag
from holdfast.web.http.paging import cut_page

AnyRequest = Request[Any, Any, Any]

_LIST = "/v3/apps/{app_id:str}/backups"
_ONE = "/v3/apps/{app_id:str}/backups/{backup:str}"


def backup_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance
    whole_lists = WholeLists(instance)

    @get(_LIST, opt=needs(Right.BACKUPS_READ))
    async def list_backups(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, app_id = requested_app(context, scope)
        fields = inputs.query(scope, "view", "limit", "after", "trash")
        if not fields:
            # The hot path: its queries run inline, cheaper than the way to a thread and back.
            return whole_lists.answer(caller.account, app_id, with_keys=caller.may_download).for_request(scope)
        return with_etag(await context.call(_listed, context, caller, app_id, fields), scope)

    @post(_LIST, opt=needs(Right.BACKUPS_CREATE))
    async def start_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, app_id = requested_app(context, scope)
        seconds = inputs.integer(inputs.query(scope, "wait"), "wait", 0, inputs.WAIT_SECONDS_MAX) or 0
        idempotency_key = inputs.idempotency_key(scope)
        body = await inputs.json_body(request, NewBackup)
        backup = await context.call(begin_backup, context, caller, app_id, body, idempotency_key)
        backup, finished = await held_backup(context, backup, seconds)
        location = f"/v3/apps/{app_id}/backups/{backup.id}".encode("ascii")
        shown = await context.call(_full, context, caller, backup)
        return success(shown, 200 if finished else 202, [(b"location", location)])

    @get(_ONE, opt=needs(Right.BACKUPS_READ))
    async def get_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, app_id = requested_app(context, scope)
        ref = requested_backup(scope)
        shown = await context.call(lambda: _full(context, caller, operations.find_backup(instance, app_id, ref)))
        return with_etag(success(shown), scope)

    @patch(_ONE, opt=needs(Right.BACKUPS_UPDATE))
    async def change_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, app_id = requested_app(context, scope)
        body = await inputs.json_body(request, BackupChange)
        inputs.require_change(body)
        ref = requested_backup(scope)
        return success(await context.call(lambda: _full(context, caller, _change(context, caller, app_id, ref, body))))

    @delete(_ONE, status_code=200, opt=needs(Right.BACKUPS_DELETE))
    async def delete_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, app_id = requested_app(context, scope)
        is_final = inputs.flag(inputs.query(scope, "final"), "final")
        return success(await context.call(_delete, context, caller, app_id, requested_backup(scope), is_final))

    @post(f"{_ONE}/undelete", status_code=200, opt=needs(Right.BACKUPS_DELETE))
    async def undelete_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, app_id = requested_app(context, scope)
        ref = requested_backup(scope)
        return success(await context.call(lambda: _full(context, caller, _undelete(context, caller, app_id, ref))))

    @get(f"{_ONE}/log", opt=needs(Right.BACKUPS_READ))
    async def get_log(request: AnyRequest) -> Answer:
        scope = request.scope
        _, app_id = requested_app(context, scope)
        return with_etag(await context.call(_log, context, app_id, requested_backup(scope)), scope)

    return [list_backups, start_backup, get_backup, change_backup, delete_backup, undelete_backup, get_log]


def _full(context: Context, caller: Caller, backup: Backup) -> FullBackup:
    return operations.full_object(context.instance, backup, with_keys=caller.may_download)


def _listed(context: Context, caller: Caller, app_id: str, fields: dict[str, str]) -> Answer:
    instance = context.instance
    full, limit, after = inputs.full_view(fields), inputs.page_limit(fields), inputs.page_after(fields)
    operations.check_after(instance, after, caller.account.id, app_id)
    is_trash = inputs.flag(fields, "trash")
    find = trash.list_trash if is_trash else operations.list_backups
    found = find(instance, app_id, None if limit is None else limit + 1, after)
    page, link = cut_page(found, limit, instance.config.base_url, f"/v3/apps/{app_id}/backups", fields)
    if full or is_trash:
        return success(operations.full_objects(instance, page, with_keys=caller.may_download), headers=link)
    return success(operations.listed(instance, page, with_keys=caller.may_download), headers=link)


def begin_backup(context: Context, caller: Caller, app_id: str, body: NewBackup, idempotency_key: str | None) -> Backup:
    """Request a backup, as a body says, within the limits of the plan. Raises ServiceError."""
    instance = context.instance
    name = None if body.name is UNSET else body.name
    if name is not None:
        check_name(name)
    note, reference = checked_note(given(body.note)), checked_reference(given(body.reference))
    try:
        backup, _ = request_backup(
            instance,
            app_id,
            caller.actor,
            name=name,
            is_locked=body.is_locked,
            note=note,
            reference=reference,
            idempotency_key=idempotency_key,
            is_limited=True,
        )
    except Invalid as refusal:  # the name is well-formed, as was just looked at
        raise name_taken(refusal) from None
    return backup


def _change(context: Context, caller: Caller, app_id: str, ref: str, body: BackupChange) -> Backup:
    """Make the whole change or none of it: everything that can be refused is checked before anything is written."""
    instance = context.instance
    backup = operations.find_backup(instance, app_id, ref)
    is_locked = None if body.is_locked is UNSET else body.is_locked
    locked_until = _time_lock(body, backup, instance.clock.now_ns())
    note = UNSET if body.note is UNSET else checked_note(body.note)
    if isinstance(body.name, str):
        check_name(body.name)
        _check_free(context, backup, body.name)
    if is_locked is not None or locked_until is not None:
        backup = operations.set_lock(instance, backup, caller.actor, is_locked, locked_until, by_customer=True)
    if isinstance(body.name, str) and body.name != backup.name:
        try:
            backup = operations.rename(instance, backup, body.name, caller.actor)
        except Invalid as refusal:
            raise name_taken(refusal) from None
    if note is not UNSET:
        backup = operations.set_note(instance, backup, note, caller.actor)
    return backup


def _time_lock(body: BackupChange, backup: Backup, now_ns: int) -> int | None:
    """The new end of the time lock; None when nothing changes.

    A time that is past, or null, means no lock: refused (by `set_lock`, as it sees 0) while there is one, and without
    effect where there is none.
    """
    if body.locked_until is UNSET:
        return None
    until = 0 if body.locked_until is None else inputs.moment("locked_until", body.locked_until)
    if until > now_ns:
        return until
    return 0 if (backup.locked_until or 0) > now_ns else None


def _check_free(context: Context, backup: Backup, name: str) -> None:
    try:
        other = operations.find_backup(context.instance, backup.app_id, name)
    except NotFound:
        return
    if other.name == name and other.id != backup.id:
        raise name_taken(operations.name_taken(name))


def name_taken(refusal: Invalid) -> Conflict:
    """A well-formed name that another backup has is a conflict (409): the request is fine once that one is gone."""
    return Conflict("BACKUP_NAME_TAKEN", refusal.message)


def _delete(context: Context, caller: Caller, app_id: str, ref: str, is_final: bool) -> DeletedBackup:
    instance = context.instance
    backup = trash.find_to_delete(instance, app_id, ref, is_final=is_final)
    done = trash.delete_backup(instance, backup, caller.actor, is_final=is_final)
    return DeletedBackup(backup.id, done.freed_bytes, iso_or_none(done.gone_at, instance.zone))


def _undelete(context: Context, caller: Caller, app_id: str, ref: str) -> Backup:
    backup = trash.find_trashed(context.instance, app_id, ref)
    return trash.undelete(context.instance, backup, caller.actor, is_limited=True)


def _log(context: Context, app_id: str, ref: str) -> Answer:
    backup = operations.find_backup(context.instance, app_id, ref)
    return success(BackupLog(log_lines(context.instance, backup, with_private=False)))
