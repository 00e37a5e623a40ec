"""`/operator/accounts` and `/operator/accounts/{id}`: the customers, and what the operator may do for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.operator.accounts import AccountState, account_state, find_accounts
from holdfast.service.people.operators import OPERATOR_PATH, OperatorCaller
from holdfast.service.people.sign_in import make_sign_in_link
from holdfast.service.policy.limits import shown_limits
from holdfast.service.registry import accounts
from holdfast.web.api.people.account_erasure import keep
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, operator_form, require_operator
from holdfast.web.dashboard.operator.app_list_pages import HEADS, app_cells
from holdfast.web.dashboard.operator.frame import operator_page
from holdfast.web.dashboard.operator.tables import ROWS, Cell, Field, Table, address
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.standing import badge_of
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

PATH = f"{OPERATOR_PATH}/accounts"
_ONE = f"{PATH}/{{account_id:str}}"


def account_list_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(PATH, opt=OPERATOR)
    @as_page
    async def all_accounts(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        fields = inputs.query(request.scope, "q", "after")
        part = fields.get("q", "").strip()
        found = await context.call(find_accounts, instance, part, fields.get("after", ""), ROWS + 1)
        return operator_page(
            context,
            request.scope,
            operator,
            token,
            "list.html",
            "accounts",
            title=_("Accounts"),
            lead=_("The customers, by address. An account stands as the worst of its applications."),
            path=PATH,
            lists=[_table(instance, found, part)],
        )

    @get(_ONE, opt=OPERATOR)
    @as_page
    async def one_account(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        found = await context.call(account_state, instance, inputs.path_segment(request.scope, 2))
        return _page(context, request, operator, token, found)

    return [all_accounts, one_account, *_change_routes(context)]


def _change_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @post(f"{_ONE}/plan", opt=OPERATOR)
    @as_page
    async def change_plan(request: AnyRequest) -> Answer:
        path = _path_of(request)
        operator, fields = await operator_form(context, request, f"{path}/plan")
        await context.call(accounts.set_plan, instance, _id_of(request), fields.get("plan", ""), operator.actor)
        return redirect(path, [])

    @post(f"{_ONE}/sign-in-link", opt=OPERATOR)
    @as_page
    async def hand_over(request: AnyRequest) -> Answer:
        path = _path_of(request)
        operator, _ = await operator_form(context, request, f"{path}/sign-in-link")
        found = await context.call(account_state, instance, _id_of(request))
        made = await context.call(make_sign_in_link, instance, found.account, operator.actor)
        _, token = require_operator(context, request.scope)
        return _page(context, request, operator, token, found, made.url)

    @post(f"{_ONE}/keep", opt=OPERATOR)
    @as_page
    async def keep_account(request: AnyRequest) -> Answer:
        path = _path_of(request)
        operator, _ = await operator_form(context, request, f"{path}/keep")
        found = await context.call(account_state, instance, _id_of(request))
        await keep(context, found.account, operator.actor)
        return redirect(path, [])

    suspending = (("suspend", True), ("unsuspend", False))
    return [change_plan, hand_over, keep_account, *(_suspending_route(context, *form) for form in suspending)]


def _suspending_route(context: Context, name: str, is_suspended: bool) -> HTTPRouteHandler:
    @post(f"{_ONE}/{name}", opt=OPERATOR)
    @as_page
    async def form(request: AnyRequest) -> Answer:
        path, account_id = _path_of(request), _id_of(request)
        operator, _ = await operator_form(context, request, f"{path}/{name}")
        change = accounts.set_suspended
        await context.call(change, context.instance, account_id, operator.actor, is_suspended=is_suspended)
        return redirect(path, [])

    return form


def _id_of(request: AnyRequest) -> str:
    return inputs.path_segment(request.scope, 2)


def _path_of(request: AnyRequest) -> str:
    """The path of the account's page; as it was asked for, which is what its forms are bound to."""
    return f"{PATH}/{_id_of(request)}"


def _table(instance: Instance, found: Sequence[AccountState], part: str) -> Table:
    rows = found[:ROWS]
    return Table(
        N_("Accounts"),
        (
            N_("Account"),
            N_("Plan"),
            N_("Standing"),
            N_("Applications"),
            N_("Backups"),
            N_("Stored"),
            N_("Last seen"),
        ),
        [_cells(instance, one) for one in rows],
        (Field("q", N_("Address, name or id"), part),),
        address(PATH, {"q": part}, after=rows[-1].account.email) if len(found) > ROWS else "",
        empty=N_("No account is like that."),
    )


def _cells(instance: Instance, one: AccountState) -> list[Cell]:
    account, now_ns = one.account, instance.clock.now_ns()
    css, word = _stands(one)
    return [
        Cell(account.email, href=f"{PATH}/{account.id}", small=account.name or account.external_id or account.id),
        Cell(account.plan),
        Cell(word, css=css),
        Cell(words.number(one.usage.apps)),
        Cell(words.number(one.usage.backups)),
        Cell(words.size(one.usage.storage)),
        Cell(_("never") if one.seen_at is None else words.ago(one.seen_at, now_ns)),
    ]


def _stands(one: AccountState) -> tuple[str, str]:
    """The class and the word of how an account stands."""
    if one.account.ended_at is not None:
        return "none", _("Ended")
    if one.erase_at is not None:
        return "bad", _("To be erased")
    if one.account.is_suspended:
        return "warn", _("Suspended")
    if one.standing is None:
        return "none", _("No applications")
    badge = badge_of(one.standing.kind)
    return badge.css, badge.word


def _page(
    context: Context,
    request: AnyRequest,
    operator: OperatorCaller,
    token: str,
    found: AccountState,
    link: str | None = None,
) -> Answer:
    instance, account = context.instance, found.account
    path = f"{PATH}/{account.id}"

    def form(name: str) -> dict[str, str]:
        return {"action": f"{path}/{name}", "token": form_token(token, f"{path}/{name}")}

    css, word = _stands(found)
    return operator_page(
        context,
        request.scope,
        operator,
        token,
        "account.html",
        "accounts",
        title=account.name or account.email,
        email=account.email,
        css=css,
        word=word,
        facts=_facts(instance, found),
        plan=account.plan,
        plans=list(instance.config.plans),
        is_suspended=account.is_suspended,
        is_ended=account.ended_at is not None,
        plan_form=form("plan"),
        suspend_form=form("unsuspend" if account.is_suspended else "suspend"),
        link_form=form("sign-in-link"),
        view_form=form("look") if instance.config.operators_view_accounts else None,
        keep_form=None if found.erase_at is None else form("keep"),
        link=link,
        list=Table(N_("Applications"), HEADS, app_cells(instance, found.apps), empty=N_("It has no applications.")),
    )


def _facts(instance: Instance, one: AccountState) -> list[tuple[str, str]]:
    account, usage, now_ns = one.account, one.usage, instance.clock.now_ns()
    limits: Any = shown_limits(accounts.plan_of(instance, account))
    stored, trash = words.size(usage.storage), words.size(usage.trash_storage)
    if limits.storage is not None:
        stored = _("%(used)s of %(most)s", used=stored, most=words.size(limits.storage))
    return [
        (N_("Id"), account.id),
        (N_("The host's own id"), account.external_id or _("none")),
        (N_("Since"), words.whole(account.created_at, zone_of(instance))),
        (N_("Stored"), stored),
        (N_("Backups"), words.number(usage.backups)),
        (N_("Requested by hand in 24 hours"), words.number(usage.backups_today)),
        (N_("In the trash"), f"{words.number(usage.trash_backups)}, {trash}"),
        (N_("Last seen"), _("never") if one.seen_at is None else words.ago(one.seen_at, now_ns)),
        (N_("Is erased"), _("never") if one.erase_at is None else words.when(one.erase_at, now_ns, zone_of(instance))),
    ]
