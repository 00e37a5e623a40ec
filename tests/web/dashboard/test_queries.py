"""Every page of the dashboard, found from the routes: at most eight queries, for one row and for many.

The look-ups of the session and of whose the application in the path is are not counted: each is one row by a unique
index, on a connection of its own (`catalog/prepared_queries.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import httpx
from kit.browser import HERE, form_of, operator_signed_in, signed_in
from kit.counted import counted
from kit.many import add_backups, add_many
from kit.site import Site, set_plans
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.backups.damage import DAMAGED, Found, record_findings
from holdfast.catalog.database.tables import apps
from holdfast.catalog.records import SYSTEM, JobState, Warned
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.trash import delete_backup
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.request import request_backup

QUERIES_MAX = 8
NO_PAGES = {
    "/live": "a stream, which ends with the page",
    "/static/": "read from the disk alone",
    "/invite/": "a link that is used up",
    "/forgot/new": "a link that is used up",
    "/oidc/": "another site's log-in, which the way back of is used up",
}
"""The beginnings of routes that are not counted, with the reason."""

VARIANTS = {
    "/apps/{app_id}": ("?after={backup}&deleted={trashed}", "?deleted={trashed}", "?show=failed&q=x"),
    "/apps/{app_id}/schedule": ("?when=cron&cron=0+3+*+*+*&days=7&all=1",),
    "/apps/{app_id}/files": ("?backup={backup}&path=sub", "?q=hello"),
    "/apps/{app_id}/diff": ("?from={backup}&to={newer}",),
    "/apps/{app_id}/restore": ("?backup={backup}&mode=mirror",),
    "/apps/{app_id}/file": ("?path=hello.txt",),
    "/apps/{app_id}/content": ("?backup={backup}&path=hello.txt",),
    "/apps/{app_id}/picture": ("?backup={newer}&path=a.png",),
    "/apps/{app_id}/ticked": ("?backup={newer}&paths=hello.txt",),
    "/apps/{app_id}/versions": ("?path=hello.txt",),
    "/operator/apps": ("?standing=failed&node=node-1",),
}
"""The queries with which a page asks for more than without."""


def pages(site: Site, *, of_operator: bool) -> Iterator[str]:
    """The paths of the pages, with what varies as `{app_id}`, and each with its variants."""
    for route in cast(Litestar, site.front.api).routes:
        path = re.sub(r":\w+}", "}", route.path)
        handlers = [one for one in getattr(route, "route_handlers", ()) if isinstance(one, HTTPRouteHandler)]
        is_page = any("GET" in one.http_methods and "dashboard" in one.fn.__module__ for one in handlers)
        if is_page and not path.startswith(tuple(NO_PAGES)) and path.startswith("/operator") == of_operator:
            yield from (f"{path}{query}" for query in ("", *VARIANTS.get(path, ())))


def asked(site: Site, http: httpx.Client, ids: dict[str, str], *, of_operator: bool) -> dict[str, list[str]]:
    """What each page asks the catalog. Each is shown at least once; without what it needs it may refuse."""
    found, shown = {}, set()
    for page in pages(site, of_operator=of_operator):
        address = re.sub(r"{(\w+)}", lambda match: ids[match[1]], page)
        http.get(address)  # what a process reads once is read
        with counted(site.instance) as statements:
            answer = http.get(address)
        assert answer.status_code < 500, (page, answer.text)
        shown |= {page.partition("?")[0]} if answer.status_code in (200, 303) else set()
        found[page] = statements[:]
    assert {page.partition("?")[0] for page in found} == shown
    return found


def bad_day(site: Site) -> dict[str, str]:
    """Have everything happen to the application that a page could ask about; return the ids of it all."""
    instance, app = site.instance, site.app
    set_plans(instance, backups_per_app=3, backups_per_day=2, storage_bytes=10**9, cooldown_seconds=0)
    (site.folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    backup, newer, trashed = (site.take() for _ in range(3))
    delete_backup(instance, trashed, SYSTEM)
    (site.folder / "hello.txt").write_text("other\n")
    job = request_restore(instance, backup, app, Wanted(mode="overlay"), SYSTEM)
    assert run_restore(instance, job.id).state is JobState.SUCCESSFUL
    record_findings(instance.catalog, [Found(backup.id, (Warned("a", DAMAGED, "x"),))], instance.clock.now_ns())
    with instance.catalog.write() as connection:
        connection.execute(apps.update().where(apps.c.id == app.id).values(overdue_since=job.created_at))
    ids = {"app_id": app.id, "backup": backup.id, "newer": newer.id, "trashed": trashed.id, "job_id": job.id}
    endpoint = add_endpoint(instance, app.account_id, "discord://1/a", SYSTEM).endpoint
    return ids | {"account_id": site.silver.account.id, "file": "none", "webhook_id": endpoint.id}


def test_each_page_takes_at_most_eight_queries_for_one_row_and_for_many(site: Site, http: httpx.Client) -> None:
    ids = bad_day(site)
    signed_in(site, http)
    with site.client() as operator:
        operator_signed_in(site, operator)
        doctor = "/operator/doctor"
        operator.post(doctor, data=form_of(operator.get(doctor), doctor), headers=HERE)
        few = asked(site, http, ids, of_operator=False) | asked(site, operator, ids, of_operator=True)
        add_backups(site.instance, site.app, 60)
        add_many(site.instance, site.silver.account.id, 60, backups_each=3)
        for number in range(12):
            more = add_app(site.instance, site.silver.account.id, f"more {number}", site.folder, SYSTEM)
            request_backup(site.instance, more.id, SYSTEM)
        many = asked(site, http, ids, of_operator=False) | asked(site, operator, ids, of_operator=True)
    assert len(few) > 50
    assert "/apps/{app_id}?after={backup}&deleted={trashed}" in few
    for found in (few, many):
        assert {page: texts for page, texts in found.items() if len(texts) > QUERIES_MAX} == {}
    more_asked = {page: (len(few[page]), len(many[page])) for page in few if len(many[page]) > len(few[page])}
    assert set(more_asked) <= {"/"}, "which leads on to the application while there is one"
