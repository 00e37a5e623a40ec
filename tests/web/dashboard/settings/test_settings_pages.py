"""The page of an application's settings: its name, and what is backed up."""

from __future__ import annotations

import html

import httpx
import msgspec
from kit.browser import HERE, form_of, link, signed_in
from kit.site import Site

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.database.tables import apps
from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.service.registry.apps import get_app
from holdfast.sources.databases.spec import DatabaseSpec


def page(site: Site, http: httpx.Client) -> httpx.Response:
    return http.get(f"/apps/{site.app.id}/settings")


def rename(site: Site, http: httpx.Client, name: str) -> httpx.Response:
    path = f"/apps/{site.app.id}/settings/name"
    return http.post(path, data={**form_of(page(site, http), path), "name": name}, headers=HERE)


def name_of(site: Site) -> str:
    return get_app(site.instance, site.silver.account.id, site.app.id).name


def test_an_application_is_renamed_and_the_audit_says_so(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    assert rename(site, http, "  shop ").headers["location"] == f"/apps/{site.app.id}/settings"
    assert name_of(site) == "shop"
    (entry,) = entries(site.instance.catalog, AuditFilter(action="app.renamed"), 9)
    assert (entry.actor.kind, entry.data["after"]) == ("person", {"name": "shop"})
    refused = rename(site, http, "a/b")
    assert refused.status_code == 400
    assert "A name must have no slash and no control characters. Nothing was changed." in refused.text
    assert 'value="a/b"' in refused.text, "what was typed is still there"


def test_the_name_of_the_hosts_own_application_stays_the_hosts(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    form = form_of(page(site, http), f"/apps/{site.app.id}/settings/name")
    with site.instance.catalog.write() as connection:
        connection.execute(apps.update().where(apps.c.id == site.app.id).values(external_id="srv-1"))
    assert "change its name in your host's panel" in page(site, http).text
    refused = http.post(f"/apps/{site.app.id}/settings/name", data={**form, "name": "x"}, headers=HERE)
    assert (refused.status_code, name_of(site)) == (409, "bot")
    assert "Your host names this application" in refused.text


def test_what_is_backed_up_names_nothing_of_the_machine(site: Site, http: httpx.Client) -> None:
    spec = DatabaseSpec(name="shop", kind="postgres", dsn="postgresql://db.internal/shop", password_env="SECRET_OF_DB")
    change_settings(
        site.instance.catalog,
        site.app.id,
        lambda now: msgspec.structs.replace(now, ignore=("*.log",), databases=(spec,), cron="0 3 * * *"),
        0,
        SYSTEM,
        "schedule.set",
    )
    signed_in(site, http)
    text = html.unescape(page(site, http).text)
    for said in ("shop", "PostgreSQL", "*.log", "every day at 03:00", f"/apps/{site.app.id}/schedule"):
        assert said in text
    for hidden in ("db.internal", "SECRET_OF_DB", site.app.path, str(site.instance.home)):
        assert hidden not in text


def test_who_may_only_look_has_no_form(site: Site, http: httpx.Client) -> None:
    http.get(link(site, rights="view"), headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"})
    shown = page(site, http)
    assert shown.status_code == 200
    assert "<form" not in shown.text
    assert "This needs the right backups.import" in shown.text
    for form in ("name", "import"):
        assert http.post(f"/apps/{site.app.id}/settings/{form}", headers=HERE).status_code == 403
