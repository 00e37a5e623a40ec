"""Signing in and elevating a session by a passkey, and adding, renaming and removing one.

A browser's script asks for the options first, by the form's own fields, and puts what the authenticator answers into
the form, which is then sent like any other.
"""

from __future__ import annotations

from litestar import post
from litestar.handlers import HTTPRouteHandler

from holdfast.service.credentials import passkeys as service
from holdfast.service.credentials.ceremony import CHALLENGE_NS
from holdfast.service.errors import Conflict, Invalid, PasskeyRefused, PasswordRefused
from holdfast.service.people.tokens import is_token, new_token
from holdfast.units import SECOND_NS
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import (
    ELEVATE_PATH,
    LOGIN_PATH,
    PROOFS_PATH,
    AnyRequest,
    account_of,
    as_page,
    person_form,
    require_elevated,
    require_from_here,
    return_path,
)
from holdfast.web.dashboard.people.log_in_pages import browser_of, log_in_page, signed_in
from holdfast.web.dashboard.people.password_pages import elevation_page
from holdfast.web.dashboard.people.trying import came_back, one_round
from holdfast.web.dashboard.proofs.factor_pages import proofs_page
from holdfast.web.dashboard.proofs.passkey_list import PASSKEYS_PATH, change_path
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.session import session_token, set_cookie
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import JSON_HEADERS, Answer, Headers

COOKIE = "holdfast-passkey"
"""Of a browser in which nobody is signed in, to which a challenge is bound."""
_SIGN_IN, _ELEVATE = f"{LOGIN_PATH}/passkey", f"{ELEVATE_PATH}/passkey"
_ID_SEGMENT = 3


def passkey_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    return [*_sign_in_routes(context), *_elevation_routes(context), *_add_routes(context), *_change_routes(context)]


def _options(body: bytes, more: Headers | None = None) -> Answer:
    return Answer(200, body, [*JSON_HEADERS, *(more or [])])


def _sign_in_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @post(f"{_SIGN_IN}/options", opt=OPEN)
    @as_page
    async def sign_in_options(request: AnyRequest) -> Answer:
        require_from_here(context, request.scope)
        given = session_token(context, request.scope, COOKIE) or ""
        token = given if is_token(given) else new_token()
        body = service.sign_in_options(instance, token)
        return _options(body, [set_cookie(context, token, CHALLENGE_NS // SECOND_NS, COOKIE)])

    @post(_SIGN_IN, opt=OPEN)
    @as_page
    async def sign_in(request: AnyRequest) -> Answer:
        scope = request.scope
        require_from_here(context, scope)
        fields = await inputs.form_body(request)
        wanted, browser = return_path(fields.get("return_to", "/")), browser_of(context, scope)
        answer, token = fields.get("credential", ""), session_token(context, scope, COOKIE)
        one_round(context, scope)
        try:
            done = await context.call(service.sign_in, instance, answer, token, browser, wanted)
        except (PasskeyRefused, PasswordRefused) as refused:
            return log_in_page(context, scope, wanted, error=refused.message, status=refused.http_status)
        came_back(context, scope)
        return signed_in(context, done, wanted, [set_cookie(context, "", 0, COOKIE)])

    return [sign_in_options, sign_in]


def _elevation_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @post(f"{_ELEVATE}/options", opt=OPEN)
    @as_page
    async def elevation_options(request: AnyRequest) -> Answer:
        caller, token, _fields = await person_form(context, request, _ELEVATE)
        return _options(await context.call(service.elevation_options, instance, caller, token))

    @post(_ELEVATE, opt=OPEN)
    @as_page
    async def elevate(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, token, fields = await person_form(context, request, _ELEVATE)
        wanted, answer = return_path(fields.get("return_to", "/")), fields.get("credential", "")
        one_round(context, scope)
        try:
            new = await context.call(service.elevate, instance, caller, account_of(caller), answer, token)
        except PasskeyRefused as refused:
            return await elevation_page(context, scope, caller, token, wanted, refused.message, refused.http_status)
        came_back(context, scope)
        return redirect(wanted, [set_cookie(context, new)])

    return [elevation_options, elevate]


def _add_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @post(f"{PASSKEYS_PATH}/options", opt=OPEN)
    @as_page
    async def options_to_add(request: AnyRequest) -> Answer:
        caller, token, _fields = await person_form(context, request, PASSKEYS_PATH)
        require_elevated(context, caller, PROOFS_PATH)
        return _options(await context.call(service.options_to_add, instance, caller, token))

    @post(PASSKEYS_PATH, opt=OPEN)
    @as_page
    async def add(request: AnyRequest) -> Answer:
        caller, token, fields = await person_form(context, request, PASSKEYS_PATH)
        require_elevated(context, caller, PROOFS_PATH)
        answer, name = fields.get("credential", ""), fields.get("name", "")
        try:
            await context.call(service.add, instance, caller, account_of(caller), answer, name, token)
        except (PasskeyRefused, Conflict, Invalid) as refused:
            return await proofs_page(context, request.scope, caller, token, refused.message, refused.http_status)
        return redirect(PROOFS_PATH, [])

    return [options_to_add, add]


def _change_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @post(f"{PASSKEYS_PATH}/{{passkey_id:str}}/rename", opt=OPEN)
    @as_page
    async def rename(request: AnyRequest) -> Answer:
        passkey_id = inputs.path_segment(request.scope, _ID_SEGMENT)
        caller, token, fields = await person_form(context, request, change_path(passkey_id, "rename"))
        name = fields.get("name", "")
        try:
            await context.call(service.rename, instance, caller, account_of(caller), passkey_id, name)
        except Invalid as refused:
            return await proofs_page(context, request.scope, caller, token, refused.message, refused.http_status)
        return redirect(PROOFS_PATH, [])

    @post(f"{PASSKEYS_PATH}/{{passkey_id:str}}/remove", opt=OPEN)
    @as_page
    async def remove(request: AnyRequest) -> Answer:
        passkey_id = inputs.path_segment(request.scope, _ID_SEGMENT)
        caller, token, _fields = await person_form(context, request, change_path(passkey_id, "remove"))
        require_elevated(context, caller, PROOFS_PATH)
        try:
            await context.call(service.remove, instance, caller, account_of(caller), passkey_id)
        except Conflict as refused:
            return await proofs_page(context, request.scope, caller, token, refused.message, refused.http_status)
        return redirect(PROOFS_PATH, [])

    return [rename, remove]
