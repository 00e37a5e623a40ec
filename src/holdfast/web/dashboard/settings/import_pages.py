"""The form that makes an archive a backup: the archive goes to the disk as it arrives, never into memory.

The form's token is its first field, and no byte of the archive is written before it was found to be right. So another
site's page can make this one hold neither memory nor disk.
"""

from __future__ import annotations

from litestar import post
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import Backup
from holdfast.service.errors import Invalid, ServiceError
from holdfast.service.language.texts import _
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry.accounts import require_api_backups
from holdfast.service.take.import_backup import Upload
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, require_app, require_from_here
from holdfast.web.dashboard.apps.backup_pages import path_of
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.session import is_form_token
from holdfast.web.dashboard.settings.page import IMPORT, SETTINGS, Refused, settings_page, settings_path
from holdfast.web.http.envelope import Answer
from holdfast.web.http.errors import BadRequest, KeepCalm, cross_site, known_error
from holdfast.web.http.uploaded_form import AROUND_BYTES_MAX, UploadedForm
from holdfast.web.http.uploads import Body, RefusedBody, announced_bytes

ARCHIVE_FIELD = "archive"
_ON_THE_PAGE = (ServiceError, BadRequest, KeepCalm)
"""The outcome that is told beside the form; all else has a page of its own."""


def import_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""

    @post(f"{SETTINGS}/{IMPORT}", request_max_body_size=None, opt=needs(Right.BACKUPS_IMPORT))
    async def import_archive(request: AnyRequest) -> Answer:
        body = Body(request.receive)

        @as_page
        async def answered(request: AnyRequest) -> Answer:
            return await _import(context, request, body)

        answer = await answered(request)
        assert isinstance(answer, Answer)
        return RefusedBody(answer, body)  # whole by now, unless it was refused

    return [import_archive]


async def _import(context: Context, request: AnyRequest, body: Body) -> Answer:
    scope = request.scope
    require_from_here(context, scope)
    caller, token, app_id = require_app(context, scope)
    context.require_store()
    fields: dict[str, str] = {}
    try:
        with context.one_more_upload(caller.account.id):
            form = UploadedForm(scope, body)
            fields = form.fields
            await form.read_fields(ARCHIVE_FIELD)
            if not is_form_token(fields.get("form_token", ""), token, settings_path(app_id, IMPORT)):
                raise cross_site()
            backup = await _received(context, announced_bytes(scope), form, caller, app_id)
    except _ON_THE_PAGE as error:
        known = known_error(error)
        if known is None:
            raise
        refused = Refused(IMPORT, known, fields)
        return await context.call(settings_page, scope, context.instance, caller, token, app_id, refused)
    return redirect(path_of(backup), [])


async def _received(context: Context, announced: int | None, form: UploadedForm, caller: Caller, app_id: str) -> Backup:
    if not form.file_name:
        raise Invalid("archive", _("Choose a file first: a .zip, a .tar or a .tar.gz."))
    name = form.fields.get("name", "").strip() or None
    require_api_backups(context.instance, caller.account)
    upload = await context.call(Upload, context.instance, app_id, caller.actor, name, is_limited=True)
    try:
        if (announced or 0) > upload.bytes_max + AROUND_BYTES_MAX:
            raise upload.too_large()
        is_empty = True
        async for piece in form.file_pieces():
            is_empty = False
            await context.call(upload.write, piece)
        if is_empty:
            raise Invalid("archive", _("The file is empty; choose another one."))
        return await context.call(upload.queue)
    finally:
        # Not through a thread: a task that is cancelled could not wait for it.
        upload.close()
