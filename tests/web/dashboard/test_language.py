"""Pages in the reader's language: each text comes from a catalogue, on every page, and none is left in English."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import httpx
import msgspec
import pytest
from jinja2 import Environment
from kit.browser import OPENED, operator_signed_in
from kit.messages import all_messages
from kit.site import Site, start_site
from kit.states import NOW, States
from kit.visible import CLOSE, OPEN, outside_marks, texts_of, words_of
from kit.world import FakeClock

from holdfast.catalog.jobs.work import open_work
from holdfast.catalog.records import SYSTEM, JobState
from holdfast.service.language.texts import Language, languages
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.operator.settings import settings
from holdfast.service.people.sign_in import make_sign_in_link

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "src" / "holdfast" / "web" / "dashboard" / "templates"
RIGHTS = ROOT / "tests" / "web" / "golden" / "rights.txt"
MARKED = "en-XA"

AS_THEY_ARE = frozenset({"Holdfast", "narrow"})
"""Words of templates that are the same in every language: a name, and a class that a block adds."""

_ATTRIBUTE = re.compile(r' ?data-[a-z]+(="[^"]*")?')
"""Of a tag that a block adds to."""

DATA = frozenset(
    [
        "holdfast",
        "bot",
        "data",
        "hello",
        "txt",
        "example",
        "org",
        "silver",
        "titanium",
        "bronze",
        "proved",
        "overdue",
        "good",
        "empty",
        "first",
        "running",
        "failed",
        "warnings",
        "restoring",
        "restore",
        "damaged",
        "config",
        "json",
        "before",
        "the",
        "big",
        "update",
        "europe",
        "berlin",
        "gib",
        "mib",
        "tls",
        "http",
        "https",
        "rui",
        "python",
        "httpx",
        "api",
        "main",
        "key",
        "cet",
        "xa",
        "essential",
        "day",
        "log",
        "zzz",
        "sub",
        "restored",
        "größe",
        "apprise",
        "bin",
        "cron",
        "srv",
        "full",
    ]
)
"""Words of what tenants have in these tests: of names, addresses and paths."""

RECORDED = {
    "The last one with the old database.",  # a note
    "The disk of the application is full.",  # a failure and a finding that the tests made up
    "Its content cannot be read any more.",
}

_RECORDED = re.compile(r"^\{.*\}$|^[\w.]+: .*→.*$|^Backup at [\d: ()-]+$")
"""What the audit has of a change, and the name that a backup gets by itself, as programs know it."""

_ID = re.compile(r"\b[0-9a-z]{12,}\b|https?://\S+|\S+@\S+|\b[\w.-]+\.(?:toml|json|csv|zip|txt|gitignore)\b|/[\w/{}.-]+")
_CODE = re.compile(r"\b[A-Z][A-Z_]{3,}\b|\b[a-z_]+(?:[._][a-z_]+)+\b|`[^`]*`|holdfast [a-z][a-z -]*")
"""Codes of errors and of settings, names of actions and rights, commands."""


class Marking(gettext.NullTranslations):
    """Each message of the sources in marks; what is no message, though it is given out for one, stays as it is."""

    known = frozenset(all_messages()["texts"])

    def gettext(self, message: str) -> str:
        return f"{OPEN}{message}{CLOSE}" if message in self.known else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        text = msgid1 if n == 1 else msgid2
        return f"{OPEN}{text}{CLOSE}" if (msgid1, msgid2) in self.known else text


def marked_language() -> Language:
    """A language whose every text is in marks, its dates, spans and sentences of operations too."""
    english = languages()["en"].patterns
    names = {
        field: tuple(f"{OPEN}{name}{CLOSE}" for name in getattr(english, field))
        for field in ("months", "months_alone", "months_short", "days", "days_short")
    }
    templates = {
        field: {unit: tuple(f"{OPEN}{one}{CLOSE}" for one in forms) for unit, forms in getattr(english, field).items()}
        for field in ("spans", "past", "future")
    }
    series = tuple(text.replace(" and ", f" {OPEN}and{CLOSE} ") for text in english.series)
    patterns = msgspec.structs.replace(english, **names, **templates, series=series)
    sentences = {str(text): f"{OPEN}{text}{CLOSE}" for text in all_messages()["sentences"]}
    return Language(MARKED, Marking(), sentences, patterns)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    languages()[MARKED] = marked_language()
    yield from start_site(tmp_path_factory.mktemp("site"), clock=FakeClock(NOW))
    del languages()[MARKED]


@pytest.fixture(scope="module")
def states(site: Site, tmp_path_factory: pytest.TempPathFactory) -> States:
    clock = site.instance.clock
    assert isinstance(clock, FakeClock)
    return States(site, clock, tmp_path_factory.mktemp("apps"))


def test_every_text_of_a_template_is_a_message() -> None:
    """Jinja's own lexer: what stands between its marks is HTML, and no word may be seen in it."""
    found = []
    for path in sorted(TEMPLATES.rglob("*.html")):
        html = "".join(
            value if kind == "data" else " 0 " if kind == "variable_end" else ""
            for _line, kind, value in Environment().lex(path.read_text())
        )
        for text in (_ATTRIBUTE.sub("", one) for one in texts_of(html)):
            words = [word for word in words_of(text) if word not in AS_THEY_ARE]
            found += [f"{path.relative_to(TEMPLATES)}: {text}"] if words else []
    assert not found, "\n".join(found)


def page_routes() -> set[str]:
    """The pages that the site has, by their routes."""
    lines = [line.split() for line in RIGHTS.read_text().splitlines() if line.startswith("GET ")]
    return {line[1] for line in lines if not line[1].startswith("/v3")} - NO_PAGES


NO_PAGES = {
    *("/docs", "/docs/{file:str}", "/openapi.json", "/healthz", "/readyz", "/live", "/static/{file:str}"),
    *("/operator/apps.csv", "/operator/audit.csv", "/operator/doctor.txt", "/apps/{app_id:str}/activity.csv"),
    *("/apps/{app_id:str}/content", "/apps/{app_id:str}/picture", "/apps/{app_id:str}/ticked"),
}
"""Files, the documentation of the API, and what programs ask."""


def route_of(path: str) -> str:
    """The route that a path belongs to."""
    for route in sorted(page_routes(), key=lambda one: one.count("{")):
        if re.fullmatch(re.sub(r"\{\w+:str\}", "[^/]+", route), urlsplit(path).path):
            return route
    raise AssertionError(f"No route for {path}")


def left_in_english(page: httpx.Response, configured: set[str]) -> list[str]:
    """The texts of a page with a word that no message has, and that is not the tenant's."""
    found = []
    for text in texts_of(page.text):
        if _RECORDED.match(text) or text in RECORDED or text in configured:
            continue
        rest = _CODE.sub(" ", _ID.sub(" ", outside_marks(text)))
        if [word for word in words_of(rest) if word.lower() not in DATA]:
            found.append(f"{page.url.path}: {text}")
    return found


def customer_pages(site: Site, states: States) -> list[str]:
    """The pages of an account, most of them of the application with a history."""
    app = f"/apps/{site.app.id}"
    kept = states.pages["backup"].path
    backup_id = kept.rpartition("/")[2]
    job = next(one for one in open_work(site.instance.catalog, [JobState.RUNNING]) if one.kind == "restore")
    endpoint = add_endpoint(site.instance, site.silver.account.id, "discord://1/a", SYSTEM, label="bot").endpoint
    own = [seen.path for seen in states.pages.values() if seen.account.id == site.silver.account.id]
    return [
        *own,
        *(f"{app}?show=locked", f"{app}?q=zzz", f"{app}/activity", f"{app}/activity?who=key", f"{app}/hero"),
        *(f"{kept}/row", f"{app}/files", f"{app}/files?q=day", f"{app}/files?q=zzz", f"{app}/diff?to={backup_id}"),
        *(
            f"{app}/file?path=hello.txt",
            f"{app}/versions?path=hello.txt",
            f"{app}/restore",
            f"{app}/restore?where=beside",
        ),
        *(f"{app}/restore?what=ticked", f"{app}/restore?where=download", f"{app}/schedule", f"{app}/settings"),
        f"{app}/schedule?when=week&day=1&week_at=4:00&keep_daily=3&ignore=*.log",
        f"{app}/schedule?when=night&at=99:00",
        *("/account", "/account/keys", "/account/people", "/account/plan", "/account/password", "/plans", "/help"),
        *("/account/log-in", "/account/log-in/authenticator", "/account/export", "/account/erase"),
        *("/notices", "/notices?add=mail", "/notices?add=ntfy", "/notices?add=other", f"/notices/{endpoint.id}"),
        *("/account/preferences", "/elevate", "/login/account", f"/jobs/{job.id}", f"{app}/backups/{'0' * 32}"),
    ]


OPERATOR_PAGES = (
    *("/operator", "/operator/accounts", "/operator/apps", "/operator/audit", "/operator/doctor", "/operator/jobs"),
    *("/operator/nodes", "/operator/notices", "/operator/plans", "/operator/settings", "/operator/store"),
)
OPEN_PAGES = (
    "/oidc/x/account",
    "/oidc/x/callback?state=x",
    "/login",
    "/login/2fa",
    "/forgot",
    "/forgot/new?token=x",
    "/in?ticket=x",
    "/invite/x",
)


def test_no_page_has_a_text_that_is_in_no_catalogue(site: Site, states: States) -> None:
    visited: set[str] = set()
    found: list[str] = []
    configured = {text for one in settings(site.instance) for text in (one.name, one.value, one.default)}
    configured |= available_timezones() | {one.patterns.name for one in languages().values()}
    with site.client() as customer, site.client() as operator, site.client() as nobody:
        for client in (customer, operator, nobody):
            client.headers["Accept-Language"] = MARKED
        customer.get(make_sign_in_link(site.instance, site.silver.account, SYSTEM).url, headers=OPENED)
        operator_signed_in(site, operator)
        paths = [(customer, path) for path in customer_pages(site, states)]
        paths += [(operator, path) for path in (*OPERATOR_PAGES, f"/operator/accounts/{site.silver.account.id}")]
        paths += [(nobody, path) for path in OPEN_PAGES]
        for client, path in paths:
            found += visit(client, path, visited, configured)
    assert not found, "\n".join(dict.fromkeys(found))
    assert not page_routes() - visited, "pages that nobody has looked at here"


def visit(client: httpx.Client, path: str, visited: set[str], configured: set[str]) -> list[str]:
    """What a page has left in English."""
    page = client.get(path)
    visited.add(route_of(path))
    if page.status_code == 303:
        return []
    assert f'lang="{MARKED}"' in page.text or "<html" not in page.text, f"{path}: {page.text[:300]}"
    return left_in_english(page, configured)
