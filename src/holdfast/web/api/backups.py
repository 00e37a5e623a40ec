"""The routes of one application's backups: list, start, one, change, delete, log."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope
from msgspec import UNSET

from holdfast.catalog.records import Account, Backup, State
from holdfast.schemas.backups import BackupChange, BackupLog, DeletedBackup, NewBackup
from holdfast.service.errors import Conflict, Invalid, NotFound, app_not_found
from holdfast.service.registry import backups as deeds
from holdfast.service.registry.backups import check_name
from holdfast.service.take.log import log_lines
from holdfast.service.take.run import request_backup
from holdfast.web.api.list_cache import WholeLists
from holdfast.web.auth import require_backups
from holdfast.web.context import Desk
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag
from holdfast.web.http.paging import cut_page

POLL_SECONDS = 0.075
"""The interval at which a held answer reads its backup."""

AnyRequest = Request[Any, Any, Any]

_LIST = "/v3/apps/{app_id:str}/backups"
_ONE = "/v3/apps/{app_id:str}/backups/{backup:str}"
_APP_SEGMENT, _BACKUP_SEGMENT = 2, 4


def backup_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers, bound to a desk."""
    instance = desk.instance
    whole_lists = WholeLists(instance)

    @get(_LIST)
    async def list_backups(request: AnyRequest) -> Answer:
        scope = request.scope
        app_id = inputs.path_segment(scope, _APP_SEGMENT)
        account = owner(desk, scope, app_id)
        fields = inputs.query(scope, "view", "limit", "after")
        if not fields:
            # The hot path: its queries run inline, cheaper than the way to a thread and back.
            return whole_lists.answer(app_id).for_request(scope)
        return with_etag(await desk.call(_listed, desk, account, app_id, fields), scope)

    @post(_LIST)
    async def start_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        app_id = inputs.path_segment(scope, _APP_SEGMENT)
        owner(desk, scope, app_id)
        seconds = inputs.integer(inputs.query(scope, "wait"), "wait", 0, inputs.WAIT_SECONDS_MAX) or 0
        idempotency_key = inputs.idempotency_key(scope)
        body = await inputs.json_body(request, NewBackup)
        backup = await desk.call(_start, desk, app_id, body, idempotency_key)
        finished = False
        if seconds:
            backup, finished = await hold(desk, backup, desk.now() + seconds)
        location = f"/v3/apps/{app_id}/backups/{backup.id}".encode("ascii")
        return success(deeds.full_object(instance, backup), 200 if finished else 202, [(b"location", location)])

    @get(_ONE)
    async def get_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        app_id = inputs.path_segment(scope, _APP_SEGMENT)
        owner(desk, scope, app_id)
        backup = await desk.call(deeds.find_backup, instance, app_id, inputs.path_segment(scope, _BACKUP_SEGMENT))
        return with_etag(success(deeds.full_object(instance, backup)), scope)

    @patch(_ONE)
    async def change_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        app_id = inputs.path_segment(scope, _APP_SEGMENT)
        owner(desk, scope, app_id)
        body = await inputs.json_body(request, BackupChange)
        backup = await desk.call(_change, desk, app_id, inputs.path_segment(scope, _BACKUP_SEGMENT), body)
        return success(deeds.full_object(instance, backup))

    @delete(_ONE, status_code=200)
    async def delete_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        app_id = inputs.path_segment(scope, _APP_SEGMENT)
        owner(desk, scope, app_id)
        return success(await desk.call(_delete, desk, app_id, inputs.path_segment(scope, _BACKUP_SEGMENT)))

    @get(f"{_ONE}/log")
    async def get_log(request: AnyRequest) -> Answer:
        scope = request.scope
        app_id = inputs.path_segment(scope, _APP_SEGMENT)
        owner(desk, scope, app_id)
        return with_etag(await desk.call(_log, desk, app_id, inputs.path_segment(scope, _BACKUP_SEGMENT)), scope)

    return [list_backups, start_backup, get_backup, change_backup, delete_backup, get_log]


def owner(desk: Desk, scope: Scope, app_id: str) -> Account:
    """The account of the key, if the application is one of its own. Inline, as the list's hot path needs it."""
    account = require_backups(desk, scope)
    if not inputs.is_id(app_id) or desk.instance.hot.app_owner(app_id) != account.id:
        raise app_not_found()
    return account


def _listed(desk: Desk, account: Account, app_id: str, fields: dict[str, str]) -> Answer:
    instance = desk.instance
    full, limit, after = inputs.full_view(fields), inputs.page_limit(fields), inputs.page_after(fields)
    deeds.check_after(instance, after, account.id, app_id)
    found = deeds.list_backups(instance, app_id, None if limit is None else limit + 1, after)
    page, link = cut_page(found, limit, instance.config.base_url, f"/v3/apps/{app_id}/backups", fields)
    if full:
        return success([deeds.full_object(instance, backup) for backup in page], headers=link)
    return success([deeds.list_item(instance, backup) for backup in page], headers=link)


def _start(desk: Desk, app_id: str, body: NewBackup, idempotency_key: str | None) -> Backup:
    instance = desk.instance
    name = None if body.name is UNSET else body.name
    if name is not None:
        check_name(name)
    try:
        backup, _ = request_backup(
            instance,
            app_id,
            name=name,
            is_locked=body.is_locked,
            idempotency_key=idempotency_key,
            is_limited=True,
        )
    except Invalid as refusal:  # the name is well-formed, as was just looked at
        raise name_taken(refusal) from None
    return backup


async def hold(desk: Desk, backup: Backup, until: float) -> tuple[Backup, bool]:
    """Look at the backup until it is finished, the time is over or the server is to stop."""
    while backup.state in (State.QUEUED, State.RUNNING):
        left = until - desk.now()
        if left <= 0 or desk.draining:
            return backup, False
        await asyncio.sleep(min(POLL_SECONDS, left))
        backup = await desk.call(deeds.backup_now, desk.instance, backup)
    return backup, True


def _change(desk: Desk, app_id: str, ref: str, body: BackupChange) -> Backup:
    """All of the change or none of it: what can be refused is looked at before anything is written."""
    instance = desk.instance
    backup = deeds.find_backup(instance, app_id, ref)
    is_locked = None if body.is_locked is UNSET else body.is_locked
    locked_until = _time_lock(body, backup, instance.clock.now_ns())
    if isinstance(body.name, str):
        check_name(body.name)
        _check_free(desk, backup, body.name)
    if is_locked is not None or locked_until is not None:
        backup = deeds.set_lock(instance, backup, is_locked, locked_until)
    if isinstance(body.name, str) and body.name != backup.name:
        try:
            backup = deeds.rename(instance, backup, body.name)
        except Invalid as refusal:
            raise name_taken(refusal) from None
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


def _check_free(desk: Desk, backup: Backup, name: str) -> None:
    try:
        other = deeds.find_backup(desk.instance, backup.app_id, name)
    except NotFound:
        return
    if other.name == name and other.id != backup.id:
        raise name_taken(deeds.name_taken(name))


def name_taken(refusal: Invalid) -> Conflict:
    """A well-formed name that another backup has is a conflict (409): the request is fine once that one is gone."""
    return Conflict("BACKUP_NAME_TAKEN", refusal.message)


def _delete(desk: Desk, app_id: str, ref: str) -> DeletedBackup:
    backup = deeds.find_backup(desk.instance, app_id, ref)
    return DeletedBackup(backup.id, deeds.delete_backup(desk.instance, backup))


def _log(desk: Desk, app_id: str, ref: str) -> Answer:
    backup = deeds.find_backup(desk.instance, app_id, ref)
    return success(BackupLog(log_lines(desk.instance, backup, with_private=False)))
