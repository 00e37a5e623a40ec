"""`holdfast notice ...`"""

from __future__ import annotations

import sys
from typing import Annotated

from holdfast.cli.command_line.declared import Argument, Exit, Group, Option
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import operator, state

app = Group()

EndpointId = Annotated[str, Argument(metavar="ENDPOINT", help="The endpoint's id.")]
AccountId = Annotated[
    str | None,
    Option("--account", help="The account to notify; without it the operator is notified of all accounts."),
]


@app.command("add")
def add(
    url: Annotated[
        str | None,
        Argument(metavar="URL", help="https://..., or a URL of apprise; without, or `-`: read from standard input."),
    ] = None,
    account: AccountId = None,
    events: Annotated[
        list[str] | None, Option("--event", help="The event to send; may be given several times.")
    ] = None,
    label: Annotated[str | None, Option("--label", help="What it is called in lists.")] = None,
    json: Json = False,
) -> None:
    """Notify somebody of events: by a signed webhook, or by mail, chat or push (apprise)."""
    from holdfast.schemas.commands import NewEndpoint, extended
    from holdfast.service.notify.endpoints import add_endpoint, shown_endpoint
    from holdfast.service.registry.accounts import get_account

    if url in (None, "-"):  # so that a token in it is in no list of processes
        url = sys.stdin.readline().strip()
    with state.instance() as instance:
        if account is not None:
            get_account(instance, account)
        made = add_endpoint(instance, account, url or "", operator(), events or None, label)
        shown = shown_endpoint(instance, made.endpoint)
    if json:
        print_json(extended(NewEndpoint, shown, account, made.secret))
        return
    print(f"Endpoint  {made.endpoint.id} ({made.endpoint.label})")
    if made.secret is not None:
        print(f"Secret    {made.secret}  (shown this once; the receiver checks signatures with it)")
    print(f"Try it    holdfast notice test {made.endpoint.id}")


@app.command("list")
def list_all(
    account: Annotated[str | None, Option("--account", help="Only those of one account.")] = None,
    json: Json = False,
) -> None:
    """List endpoints: the operator's and those of all accounts."""
    from holdfast.schemas.commands import OperatorEndpoint, extended
    from holdfast.service.notify.endpoints import all_endpoints, list_endpoints, shown_endpoint

    with state.instance() as instance:
        found = all_endpoints(instance) if account is None else list_endpoints(instance, account)
        shown = [
            extended(OperatorEndpoint, shown_endpoint(instance, endpoint), endpoint.account_id) for endpoint in found
        ]
    if json:
        print_json(shown)
    else:
        print_table(
            ("ENDPOINT", "ACCOUNT", "STATE", "LABEL", "EVENTS"),
            [
                (
                    one.id,
                    one.account_id or "operator",
                    "disabled" if one.disabled_at else "enabled",
                    one.label,
                    ", ".join(one.events),
                )
                for one in shown
            ],
        )


@app.command("remove")
def remove(endpoint_id: EndpointId, json: Json = False) -> None:
    """Remove an endpoint, with its log."""
    from holdfast.schemas.commands import RemovedEndpoint
    from holdfast.service.notify.endpoints import find_endpoint, remove_endpoint

    with state.instance() as instance:
        endpoint = find_endpoint(instance, endpoint_id)
        remove_endpoint(instance, endpoint, operator())
    if json:
        print_json(RemovedEndpoint(endpoint.id))
    else:
        print(f"Removed {endpoint.label}.")


@app.command("enable")
def enable(endpoint_id: EndpointId, json: Json = False) -> None:
    """Send to an endpoint again that was disabled. What was given up meanwhile is not sent."""
    from holdfast.service.notify.endpoints import change_endpoint, find_endpoint, shown_endpoint

    with state.instance() as instance:
        endpoint = change_endpoint(instance, find_endpoint(instance, endpoint_id), operator(), is_enabled=True)
        shown = shown_endpoint(instance, endpoint)
    if json:
        print_json(shown)
    else:
        print(f"Notices are sent to {endpoint.label} again.")


@app.command("test")
def try_out(endpoint_id: EndpointId, json: Json = False) -> None:
    """Send a test now and print the outcome; exit code 1 when it did not arrive."""
    from holdfast.service.notify.dispatch import send_test
    from holdfast.service.notify.endpoints import find_endpoint, shown_delivery

    with state.instance() as instance:
        endpoint = find_endpoint(instance, endpoint_id)
        sent = send_test(instance, endpoint, operator())
        shown = shown_delivery(instance, sent)
    if json:
        print_json(shown)
    elif sent.error is None:
        print(f"The test arrived at {endpoint.label}.")
    else:
        print(f"The test did not arrive at {endpoint.label}: {sent.error}", file=sys.stderr)
    if sent.error is not None:
        raise Exit(1)


@app.command("log")
def log(
    endpoint_id: EndpointId,
    limit: Annotated[int, Option("--limit", min=1, max=1000, help="How many at most.")] = 20,
    json: Json = False,
) -> None:
    """List what was sent to an endpoint, newest first."""
    from holdfast.service.notify.endpoints import find_endpoint, list_deliveries, shown_delivery

    with state.instance() as instance:
        endpoint = find_endpoint(instance, endpoint_id)
        shown = [shown_delivery(instance, one) for one in list_deliveries(instance, endpoint, limit)]
    if json:
        print_json(shown)
    else:
        print_table(
            ("WHEN", "EVENT", "STATE", "ATTEMPTS", "WHAT CAME OF IT"),
            [
                (
                    one.created_at,
                    one.type,
                    one.state,
                    str(one.attempts),
                    str(one.error or one.status or ""),
                )
                for one in shown
            ],
        )
