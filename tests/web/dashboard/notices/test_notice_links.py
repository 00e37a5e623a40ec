"""The address in a notice of each kind opens a page, for the owner and in the operator's for the operator."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import httpx
from kit.browser import operator_signed_in, signed_in
from kit.site import Site

from holdfast.catalog.backups.audited import enter_backup_event
from holdfast.catalog.events.deliveries import claim_next
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.events.records import MESSAGE_KINDS
from holdfast.catalog.records import SYSTEM, EventKind
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.notify.messages import body_of
from holdfast.service.registry.trash import delete_backup
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted

KINDS = [str(kind) for kind in MESSAGE_KINDS]


def links_of(site: Site) -> set[tuple[str, str, str]]:
    """The kind, receiver and path of each message that waits."""
    found = set()
    now = site.instance.clock.now_ns() + 1
    while (claimed := claim_next(site.instance.catalog, now, now * 2)) is not None:
        delivery, endpoint = claimed
        body = body_of(site.instance, delivery, endpoint)
        assert body is not None
        link = urlsplit(json.loads(body)["data"]["link"])
        whose = "operator" if endpoint.account_id is None else "owner"
        found.add((delivery.kind, whose, link.path))
    return found


def test_the_link_of_each_kind_of_notice_opens_a_page(site: Site, http: httpx.Client) -> None:
    instance, account_id, app_id = site.instance, site.silver.account.id, site.app.id
    backup, trashed = site.take(), site.take()
    delete_backup(instance, trashed, SYSTEM)
    job = request_restore(instance, backup, site.app, Wanted(mode="overlay"), SYSTEM)
    for owner, host in ((account_id, "93.184.216.34"), (None, "127.0.0.1")):
        add_endpoint(instance, owner, f"https://{host}/x", SYSTEM, KINDS)
    with instance.catalog.write() as connection:
        for kind in MESSAGE_KINDS:
            now = instance.clock.now_ns()
            match kind:
                case EventKind.STORAGE_NEARLY_FULL:
                    enter_event(connection, kind, account_id, now, used=9, allowed=10)
                case EventKind.BACKUP_OVERDUE:
                    enter_event(connection, kind, account_id, now, app_id=app_id)
                case EventKind.RESTORE_FINISHED:
                    enter_event(connection, kind, account_id, now, app_id=app_id, backup_id=backup.id, job_id=job.id)
                case EventKind.BACKUP_EXPIRED:
                    enter_backup_event(connection, kind, trashed.id, now)
                case _:
                    enter_backup_event(connection, kind, backup.id, now)
    found = links_of(site)
    assert {kind for kind, whose, _ in found if whose == "owner"} == set(KINDS)
    signed_in(site, http)
    one = f"/apps/{app_id}/backups/{backup.id}"
    wanted = {"backup.expired": f"/apps/{app_id}", "storage.nearly_full": "/account/plan", "backup.failed": one}
    wanted |= {"restore.finished": f"/jobs/{job.id}", "backup.overdue": f"/apps/{app_id}", "verify.failed": one}
    assert {kind: path for kind, whose, path in found if whose == "owner" and kind in wanted} == wanted
    with site.client() as operator:
        operator_signed_in(site, operator)
        for name, whose, path in found:
            answer = (operator if whose == "operator" else http).get(path)
            assert answer.status_code == 200, (name, whose, path)
            assert site.silver.account.email in answer.text, (name, whose, path)
