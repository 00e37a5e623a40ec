"""`/forgot`: asking for a link for a new password, and `/forgot/new`: setting it."""

from __future__ import annotations

from contextlib import suppress

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.credentials.password_links import (
    NEW_PASSWORD_PATH,
    email_of_link,
    mail_password_link,
    set_password_by_link,
)
from holdfast.service.credentials.passwords import CHARACTERS_MIN
from holdfast.service.errors import Invalid
from holdfast.service.language.texts import _
from holdfast.service.notify.mail import has_mail
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import LOGIN_PATH, AnyRequest, as_page, require_from_here
from holdfast.web.dashboard.people.trying import may_mail
from holdfast.web.dashboard.render import page
from holdfast.web.dashboard.session import set_cookie
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

FORGOT_PATH = "/forgot"


def forgotten_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    return [*_asking_routes(context), *_setting_routes(context)]


def _asking_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(FORGOT_PATH, opt=OPEN)
    @as_page
    async def show_forgotten(request: AnyRequest) -> Answer:
        can_mail = has_mail(context.instance)
        lines = (
            [_("Give your e-mail address, and we send you a link for a new one.")]
            if can_mail
            else [_("This site sends no mail. Ask your host for a link; it lets you set a new password.")]
        )
        return page(
            request.scope,
            "sign_in/forgot.html",
            title=_("Forgot your password?"),
            lines=lines,
            action=FORGOT_PATH,
            can_mail=can_mail,
            back=LOGIN_PATH,
        )

    @post(FORGOT_PATH, opt=OPEN)
    @as_page
    async def ask_for_link(request: AnyRequest) -> Answer:
        require_from_here(context, request.scope)
        email = (await inputs.form_body(request)).get("email", "").strip()
        if may_mail(context, request.scope, email.lower()) and has_mail(context.instance):
            with suppress(RuntimeError):  # the server ends
                # Behind the answer, which is the same, and as fast, for an address that nobody has.
                context.outside.submit(mail_password_link, context.instance, email)
        return page(
            request.scope,
            "refused.html",
            title=_("Look into your mail"),
            lines=[_("If the address is known here, a link is on its way to it. It works once, for 15 minutes.")],
            sign_in_path="",
            back_path="/",
        )

    return [show_forgotten, ask_for_link]


def _setting_routes(context: Context) -> list[HTTPRouteHandler]:
    def shown(scope: Scope, email: str, token: str, error: str = "", status: int = 200) -> Answer:
        return page(
            scope,
            "sign_in/new_password.html",
            status,
            title=_("Set a new password"),
            lines=[_("For %(email)s. All sessions end; sign in with it afterwards.", email=email)],
            action=NEW_PASSWORD_PATH,
            token=token,
            email=email,
            least=CHARACTERS_MIN,
            error=error,
        )

    @get(NEW_PASSWORD_PATH, opt=OPEN)
    @as_page
    async def show_new_password(request: AnyRequest) -> Answer:
        token = inputs.query(request.scope, "token").get("token", "")
        return shown(request.scope, await context.call(email_of_link, context.instance, token), token)

    @post(NEW_PASSWORD_PATH, opt=OPEN)
    @as_page
    async def set_new_password(request: AnyRequest) -> Answer:
        require_from_here(context, request.scope)
        fields = await inputs.form_body(request)
        token, new = fields.get("token", ""), fields.get("new", "")
        email = await context.call(email_of_link, context.instance, token)
        if new != fields.get("again", ""):
            return shown(request.scope, email, token, _("The two are not the same; type the password again."), 400)
        ip = context.addresses.client(request.scope)
        try:
            await context.call_hashing(set_password_by_link, context.instance, token, new, ip)
        except Invalid as error:
            return shown(request.scope, email, token, error.message, error.http_status)
        return page(
            request.scope,
            "refused.html",
            200,
            [set_cookie(context, "", 0)],
            title=_("Your new password is set"),
            lines=[_("All sessions have ended. Sign in with it.")],
            sign_in_path=LOGIN_PATH,
        )

    return [show_new_password, set_new_password]
