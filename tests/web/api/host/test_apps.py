"""The host's applications over HTTP: made, changed, moved, ended, erased."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from kit.admin_keys import admin_key
from kit.host_apps import app_folder, configure
from kit.site import Site
from sqlalchemy import select

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups.changes.labels import set_lock
from holdfast.catalog.database.access_tables import audit
from holdfast.catalog.database.leases import hold_node
from holdfast.catalog.records import SYSTEM, App
from holdfast.service.host.ends import erase_due
from holdfast.service.instance.config import ConfiguredDatabase, ConfiguredHooks
from holdfast.service.jobs.work import cancel_work
from holdfast.service.registry.account_record import read_record
from holdfast.service.registry.keys import reveal_key
from holdfast.service.take.request import request_backup
from holdfast.service.take.schedule import recompute
from holdfast.units import DAY_NS

PATH = "/v3/admin/apps/srv%2F1"
OWNER = "cust-1"


@pytest.fixture
def panel(site: Site) -> Iterator[httpx.Client]:
    """A client with a key of the host for accounts and applications, which has made an account."""
    with site.client(admin_key(site.instance, "accounts", "apps")) as http:
        made(http.put(f"/v3/admin/accounts/{OWNER}", json={"email": "ana@example.org", "plan": "Titanium"}), 201)
        yield http


@pytest.fixture
def body(site: Site) -> dict[str, Any]:
    return {"account": OWNER, "path": str(app_folder(site.instance)), "name": "Bot"}


def made(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["response"]


def audited(site: Site) -> list[str]:
    """The actions of the host on applications."""
    with site.instance.catalog.read() as connection:
        query = select(audit.c.action).where(audit.c.actor_kind == "host", audit.c.action.startswith("app."))
        return list(connection.execute(query.order_by(audit.c.seq)).scalars())


def test_a_put_makes_an_application_and_the_same_again_changes_nothing(
    site: Site, panel: httpx.Client, body: dict[str, Any]
) -> None:
    configure(site.instance, hooks={"game": ConfiguredHooks(before="true", after="true")}, databases=(DATABASE,))
    body |= {"schedule": "0 3 * * *", "retention": {"keep_daily": 7}, "ignore": ["*.log"]}
    body |= {"hooks": "game", "databases": ["shop"], "node": site.instance.config.node}
    one = made(panel.put(PATH, json=body), 201)
    assert {name: one[name] for name in body if name != "retention"} == {
        name: value for name, value in body.items() if name != "retention"
    }
    assert (one["external_id"], one["retention"]["keep_daily"], one["ended_at"]) == ("srv/1", 7, None)
    assert one["next_backup_at"] is not None
    assert made(panel.put(PATH, json=body)) == one
    assert made(panel.put(PATH, json={**body, "path": f"{body['path']}/../bot/"})) == one, "the same folder"
    assert audited(site) == ["app.created"]
    record = read_record(site.instance, one["account_id"]).apps[0]
    assert (record.external_id, record.settings.hooks) == ("srv/1", "game"), "a rebuild gets it back"
    changed = made(panel.put(PATH, json={"account": OWNER, "path": body["path"], "name": "Other", "hooks": None}))
    assert changed == {**one, "name": "Other", "hooks": None, "updated_at": changed["updated_at"]}, "the rest stays"
    assert audited(site) == ["app.created", "app.changed"]


DATABASE = ConfiguredDatabase(name="shop", kind="postgres", dsn="postgresql://127.0.0.1/shop")


def test_a_uuid_becomes_the_id(panel: httpx.Client, body: dict[str, Any]) -> None:
    uuid = UUID(int=0xABCDEF0123456789)
    one = made(panel.put(f"/v3/admin/apps/{uuid}", json=body), 201)
    assert one["id"] == uuid.hex
    again = panel.put(f"/v3/admin/apps/{str(uuid).upper()}", json={**body, "name": "Other"})
    assert (again.status_code, again.json()["code"]) == (409, "EXTERNAL_ID_TAKEN")


REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"account": "none"}, 404, "ACCOUNT_NOT_FOUND"),
    ({"account": "ended"}, 409, "ACCOUNT_ENDED"),
    ({"account": "cust-2"}, 409, "EXTERNAL_ID_TAKEN"),
    ({"path": "/"}, 400, "INVALID_PATH"),
    ({"path": "bot"}, 400, "INVALID_PATH"),
    ({"path": "{root}"}, 400, "INVALID_PATH"),
    ({"path": "{root}/none"}, 400, "INVALID_PATH"),
    ({"path": "{root}/bot/data.txt"}, 400, "INVALID_PATH"),
    ({"path": "{root}/../data"}, 400, "INVALID_PATH"),
    ({"path": "{root}/out"}, 400, "INVALID_PATH"),
    ({"path": "{root}/theirs"}, 400, "INVALID_PATH"),
    ({"path": "{root}/theirs/sub"}, 400, "INVALID_PATH"),
    ({"path": "{root}/shared"}, 400, "INVALID_PATH"),
    ({"path": "{root}/home/run"}, 400, "INVALID_PATH"),
    ({"path": "/" + "x" * 5000}, 400, "INVALID_PATH"),
    ({"path": "/a\0b"}, 400, "INVALID_PATH"),
    ({"name": "a/b"}, 400, "INVALID_NAME"),
    ({"name": "Theirs"}, 409, "APP_NAME_TAKEN"),
    ({"node": "moon"}, 400, "INVALID_NODE"),
    ({"node": "second"}, 409, "OTHER_NODE"),
    ({"schedule": "at dawn"}, 400, "INVALID_SCHEDULE"),
    ({"schedule": 3}, 400, "INVALID_SCHEDULE"),
    ({"retention": {"keep_last": -1}}, 400, "INVALID_RETENTION"),
    ({"retention": {"keep_within": "soon"}}, 400, "INVALID_RETENTION"),
    ({"ignore": ["[a"]}, 400, "INVALID_IGNORE"),
    ({"hooks": "game"}, 400, "INVALID_HOOKS"),
    ({"databases": ["shop"]}, 400, "INVALID_DATABASES"),
    ({"command": "rm"}, 400, "INVALID_JSON_BODY"),
)


def test_what_is_refused_is_one_sentence_and_changes_nothing(
    site: Site, panel: httpx.Client, body: dict[str, Any]
) -> None:
    root = Path(body["path"]).parent
    one = made(panel.put(PATH, json=body), 201)
    for name in ("ended", "cust-2"):
        made(panel.put(f"/v3/admin/accounts/{name}", json={"email": f"{name}@example.org", "plan": "Silver"}), 201)
    made(panel.delete("/v3/admin/accounts/ended"))
    for name in ("theirs/sub", "shared/deep"):
        (root / name).mkdir(parents=True)
    hold_node(site.instance.catalog, "second", "h" * 32, "another machine")
    (root / "out").symlink_to(site.folder)
    (root / "home").symlink_to(site.instance.home)
    for name in ("theirs", "shared/deep"):
        theirs = {"account": OWNER, "path": str(root / name), "name": name.title().replace("/", "-")}
        made(panel.put(f"/v3/admin/apps/{theirs['name']}", json=theirs), 201)
    done = audited(site)
    for wanted, status, code in REFUSED:
        given = {**body, **wanted}
        given["path"] = given["path"].replace("{root}", str(root))
        answer = panel.put(PATH, json=given)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (wanted, answer.text)
        message = answer.json()["message"]
        assert message.endswith(".")
        assert len(message) < 250, message
    for missing in ("account", "path", "name"):
        left = {name: value for name, value in body.items() if name != missing}
        assert panel.put(PATH, json=left).json()["code"] == f"INVALID_{missing.upper()}"
    configure(site.instance, app_roots=(str(root), str(site.instance.home.parent)))
    for home in (site.instance.home, site.instance.home / "store" / "x"):
        os.makedirs(home, exist_ok=True)
        assert panel.put(PATH, json={**body, "path": str(home)}).json()["code"] == "INVALID_PATH"
    configure(site.instance, app_roots=())
    answer = panel.put("/v3/admin/apps/new", json={**body, "name": "New"})
    assert "app_roots" in answer.json()["message"]
    assert made(panel.get(PATH)) == one
    assert audited(site) == done


def test_a_move_is_incremental(site: Site, panel: httpx.Client, body: dict[str, Any]) -> None:
    folder = Path(body["path"])
    (folder / "big.bin").write_bytes(os.urandom(4_000_000))
    one = made(panel.put(PATH, json=body), 201)
    first = site.take(_app(site, one["id"]))
    moved = folder.with_name("moved")
    shutil.copytree(folder, moved)
    with waiting(site, _app(site, one["id"])):
        busy = panel.put(PATH, json={**body, "path": str(moved)})
        assert (busy.status_code, busy.json()["code"]) == (409, "BACKUP_IN_PROGRESS")
    again = made(panel.put(PATH, json={**body, "path": str(moved)}))
    assert (again["id"], again["path"]) == (one["id"], str(moved))
    (moved / "new.txt").write_text("new\n")
    second = site.take(_app(site, one["id"]))
    assert first.stored_bytes > 4_000_000
    assert second.stored_bytes < 20_000
    assert second.files == first.files + 1


def test_an_application_ends_and_a_put_undoes_it(site: Site, panel: httpx.Client, body: dict[str, Any]) -> None:
    one = made(panel.put(PATH, json={**body, "schedule": "* * * * *"}), 201)
    app = _app(site, one["id"])
    backup = site.take(app)
    ended = made(panel.delete(PATH))
    assert ended["ended_at"] is not None
    assert datetime.fromisoformat(ended["keep_until"]) - datetime.fromisoformat(ended["ended_at"]) == timedelta(days=7)
    assert made(panel.delete(PATH)) == ended, "the same twice changes nothing"
    assert recompute(site.instance, None) == 0
    assert made(panel.get(PATH))["next_backup_at"] is None
    with site.client(reveal_key(site.instance, one["account_id"])) as customer:
        backups = f"/v3/apps/{app.id}/backups"
        assert [each["name"] for each in made(customer.get(backups))] == [backup.name]
        assert customer.get(site.link(backup)).is_success
        for path in (backups, f"{backups}/{backup.id}/restore", f"{backups}/import"):
            refused = customer.post(path)
            assert (refused.status_code, refused.json()["code"]) == (409, "APP_ENDED")
        other = made(panel.put("/v3/admin/apps/other", json=body | {"name": "Other"}), 201)
        restored = customer.post(f"{backups}/{backup.id}/restore", json={"target_app_id": other["id"]})
        assert restored.status_code == 202, restored.text
        in_the_way = panel.put(PATH, json=body)
        assert in_the_way.json()["code"] == "INVALID_PATH", "another one has its folder by now"
        made(panel.delete("/v3/admin/apps/other"))
        back = made(panel.put(PATH, json=body))
        assert (back["id"], back["ended_at"], back["keep_until"]) == (one["id"], None, None)
        assert back["next_backup_at"] is not None
        assert customer.post(backups).status_code == 202


def test_ending_again_moves_the_date_only_when_asked(site: Site, panel: httpx.Client, body: dict[str, Any]) -> None:
    made(panel.put(PATH, json=body), 201)
    ended = made(panel.delete(f"{PATH}?keep_days=30"))
    assert made(panel.delete(PATH)) == ended
    later = made(panel.delete(f"{PATH}?keep_days=40"))
    since = datetime.fromisoformat(ended["ended_at"])
    assert datetime.fromisoformat(later["ended_at"]) == since
    assert datetime.fromisoformat(later["keep_until"]) - since == timedelta(days=40)


def test_an_ended_application_is_erased_when_its_time_has_come(
    site: Site, panel: httpx.Client, body: dict[str, Any]
) -> None:
    one = made(panel.put(PATH, json=body), 201)
    app = _app(site, one["id"])
    locked, timed = site.take(app), site.take(app)
    now_ns = site.instance.clock.now_ns()
    set_lock(site.instance.catalog, locked.id, True, None, now_ns, SYSTEM)
    set_lock(site.instance.catalog, timed.id, None, now_ns + 3 * DAY_NS, now_ns, SYSTEM)
    assert len(roots(site)) == 2
    made(panel.delete(f"{PATH}?keep_days=2"))
    for days, erased in ((1, []), (2.5, []), (4, [app.id])):
        site.instance.clock = At(now_ns + int(days * DAY_NS))
        assert erase_due(site.instance) == erased
    assert panel.get(PATH).json()["code"] == "APP_NOT_FOUND"
    assert roots(site) == []
    assert panel.delete(f"{PATH}?keep_days=forever").json()["code"] == "INVALID_KEEP_DAYS"
    assert made(panel.put(PATH, json=body), 201)["id"] != app.id


def test_lists_are_paged_and_tell_the_standing(site: Site, panel: httpx.Client, body: dict[str, Any]) -> None:
    for number in range(3):
        path = app_folder(site.instance, f"app{number}")
        made(panel.put(f"/v3/admin/apps/n{number}", json={**body, "path": str(path), "name": f"n{number}"}), 201)
    whole = made(panel.get("/v3/admin/apps"))
    assert len(whole) == 5, "the operator's own are among them"
    first = panel.get("/v3/admin/apps?limit=3")
    rest = panel.get(first.links["next"]["url"])
    assert [*made(first), *made(rest)] == whole
    assert "next" not in rest.links
    assert made(panel.get("/v3/admin/apps", params={"updated_after": "2100-01-01T00:00:00Z"})) == []
    site.take(_app(site, whole[2]["id"]))
    found = panel.get("/v3/admin/apps", params={"standing": "good", "limit": 1})
    assert [one["id"] for one in made(found)] == [whole[2]["id"]]
    assert panel.get("/v3/admin/apps?standing=fine").json()["code"] == "INVALID_STANDING"
    with site.client(admin_key(site.instance, "read", name="reads")) as reader:
        assert reader.get("/v3/admin/apps/n1").status_code == 200
        assert reader.delete("/v3/admin/apps/n1").json()["code"] == "PERMISSION_DENIED"


def roots(site: Site) -> list[str]:
    """The names of the roots of all backups in the store."""
    return [name for name, _ in site.instance.store.list("vaults/") if "/backups/" in name]


def _app(site: Site, app_id: str) -> App:
    found = app_by_id(site.instance.catalog, app_id)
    assert found is not None
    return found


@contextmanager
def waiting(site: Site, app: App) -> Iterator[None]:
    """A backup of the application waits meanwhile."""
    request_backup(site.instance, app.id, SYSTEM)
    yield
    for work in site.queued():
        cancel_work(site.instance, work, SYSTEM)


class At:
    """A clock that stands."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns
