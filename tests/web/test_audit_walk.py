"""Every route that is no GET, found from the routes themselves: one that changes anything leaves an entry."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import httpx
import msgspec
from kit.admin_keys import admin_key
from kit.browser import HERE, form_of, signed_in
from kit.host_apps import app_folder
from kit.keys import add_named_key
from kit.site import Site

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, ActorKind, AppSettings, AuditEntry, AuditFilter, Backup, JobState, Shrunk
from holdfast.service.host.admin_keys import Scope
from holdfast.service.jobs.work import cancel_work
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.registry.trash import delete_backup
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.retention.erasure import ask_to_erase
from holdfast.service.take.request import request_backup
from holdfast.web.app import routes

READ_ONLY: dict[str, str] = {}
"""Routes with other methods than GET that change nothing, with the reason."""
SHOW = "/account/main-key/show"
INVITED = {"email": "eva@example.org", "group": "view"}

_APP = "/v3/apps/{app_id:str}"
_BACKUP = f"{_APP}/backups/{{backup:str}}"
_WEBHOOK = "/v3/webhooks/{webhook_id:str}"


class Walk:
    """One request of each route, on things that are made for it."""

    def __init__(self, site: Site, client: httpx.Client) -> None:
        self.site = site
        self.client = client
        self.app = f"/v3/apps/{site.app.id}"

    def backup(self) -> Backup:
        return self.site.take()

    def deleted(self) -> str:
        """The id of a backup in the trash."""
        backup = self.backup()
        delete_backup(self.site.instance, backup, SYSTEM)
        return backup.id

    def webhook(self) -> str:
        account_id = self.site.silver.account.id
        made = add_endpoint(self.site.instance, account_id, "http://127.0.0.1:9999/x", SYSTEM)
        return f"/v3/webhooks/{made.endpoint.id}"

    def key(self) -> str:
        """The address of a key that another one than the caller's made."""
        with self.site.client(self.site.silver.api_key) as client:
            made = client.post("/v3/keys", json={"name": "made", "group": "view"}).json()["response"]
        return f"/v3/keys/{made['id']}"

    def by_owner(self, method: str, body: object = None) -> httpx.Response:
        """Ask for the erasure, or end it, with a key that has all rights; the main key may not."""
        key = add_named_key(self.site.instance, self.site.silver.account.id, "owner", name="main")
        with self.site.client(key) as owner:
            return owner.request(method, "/v3/account/erase", json=body)

    def to_be_erased(self) -> Walk:
        """Have the account erased later."""
        account = self.site.silver.account
        ask_to_erase(self.site.instance, account, account.email, SYSTEM)
        return self

    def link(self) -> str:
        """The address of a link with an end."""
        self.client.post(f"{self.app}/backups/{self.backup().id}/links", json={"expires_in": 700})
        return f"/v3/links/{self.client.get('/v3/links').json()['response'][0]['id']}"

    def invited(self) -> str:
        """The address of a person who is invited by another key than the caller's."""
        with self.site.client(self.site.silver.api_key) as client:
            return str(client.post("/v3/members", json=INVITED).headers["location"])

    def restored(self) -> str:
        """The id of a restore that has changed something, and took a safety backup."""
        backup = self.backup()
        (self.site.folder / "hello.txt").write_text("other\n")
        wanted = Wanted(mode="overlay")
        job = request_restore(self.site.instance, backup, self.site.app, wanted, SYSTEM)
        assert run_restore(self.site.instance, job.id).state is JobState.SUCCESSFUL
        return job.id

    def queued(self) -> str:
        return request_backup(self.site.instance, self.site.app.id, SYSTEM)[0].id


def archive() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("a.txt", "a")
    return data.getvalue()


def cancelled(walk: Walk) -> httpx.Response:
    return walk.client.delete(f"/v3/jobs/{walk.queued()}")


def snapshot_restored(walk: Walk) -> httpx.Response:
    backup = walk.backup()
    body = {"snapshotId": backup.name, "versionId": backup.id}
    return walk.client.post(f"{walk.app}/snapshots/restore?wait=0", json=body)


Case = tuple[str, Callable[[Walk], httpx.Response]]
CASES: dict[str, Case] = {
    f"POST {_APP}/backups/import": (
        "backup.imported",
        lambda w: w.client.post(f"{w.app}/backups/import", content=archive()),
    ),
    "DELETE /v3/jobs/{job_id:str}": ("backup.cancelled", cancelled),
    f"PATCH {_BACKUP}": (
        "backup.renamed",
        lambda w: w.client.patch(f"{w.app}/backups/{w.backup().id}", json={"name": "other"}),
    ),
    f"DELETE {_BACKUP}": ("backup.deleted", lambda w: w.client.delete(f"{w.app}/backups/{w.backup().id}")),
    f"POST {_BACKUP}/undelete": (
        "backup.undeleted",
        lambda w: w.client.post(f"{w.app}/backups/{w.deleted()}/undelete"),
    ),
    f"POST {_BACKUP}/verify": (
        "verify.requested",
        lambda w: w.client.post(f"{w.app}/backups/{w.backup().id}/verify"),
    ),
    f"POST {_BACKUP}/prove": ("prove.requested", lambda w: w.client.post(f"{w.app}/backups/{w.backup().id}/prove")),
    f"PUT {_APP}/schedule": (
        "schedule.set",
        lambda w: w.client.put(f"{w.app}/schedule", json={"cron": "0 3 * * *", "retention": {}, "ignore": ["*.log"]}),
    ),
    f"POST {_APP}/retention/accept": ("size.accepted", lambda w: w.client.post(f"{w.app}/retention/accept")),
    "POST /v3/webhooks": (
        "webhook.created",
        lambda w: w.client.post("/v3/webhooks", json={"url": "http://127.0.0.1:9999/y"}),
    ),
    f"PATCH {_WEBHOOK}": ("webhook.changed", lambda w: w.client.patch(w.webhook(), json={"label": "mine"})),
    f"POST {_WEBHOOK}/secret": ("webhook.secret_replaced", lambda w: w.client.post(f"{w.webhook()}/secret")),
    f"POST {_WEBHOOK}/test": ("webhook.tested", lambda w: w.client.post(f"{w.webhook()}/test")),
    f"DELETE {_WEBHOOK}": ("webhook.removed", lambda w: w.client.delete(w.webhook())),
    "POST /v3/keys": ("key.created", lambda w: w.client.post("/v3/keys", json={"name": "ci", "group": "view"})),
    "PATCH /v3/keys/{key_id:str}": ("key.changed", lambda w: w.client.patch(w.key(), json={"name": "other"})),
    "DELETE /v3/keys/{key_id:str}": ("key.ended", lambda w: w.client.delete(w.key())),
    "POST /v3/members": ("member.invited", lambda w: w.client.post("/v3/members", json=INVITED)),
    "PATCH /v3/members/{member_id:str}": (
        "member.changed",
        lambda w: w.client.patch(w.invited(), json={"group": "manager"}),
    ),
    "DELETE /v3/members/{member_id:str}": ("member.ended", lambda w: w.client.delete(w.invited())),
    "POST /v3/account/key": (
        "account.key_replaced",
        lambda w: w.client.post("/v3/account/key", json={"overlap_seconds": 3600}),
    ),
    "POST /v3/account/erase": (
        "account.erase_asked",
        lambda w: w.by_owner("POST", {"name": w.site.silver.account.email}),
    ),
    "DELETE /v3/account/erase": (
        "account.erase_taken_back",
        lambda w: w.to_be_erased().by_owner("DELETE"),
    ),
    f"POST {_BACKUP}/links": (
        "link.created",
        lambda w: w.client.post(f"{w.app}/backups/{w.backup().id}/links", json={"expires_in": 600}),
    ),
    "DELETE /v3/links/{link_id:str}": ("link.ended", lambda w: w.client.delete(w.link())),
    "POST /v3/account/links/revoke": (
        "account.links_revoked",
        lambda w: w.client.post("/v3/account/links/revoke"),
    ),
    "POST /v3/jobs/{job_id:str}/undo": (
        "restore.requested",
        lambda w: w.client.post(f"/v3/jobs/{w.restored()}/undo"),
    ),
    f"POST {_APP}/snapshots": ("backup.created", lambda w: w.client.post(f"{w.app}/snapshots?wait=0")),
    # Last: what they queue stays queued, and nothing else of the application could begin.
    f"POST {_BACKUP}/restore": (
        "restore.requested",
        lambda w: w.client.post(f"{w.app}/backups/{w.backup().id}/restore", json={"mode": "overlay"}),
    ),
    f"POST {_APP}/snapshots/restore": ("restore.requested", snapshot_restored),
    f"POST {_APP}/backups": ("backup.created", lambda w: w.client.post(f"{w.app}/backups", json={})),
}
"""By route: the action of the entry that it must leave, and a request that changes something."""

SYNCED = b'{"type":"account","external_id":"cust-1","email":"bo@example.org","plan":"Titanium"}'
HOST_ACCOUNT, HOST_APP = "/v3/admin/accounts/cust-1", "/v3/admin/apps/bot-1"
HOST_CASES: dict[str, tuple[str, Callable[[httpx.Client, str], httpx.Response]]] = {
    "PUT /v3/admin/accounts/{external_id:str}": (
        "account.created",
        lambda panel, _: panel.put(HOST_ACCOUNT, json={"email": "bo@example.org", "plan": "Silver"}),
    ),
    "POST /v3/admin/accounts/{external_id:str}/sign-in-links": (
        "sign_in_link.created",
        lambda panel, _: panel.post(f"{HOST_ACCOUNT}/sign-in-links"),
    ),
    "PUT /v3/admin/apps/{external_id:str}": (
        "app.created",
        lambda panel, folder: panel.put(HOST_APP, json={"account": "cust-1", "path": folder, "name": "Bot"}),
    ),
    "DELETE /v3/admin/apps/{external_id:str}": ("app.ended", lambda panel, _: panel.delete(HOST_APP)),
    "POST /v3/admin/sync": (
        "account.changed",
        lambda panel, _: panel.post("/v3/admin/sync", content=SYNCED),
    ),
    "DELETE /v3/admin/accounts/{external_id:str}": ("account.ended", lambda panel, _: panel.delete(HOST_ACCOUNT)),
}
"""The same of the host's routes, in their order."""


def changing_routes(site: Site) -> set[str]:
    """Return the API's routes with other methods than GET, as `METHOD path`; `sign_in/` has those of the pages."""
    found = {
        f"{method} {path}"
        for handler in routes(site.front.context)
        for method in handler.http_methods
        for path in handler.paths
    }
    return {route for route in found if not route.startswith("GET ") and "/v3/" in route}


def newest(site: Site, above: int) -> list[AuditEntry]:
    wanted = AuditFilter(account_id=site.silver.account.id)
    return [one for one in entries(site.instance.catalog, wanted, 50) if one.seq > above]


def test_each_route_that_changes_anything_has_a_case_here(site: Site) -> None:
    assert changing_routes(site) == set(CASES) | set(HOST_CASES) | set(READ_ONLY)


def test_each_change_over_http_leaves_its_entry_by_its_key(site: Site, silver: httpx.Client) -> None:
    site.instance.config = msgspec.structs.replace(site.instance.config, notices_allow_private=True)
    walk = Walk(site, silver)
    shrink(site)
    for route, (action, request) in CASES.items():
        finish_all(site)
        above = max((one.seq for one in newest(site, 0)), default=0)
        answer = request(walk)
        assert answer.is_success, (route, answer.text)
        of_key = [one for one in newest(site, above) if one.actor.kind is ActorKind.KEY]
        if "{key_id" in route or "{link_id" in route or "{member_id" in route:
            of_key = of_key[:1]  # behind it stands what was made for it
        assert [one.action for one in of_key] == [action], route
        assert (of_key[0].actor.name, of_key[0].actor.ip) == ("main", "127.0.0.1")


def test_each_change_of_the_host_leaves_its_entry_and_that_of_its_call(site: Site) -> None:
    folder = str(app_folder(site.instance))
    with site.client(admin_key(site.instance, *Scope)) as panel:
        for route, (action, request) in HOST_CASES.items():
            above = max((one.seq for one in entries(site.instance.catalog, AuditFilter(), 1)), default=0)
            assert request(panel, folder).is_success, route
            of_host = [one for one in entries(site.instance.catalog, AuditFilter(), 50) if one.seq > above]
            assert {one.action for one in of_host if one.actor.kind is ActorKind.HOST} >= {action}, route


def test_showing_the_main_key_leaves_its_entry(site: Site, http: httpx.Client) -> None:
    """The one page that shows something and enters that: the walk above is of the API, which never shows it."""
    signed_in(site, http)
    shown = http.post(SHOW, data=form_of(http.get("/account/keys"), SHOW), headers=HERE)
    assert shown.status_code == 200
    assert site.silver.api_key in shown.text
    (entry,) = entries(site.instance.catalog, AuditFilter(action="account.key_shown"), 9)
    assert (entry.actor.kind, entry.actor.ip, entry.account_id) == (
        ActorKind.PERSON,
        "127.0.0.1",
        site.silver.account.id,
    )
    assert site.silver.api_key not in str(entry.data)


def finish_all(site: Site) -> None:
    """End what an earlier request queued, so that it stands in nobody's way."""
    for work in site.queued():
        cancel_work(site.instance, work, SYSTEM)


def shrink(site: Site) -> None:
    shrunk = Shrunk("b" * 32, 1, 1, 1, 1, 2, 2)
    change_settings(site.instance.catalog, site.app.id, lambda now: AppSettings(shrunk=shrunk), 0, SYSTEM, "app.shrunk")
