"""Two tenants: whatever one asks of the other's things is answered as if they had never been.

The requests are made from the routes themselves, so that a new route is covered as soon as it is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

import httpx
import msgspec
from kit.admin_keys import admin_key
from kit.keys import add_named_key
from kit.site import Site
from litestar import Litestar
from sqlalchemy import select

from holdfast.catalog.database.access_tables import keys, passkeys
from holdfast.catalog.events.audit import Change
from holdfast.catalog.identities.rows import link_identity, new_identity
from holdfast.catalog.people.keys import keys_of
from holdfast.catalog.people.records import Passkey
from holdfast.catalog.records import SYSTEM
from holdfast.schemas.links import NewLink
from holdfast.service.integrity.verify import request_verify
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.people.links import make_link
from holdfast.service.people.sessions import caller_of_session
from holdfast.service.people.sign_in import make_sign_in_link, open_sign_in_link

NEVER = "f" * 32
"""An id that nothing ever had."""

OPEN = {
    *("/docs/{file}", "/static/{file}", "/invite/{token}"),
    *("/oidc/{name}", "/oidc/{name}/callback", "/oidc/{name}/account", "/oidc/{name}/link", "/oidc/{name}/elevate"),
}
"""The same for everybody, and what its own secret opens."""

BODIES: tuple[dict[str, Any] | None, ...] = (
    *(None, {}, {"name": "x"}, {"cron": "0 3 * * *"}, {"group": "view"}, {"expires_in": 60}),
)
QUERIES = ("", "?q=hello", "?path=hello.txt", "?with=" + NEVER)


def routes(site: Site) -> list[str]:
    """The paths of all routes with something that varies: `/v3/apps/{app_id}/backups`."""
    api = cast(Litestar, site.front.api)
    paths = {re.sub(r":\w+}", "}", route.path) for route in api.routes}
    return sorted(path for path in paths - OPEN if "{" in path)


def filled(path: str, ids: dict[str, str]) -> str:
    """The path with these ids. A name that is not known fails: give the new route's things a row in `theirs`."""
    return re.sub(r"{(\w+)}", lambda match: ids[match[1]], path)


def shape(answer: httpx.Response, ids: dict[str, str]) -> tuple[object, ...]:
    """All of an answer that could tell two of them apart, but for what the request itself said."""
    text = answer.text
    for value in ids.values():
        text = text.replace(value, "<given>")
    return answer.status_code, sorted(name for name in answer.headers if name != "date"), text


def state_of(site: Site) -> list[Any]:
    tables = ("backups", "jobs", "apps", "endpoints", "deliveries", "members", "invitations", "links", "identities")
    with site.instance.catalog.read() as connection:
        found = [connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY id").all() for table in tables]
        # But not when they were used last, which is noted some time after the use.
        theirs = select(*(c for c in keys.c if c.name != "used_at")).where(keys.c.account_id == site.other.account.id)
        return [*found, connection.execute(theirs.order_by(keys.c.id)).all()]


def requests(path: str) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """Method, query and body of what is asked of one route."""
    for query in QUERIES:
        yield "GET", query, None
    yield "DELETE", "", None
    for method in ("POST", "PUT", "PATCH"):
        for body in BODIES:
            yield method, "", body


def test_what_is_anothers_is_answered_as_what_never_was(site: Site, silver: httpx.Client) -> None:
    backup = site.take(site.other_app)
    job = request_verify(site.instance, backup, "main", SYSTEM)
    endpoint = add_endpoint(
        site.instance,
        site.other.account.id,
        "https://hooks.example/x",
        SYSTEM,
        resolve=lambda host, port: ["93.184.216.34"],
    ).endpoint
    theirs = {"app_id": site.other_app.id, "backup": backup.id, "job_id": job.id, "webhook_id": endpoint.id}
    add_named_key(site.instance, site.other.account.id, "view")
    theirs["key_id"] = keys_of(site.instance.catalog, site.other.account.id)[-1].id
    theirs["link_id"] = make_link(site.instance, backup, NewLink(expires_in=60), SYSTEM)[0].id
    with site.client(site.other.api_key) as client:
        theirs["member_id"] = client.post("/v3/members", json={"email": "eva@example.org", "group": "view"}).json()[
            "response"
        ]["id"]
    link = make_sign_in_link(site.instance, site.other.account, SYSTEM)
    signed_in = open_sign_in_link(site.instance, link.url.partition("=")[2], "192.0.2.7", "", None)
    theirs["session_id"] = caller_of_session(site.instance, signed_in.token, "192.0.2.7").session_id or ""
    person = caller_of_session(site.instance, signed_in.token, "192.0.2.7")
    identity = new_identity(person.person_id or "", "https://id.example", "sub", "ana", 1)
    linked = link_identity(
        site.instance.catalog,
        identity,
        theirs["session_id"],
        site.other.account.id,
        Change(person.actor, "identity.linked", site.other.account.id),
        1,
    )
    theirs["identity_id"] = linked.id if linked is not None else ""
    passkey = Passkey(NEVER[1:] + "0", person.person_id or "", b"id", b"key", 0, None, "localhost", "Phone", None, 1)
    with site.instance.catalog.write() as connection:
        values = msgspec.structs.asdict(passkey)
        connection.execute(passkeys.insert().values(values))
    theirs["passkey_id"] = passkey.id
    with site.client(admin_key(site.instance, "accounts")) as panel:
        assert panel.put("/v3/admin/accounts/cust-1", json={"email": "bo@example.org", "plan": "Silver"}).is_success
    theirs |= {"external_id": "cust-1", "account_id": site.other.account.id}
    never = dict.fromkeys(theirs, NEVER)
    before = state_of(site)
    asked = 0
    for path in routes(site):
        # The other's backup is asked for below one's own application too.
        owners = ({}, {"app_id": site.app.id}) if "{backup}" in path else ({},)
        for own in owners:
            for method, query, body in requests(path):
                ids, others = {**theirs, **own}, {**never, **own}
                one, other = (silver.request(method, filled(path, of) + query, json=body) for of in (ids, others))
                assert shape(one, ids) == shape(other, others), (method, path, query, body)
                assert one.status_code >= 400
                asked += 1
    assert asked > 200
    assert state_of(site) == before
