"""Names full of markup, in every place that somebody else's words get into: no page makes an element of one."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kit.browser import operator_signed_in, signed_in
from kit.hostile_names import FILES, MARKUP, UNSEEN, Markup, fill, plant
from kit.site import Site, start_site

RIGHTS = Path(__file__).parents[1] / "golden" / "rights.txt"
NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")) | st.sampled_from("<>&\"'`={}%#/"), max_size=24
)
NO_PAGES = ("/v3", "/docs", "/static/", "/live", "/openapi.json", "/healthz", "/readyz", "/operator/doctor.txt")
QUERIES = {
    "/": ("q=<zz-q zz-r=1>",),
    "/apps/{app_id}": ("deleted={trashed}", "q=<zz-q zz-r=1>", "show=failed"),
    "/apps/{app_id}/backups/{backup}": ("",),
    "/apps/{app_id}/files": ("path=<zz-k>", "q=zz", 'q="><zz-q onzz=1>', "path=zz</title><zz-q>"),
    "/apps/{app_id}/file": ("path={file}", "path=<zz-k>/<zz-l>"),
    "/apps/{app_id}/versions": ("path={file}",),
    "/apps/{app_id}/diff": ("from={first}&to={backup}",),
    "/apps/{app_id}/restore": (
        "what=ticked&paths={file}&backup={backup}",
        "where=beside&into=<zz-q zz-r=1>&backup={backup}",
    ),
    "/apps/{app_id}/schedule": ("when=cron&cron=<zz-q>&ignore=</textarea><zz-q zz-r=1>", "at=<zz-q>"),
    "/apps/{app_id}/activity": ('who="><zz-q>',),
    "/notices": ('add="><zz-q>', "add=mail"),
    "/login": ('to="><zz-q>', 'return_to="><zz-q>'),
    "/operator/accounts": ('q="><zz-q zz-r=1>',),
    "/operator/apps": ('q="><zz-q zz-r=1>&node=<zz-q>',),
    "/operator/audit": ('who="><zz-q zz-r=1>&account=<zz-q>',),
    "/elevate": ('return_to=/"><zz-q>',),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def ids(site: Site) -> dict[str, str]:
    return fill(site)


@pytest.fixture(scope="module")
def clients(site: Site) -> Iterator[list[httpx.Client]]:
    """A customer, an operator, nobody."""
    with site.client() as customer, site.client() as operator, site.client() as nobody:
        signed_in(site, customer)
        operator_signed_in(site, operator)
        yield [customer, operator, nobody]


def paths(ids: dict[str, str]) -> list[tuple[int, httpx.URL]]:
    """Each page with its queries, and which of the clients sees it."""
    lines = [line.split() for line in RIGHTS.read_text().splitlines() if line.startswith("GET ")]
    routes = [re.sub(r":str\}", "}", line[1]) for line in lines]
    found = []
    for route in (one for one in routes if not one.startswith(NO_PAGES)):
        path = re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], 'x"><zz-q>'), route)
        who = 1 if route.startswith("/operator") else 2 if route.startswith(("/login", "/forgot", "/in")) else 0
        for query in ("", *QUERIES.get(route, ())):
            fields = [part.split("=", 1) for part in query.split("&") if part]
            values = {name: value.format_map({"file": FILES[0], **ids}) for name, value in fields}
            found.append((who, httpx.URL(path, params=values) if values else httpx.URL(path)))
    failed = httpx.URL(f"/apps/{ids['app_id']}/backups/{ids['failed']}")
    return [*found, (0, failed), (0, httpx.URL(f"/operator/accounts/{ids['account_id']}"))]


@settings(
    max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(NAMES)
def test_no_name_is_markup_on_any_page(site: Site, ids: dict[str, str], clients: list[httpx.Client], name: str) -> None:
    planted = plant(site, name)
    faults, words = [], []
    for who, url in paths(ids):
        answer = clients[who].get(url)
        assert answer.status_code < 500, (url, answer.text[:500])
        if "html" in answer.headers.get("content-type", ""):
            page = Markup(answer.text)
            faults += [f"{url}: {fault}" for fault in page.faults]
            words.append(page.words)
    assert not faults, "\n".join(faults)
    shown = "\n".join(words)
    assert {column for column, text in planted.items() if text not in shown} == UNSEEN
    assert [file for file in FILES if file not in shown] == []


@pytest.mark.parametrize("page", ["<p>{}</p>", '<input value="{}">', "<textarea>{}</textarea>", "<title>{}</title>"])
def test_the_check_sees_what_is_not_escaped(page: str) -> None:
    assert Markup(page.replace("{}", MARKUP)).faults
    assert not Markup(page.replace("{}", html.escape(MARKUP))).faults
