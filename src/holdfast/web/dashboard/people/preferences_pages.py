"""`/account/preferences`: the language, the theme and the time zone of the pages that a person is shown."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.errors import Invalid
from holdfast.service.language.texts import _, languages
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OperatorCaller
from holdfast.service.people.preferences import Preferences, checked, set_preferences, time_zones
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, person_form, require_person
from holdfast.web.dashboard.operator.frame import operator_page
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import THEME_PATH, form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

PREFERENCES_PATH = "/account/preferences"


def preferences_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @get(PREFERENCES_PATH, opt=OPEN)
    @as_page
    async def preferences(request: AnyRequest) -> Answer:
        caller, token = require_person(context, request.scope)
        is_saved = "saved" in inputs.query(request.scope, "saved")
        return _page(context, request.scope, caller, token, caller.preferences, is_saved=is_saved)

    @post(PREFERENCES_PATH, opt=OPEN)
    @as_page
    async def save_preferences(request: AnyRequest) -> Answer:
        caller, token, fields = await person_form(context, request, PREFERENCES_PATH)
        given = [fields.get(name, "") for name in Preferences.__struct_fields__]
        try:
            await context.call(set_preferences, context.instance, caller, checked(*given))
        except Invalid as error:
            return _page(context, request.scope, caller, token, caller.preferences, 400, error=error.message)
        return redirect(f"{PREFERENCES_PATH}?saved=1", [])

    @post(THEME_PATH, opt=OPEN)
    @as_page
    async def save_theme(request: AnyRequest) -> Answer:
        caller, _token, fields = await person_form(context, request, THEME_PATH)
        was, theme = caller.preferences, fields.get("theme", "")
        chosen = checked(was.language or "", "" if theme == "auto" else theme, was.time_zone or "")
        await context.call(set_preferences, context.instance, caller, chosen)
        return Answer(204, b"", [])

    return [preferences, save_preferences, save_theme]


def _page(
    context: Context,
    scope: Scope,
    caller: Caller | OperatorCaller,
    token: str,
    chosen: Preferences,
    status: int = 200,
    *,
    error: str = "",
    is_saved: bool = False,
) -> Answer:
    values: dict[str, Any] = {
        "path": PREFERENCES_PATH,
        "save_token": form_token(token, PREFERENCES_PATH),
        "chosen": chosen,
        "tongues": [(tag, language.patterns.name) for tag, language in languages().items()],
        "zones": [(area, list(names)) for area, names in groupby(time_zones(), lambda name: name.partition("/")[0])],
        "servers_zone": str(context.instance.zone),
        "title": _("Preferences"),
        "error": error,
        "is_saved": is_saved,
    }
    if isinstance(caller, OperatorCaller):
        return operator_page(
            context,
            scope,
            caller,
            token,
            "preferences.html",
            "preferences",
            status=status,
            **values,
        )
    frame = Frame(caller.actor.name, str(zone_of(context.instance)))
    return page(scope, "account/preferences.html", status, frame=frame, sub="preferences", **values)
