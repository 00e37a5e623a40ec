"""Every page of the dashboard in every state that can be made: who sees it, its address, and what is done on it first.

The states of an application's own page are made in `kit.states`; here are all other pages, of the same applications.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from holdfast.catalog.database.engine import Catalog, CatalogUnreachable
from holdfast.catalog.records import SYSTEM, Account, App, Backup, JobState
from holdfast.schemas.people.members import NewMember
from holdfast.service.credentials.password_links import make_password_link
from holdfast.service.integrity.prove import request_prove, run_prove
from holdfast.service.integrity.verify import request_verify, run_verify
from holdfast.service.jobs.work import cancel_work, get_work
from holdfast.service.people.giving import Giver
from holdfast.service.people.invitations import invite
from holdfast.service.people.operators import add_operator, make_operator_link
from holdfast.service.people.rights import ALL
from holdfast.service.people.sign_in import make_sign_in_link
from holdfast.service.registry.accounts import NewAccount, add_account
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.restore.undo import request_undo
from holdfast.service.retention.erasure import ask_to_erase
from kit import ways_in
from kit.browser import HERE, OPERATOR_EMAIL, form_of, signed_in
from kit.shown import PASSWORD, Act, Shown
from kit.site import Site, start_site
from kit.states import NOW, States
from kit.world import FakeClock


@dataclass(frozen=True)
class Person:
    """Somebody who looks at pages. `link`: what signs him in; None for whoever is not signed in."""

    name: str
    link: Callable[[], str] | None
    pages: dict[str, Shown]


def picture() -> bytes:
    """A small picture (PNG) in two colours."""
    rows = b"".join(b"\0" + b"\x2f\x6f\xd0" * 24 + b"\xf2\xb1\x34" * 24 for _ in range(32))
    header = struct.pack(">IIBBBBB", 48, 32, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def fill(folder: Path) -> None:
    """Put into an application what pages of files show: a text, a picture, an empty folder, a link."""
    (folder / "config").mkdir()
    (folder / "config" / "bot.yml").write_text("language: pt-BR\nprefix: '!'\n")
    (folder / "config" / "avatar.png").write_bytes(picture())
    (folder / "config" / "newest.log").symlink_to("../hello.txt")
    (folder / "empty").mkdir()


class Walk:
    """All pages, by who sees them. `states`: those of an application's own page, and of a backup's."""

    def __init__(self, site: Site, states: States) -> None:
        self.site, self._states = site, states
        self._first, self._newest = states.taken[0], states.taken[-1]
        self.inner: list[str] = []
        """The names of the pages of one account that are not states of an application's own."""
        self.people = list(self._people())

    def _people(self) -> Iterator[Person]:
        site = self.site
        of_states = {seen.account.id: seen.account for seen in self._states.pages.values()}
        mine = self._of_files() | self._of_restores() | self._of_jobs() | self._of_the_account()
        mine |= ways_in.of_notices(site)
        self.inner += mine
        for account in of_states.values():
            pages = {
                name: Shown(seen.path) for name, seen in self._states.pages.items() if seen.account.id == account.id
            }
            yield self._member(account, pages | (mine if account.id == site.silver.account.id else {}))
        fresh = add_account(site.instance, "new@example.org", "Silver", SYSTEM)
        empty = {"home-empty": "/", "people-empty": "/account/people", "plan-empty": "/account/plan"}
        empty |= {"erase": "/account/erase"}
        yield self._member(fresh.account, {name: Shown(path) for name, path in empty.items()})
        ends = add_account(site.instance, "ends@example.org", "Silver", SYSTEM)
        ask_to_erase(site.instance, ends.account, "ends@example.org", SYSTEM)
        ending = {"home-ending": "/", "erase-asked": "/account/erase", "data-ending": "/account/export"}
        yield self._member(ends.account, {name: Shown(path) for name, path in ending.items()})
        two_steps = add_account(site.instance, ways_in.TWO_STEPS_EMAIL, "Silver", SYSTEM)
        yield self._member(two_steps.account, ways_in.of_one_with_an_app(site))
        yield Person("nobody", None, ways_in.of_nobody() | self._of_nobody(fresh))
        operator = add_operator(site.instance, OPERATOR_EMAIL, SYSTEM)
        empties = {"operator-apps-none": Shown("/operator/apps?q=nothing-has-this-name")}
        yield Person(
            "operator", lambda: make_operator_link(site.instance, operator, SYSTEM).url, self._of_operator() | empties
        )

        looks = add_operator(site.instance, "lia@example.org", SYSTEM)
        where = f"/operator/accounts/{site.bronze.account.id}"
        yield Person(
            "looks",
            lambda: make_operator_link(site.instance, looks, SYSTEM).url,
            {"looks": Shown(where, self._looks), "looks-home": Shown("/"), "looks-keys": Shown("/account/keys")},
        )

    def _member(self, account: Account, pages: dict[str, Shown]) -> Person:
        return Person(account.email, lambda: make_sign_in_link(self.site.instance, account, SYSTEM).url, pages)

    def _app(self, page: str, **fields: str | list[str]) -> Shown:
        return Shown(f"/apps/{self.site.app.id}/{page}" + (f"?{urlencode(fields, doseq=True)}" if fields else ""))

    def _of_files(self) -> dict[str, Shown]:
        new, old = self._newest.id, self._first.id
        return {
            "files": self._app("files"),
            "files-older": self._app("files", backup=old),
            "files-folder": self._app("files", backup=new, path="config"),
            "files-empty-folder": self._app("files", backup=new, path="empty"),
            "files-gone": self._app("files", backup=new, path="nowhere"),
            "ticked-none": self._app("ticked", backup=new),
            "file-text": self._app("file", backup=new, path="config/bot.yml"),
            "file-picture": self._app("file", backup=new, path="config/avatar.png"),
            "file-other": self._app("file", backup=new, path="sub/größe.bin"),
            "file-link": self._app("file", backup=new, path="config/newest.log"),
            "versions": self._app("versions", path="hello.txt"),
            "search": self._app("files", q=".log"),
            "search-none": self._app("files", q="nothing has this name"),
            "diff": self._app("diff", **{"from": old, "to": new}),
            "diff-same": self._app("diff", **{"from": new, "to": new}),
            "diff-now": self._compared(self._app("diff", **{"from": old, "to": "now"})),
            "schedule": self._app("schedule"),
            "schedule-effect": self._app("schedule", when="week", day="1", week_at="04:30", keep_daily="2"),
            "schedule-refused": self._app("schedule", when="cron", cron="99 * * * *"),
            "settings": self._app("settings"),
            "settings-refused": Shown(
                f"/apps/{self.site.app.id}/settings", _typed("Name of the application", "a/b", "Rename")
            ),
            "activity": self._app("activity"),
            "activity-none": self._app("activity", who="operator", what="restore."),
            "list-none": Shown(f"/apps/{self.site.app.id}?q=nothing-has-this-name"),
            "list-failed": Shown(f"/apps/{self.site.app.id}?show=failed"),
            "home-none": Shown("/?q=nothing-has-this-name"),
            "no-such-app": Shown(f"/apps/{'f' * 32}"),
            "catalog-away": Shown("/account", self._without_catalog),
        }

    def _compared(self, shown: Shown) -> Shown:
        """A page with a comparison, once it is made."""
        return Shown(shown.path, lambda page: page.locator("[data-again]").wait_for(state="detached", timeout=60_000))

    def _without_catalog(self, page: Page) -> None:
        with catalog_away():
            page.goto(f"/apps/{self.site.app.id}")

    def _of_restores(self) -> dict[str, Shown]:
        app = self.site.app
        # The folder is as the newest backup has it but for these.
        (Path(app.path) / "hello.txt").write_text("spoiled")
        (Path(app.path) / "config" / "bot.yml").unlink()
        (Path(app.path) / "added.txt").write_text("later")
        fields = {"backup": self._newest.id}
        other = self._states.apps["good"].id
        pages: dict[str, dict[str, str | list[str]]] = {
            "restore": {},
            "restore-ticked": {"what": "ticked", "paths": ["config/bot.yml", "hello.txt"]},
            "restore-nothing-ticked": {"what": "ticked"},
            "restore-bring-back": {"how": "overlay"},
            "restore-beside": {"where": "beside", "into": "before the update"},
            "restore-other": {"where": "other"},
            "restore-into-other": {"where": "other", "target": other},
            "restore-download": {"where": "download"},
            "restore-refused": {"where": "beside", "into": "a/b"},
        }
        made = {name: self._compared(self._app("restore", **{**fields, **more})) for name, more in pages.items()}
        unchanged = self._states.apps["warnings"]
        return made | {"restore-nothing": self._compared(Shown(f"/apps/{unchanged.id}/restore"))}

    def _of_jobs(self) -> dict[str, Shown]:
        """Work of each kind, in each state: it waits, runs, has ended well, failed, was cancelled, was undone."""
        instance, states = self.site.instance, self._states
        pages = {"job-running": states.jobs["running"], "job-failed": states.jobs["failed"]}
        app, backup = self._taken("restored")
        (Path(app.path) / "config.json").write_text("spoiled")
        done = run_restore(instance, request_restore(instance, backup, app, Wanted(), SYSTEM).id)
        assert done.state is JobState.SUCCESSFUL
        pages["job-restored"] = done.id
        app, backup = self._taken("undone")
        (Path(app.path) / "config.json").write_text("spoiled")
        done = run_restore(instance, request_restore(instance, backup, app, Wanted(), SYSTEM).id)
        undo = request_undo(instance, done, SYSTEM)
        assert run_restore(instance, undo.id).state is JobState.SUCCESSFUL
        pages["job-undone"], pages["job-undo"] = done.id, undo.id
        verified, proved = request_verify(instance, backup, app.node, SYSTEM), request_prove(instance, backup, SYSTEM)
        pages["job-waiting"] = self._waiting("waits")
        run_verify(instance, verified.id)
        run_prove(instance, proved.id)
        pages["job-verified"], pages["job-proved"] = verified.id, proved.id
        cancelled = self._waiting("cancelled")
        cancel_work(instance, get_work(instance, cancelled), SYSTEM)
        pages["job-cancelled"] = cancelled
        return {name: Shown(f"/jobs/{job_id}") for name, job_id in pages.items()}

    def _taken(self, name: str) -> tuple[App, Backup]:
        app = self._states.add(name)
        return app, self.site.take(app)

    def _waiting(self, name: str) -> str:
        app, backup = self._taken(name)
        return request_restore(self.site.instance, backup, app, Wanted(), SYSTEM).id

    def _of_the_account(self) -> dict[str, Shown]:
        """What stands in front of these pages is done before: a person with a password, one who is invited."""
        site = self.site
        with site.client() as http:
            signed_in(site, http)
            fields = form_of(http.get("/account/password"), "/account/password")
            http.post("/account/password", data=fields | {"new": PASSWORD, "again": PASSWORD}, headers=HERE)
        return {
            "elevate": Shown("/elevate"),
            "elevate-refused": Shown("/elevate", _typed("Password of", "wrong one", "Go on")),
            "people": Shown("/account/people"),
            "people-invited": Shown("/account/people", self._invites),
            "keys": Shown("/account/keys"),
            "keys-shown": Shown("/account/keys", _shows_key),
            "keys-made": Shown("/account/keys", self._makes_key),
            "plan": Shown("/account/plan"),
            "plans": Shown("/plans"),
            "data": Shown("/account/export"),
            "help": Shown("/help"),
            "password": Shown("/account/password"),
            "log-in": Shown("/account/log-in"),
            "choose-account": Shown("/login/account"),
        }

    def _invites(self, page: Page) -> None:
        page.get_by_label("E-mail address").fill("ana@example.org")
        page.get_by_role("button", name="Invite").click()

    def _makes_key(self, page: Page) -> None:
        page.get_by_label("Name").fill("panel")
        page.get_by_role("button", name="Make the key").click()

    def _of_nobody(self, fresh: NewAccount) -> dict[str, Shown]:
        site = self.site
        grants = Giver(SYSTEM, ALL)
        wanted = NewMember(email="eva@example.org", group="view")
        url = invite(site.instance, fresh.account, wanted, grants).url
        assert url is not None
        link = make_password_link(site.instance, site.silver.account.email, SYSTEM)
        return {
            "login": Shown("/login"),
            "login-refused": Shown("/login", self._wrong_password),
            "login-locked": Shown("/login", self._locked_out),
            "forgot": Shown("/forgot"),
            "new-password": Shown(link.url),
            "invited": Shown(url),
            "link-used": Shown("/in?ticket=" + "x" * 43),
            "link-button": Shown("/login", self._opened_without_hint),
        }

    def _looks(self, page: Page) -> None:
        if page.get_by_text("as their people do").count():  # since an earlier walk
            page.goto("/account")
            return
        page.get_by_role("button", name="Look as this customer").click()
        page.get_by_text("as their people do").wait_for()
        page.goto("/account")

    def _wrong_password(self, page: Page) -> None:
        page.get_by_label("E-mail").fill(self.site.silver.account.email)
        page.get_by_label("Password", exact=True).fill("a wrong password")
        page.get_by_role("button", name="Sign in").click()

    def _locked_out(self, page: Page) -> None:
        for _ in range(30):
            self._wrong_password(page)
            if page.get_by_text("wait").count():
                return
        raise AssertionError("trying has no bound")

    def _opened_without_hint(self, page: Page) -> None:
        """A browser that does not say that a person opens the link."""
        page.route("**/in?*", lambda route: route.fulfill(response=route.fetch()))
        page.goto(make_sign_in_link(self.site.instance, self.site.silver.account, SYSTEM).url)
        page.unroute("**/in?*")

    def _of_operator(self) -> dict[str, Shown]:
        names = ("accounts", "apps", "nodes", "store", "jobs", "doctor", "notices", "plans", "settings", "audit")
        pages = {f"operator-{name}": Shown(f"/operator/{name}") for name in names}
        return pages | {
            "operator": Shown("/operator"),
            "operator-account": Shown(f"/operator/accounts/{self.site.silver.account.id}"),
            "operator-accounts-none": Shown("/operator/accounts?q=nothing-has-this-name"),
            "operator-doctor-run": Shown("/operator/doctor", _pressed("Run again")),
            "operator-log-in": Shown("/account/log-in"),
            "operator-preferences": Shown("/account/preferences"),
        }


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """All pages of a site of their own."""
    clock = FakeClock(NOW)
    for site in start_site(tmp_path_factory.mktemp("site"), clock=clock):
        fill(site.folder)
        yield Walk(site, States(site, clock, tmp_path_factory.mktemp("apps")))


def _pressed(name: str) -> Act:
    def act(page: Page) -> None:
        page.get_by_role("button", name=name).first.click()

    return act


def _shows_key(page: Page) -> None:
    """Elevated, for 15 minutes from then on."""
    _pressed("Show the main key")(page)
    _typed("Password of", PASSWORD, "Go on")(page)
    _pressed("Show the main key")(page)


def _typed(label: str, text: str, button: str) -> Act:
    def act(page: Page) -> None:
        page.get_by_label(label).fill(text)
        page.get_by_role("button", name=button).click()

    return act


@contextmanager
def catalog_away() -> Iterator[None]:
    """A catalog that cannot be reached, for as long as this is open."""
    with patch.object(Catalog, "read", side_effect=CatalogUnreachable("It cannot be reached.")):
        yield
