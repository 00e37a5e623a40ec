"""`holdfast audit`: who changed what, of all accounts."""

from __future__ import annotations

from typing import Annotated

from holdfast.cli.command_line.declared import Option, WrongUse
from holdfast.cli.jobs import span_ns
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import state
from holdfast.cli.terminal import escaped, write_bytes


def audit(
    account: Annotated[str | None, Option("--account", help="Only of this account, by its id.")] = None,
    name: Annotated[str | None, Option("--app", metavar="APP", help="Only of this application.")] = None,
    actor: Annotated[
        str | None,
        Option("--actor", help="Only of this kind (person, key, operator ...), id or name."),
    ] = None,
    action: Annotated[
        str | None, Option("--action", help="Only this, as backup.deleted; `backup.` for all of a noun.")
    ] = None,
    since: Annotated[str | None, Option("--since", help="How far back, as 90m, 2h or 7d.")] = None,
    limit: Annotated[int, Option("--limit", min=1, max=100_000, help="How many at most.")] = 100,
    as_csv: Annotated[bool, Option("--csv", help="As a file for tables.")] = False,
    json: Json = False,
) -> None:
    """Show who changed what, newest first: of all accounts, and of the instance itself."""
    import msgspec

    from holdfast.catalog.records import AuditFilter
    from holdfast.service.people import audit as operations
    from holdfast.service.registry.apps import find_app

    if as_csv and json:
        raise WrongUse("Give --csv or --json, not both.")
    with state.instance() as instance:
        from_ns = None if since is None else instance.clock.now_ns() - span_ns(since)
        app_id = None if name is None else find_app(instance, name).id
        wanted = AuditFilter(account, app_id, None, actor, action, from_ns)
        shown = operations.operator_entries(instance, operations.entries(instance, wanted, limit))
    if json:
        print_json(shown)
    elif as_csv:
        write_bytes([memoryview(operations.as_csv(shown).encode())])  # as it is: RFC 4180 ends lines with CR LF
    else:
        print_table(
            ("WHEN", "WHO", "FROM", "ACTION", "ACCOUNT", "APP", "BACKUP", "DATA"),
            [
                (
                    one.at,
                    escaped(" ".join(part for part in (one.actor.kind, one.actor.id, one.actor.name) if part)),
                    one.ip or "",
                    one.action,
                    one.account_id or "",
                    one.app_id or "",
                    one.backup_id or "",
                    escaped(msgspec.json.encode(one.data).decode()),
                )
                for one in shown
            ],
        )
