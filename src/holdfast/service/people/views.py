"""An operator is shown the pages of an account as its people see them: read only, for half an hour, and audited.

It must never let an operator change or take anything with the account's own rights, or outlast his session, the account
or the host's leave.
"""

from __future__ import annotations

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import views as rows
from holdfast.catalog.records import Account
from holdfast.service.errors import Conflict, ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OperatorCaller
from holdfast.service.people.rights import GROUPS, Grant
from holdfast.units import MINUTE_NS

VIEW_NS = 30 * MINUTE_NS
"""The pages are shown this long."""

VIEW = Grant(GROUPS["view"])
"""To see what is known of backups, and not what is in their files."""


class ViewOnly(ServiceError):
    """Whoever is shown an account's pages wants to change something."""

    http_status = 403

    def __init__(self) -> None:
        super().__init__(
            "VIEW_ONLY",
            "You look at this account as its customer, and can change nothing meanwhile; stop looking first.",
        )


def begin_view(instance: Instance, operator: OperatorCaller, account: Account) -> None:
    """Show an operator the pages of an account. Raises Conflict (VIEW_OFF, ACCOUNT_ENDED)."""
    if not instance.config.operators_view_accounts:
        raise Conflict("VIEW_OFF", "The configuration does not allow it (operators_view_accounts).")
    now_ns = instance.clock.now_ns()
    change = Change(operator.actor, "account.view_begun", account.id, data={"minutes": VIEW_NS // MINUTE_NS})
    if not rows.begin_view(instance.catalog, operator.session_id, now_ns + VIEW_NS, change, now_ns):
        raise Conflict("ACCOUNT_ENDED", "The account has ended, so nobody sees its pages.")


def end_view(instance: Instance, operator: OperatorCaller) -> str | None:
    """Show an operator no account's pages any more; return the id of the account that it was."""
    account_id = operator.views_account_id
    if account_id is not None:
        change = Change(operator.actor, "account.view_ended", account_id)
        rows.end_view(instance.catalog, operator.session_id, change, instance.clock.now_ns())
    return account_id


def viewed_account(instance: Instance, operator: OperatorCaller) -> tuple[Account, int | None] | None:
    """Return the account that an operator is shown now, and when it is erased; None for none."""
    if operator.views_account_id is None or not instance.config.operators_view_accounts:
        return None
    if operator.views_until is None or operator.views_until <= instance.clock.now_ns():
        return None
    found = instance.prepared.account_with_end(operator.views_account_id)
    if found is None or found[0].ended_at is not None or not found[0].data_key_sealed:
        return None
    return found


def viewing_caller(operator: OperatorCaller, account: Account, erase_at: int | None) -> Caller:
    """Return an operator as a caller of the account that he is shown. Nothing elevates him there."""
    return Caller(
        account,
        operator.actor,
        VIEW,
        operator.person_id,
        session_id=operator.session_id,
        unnoted_until=operator.unnoted_until,
        preferences=operator.preferences,
        erase_at=erase_at,
        is_view_only=True,
    )
