"""What goes wrong while somebody has a page open: each is one clear page, and nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kit.browser import link
from kit.site import Site, start_site
from kit.walk import catalog_away
from kit.windows import Visit, Visitor
from playwright.sync_api import expect

from holdfast.catalog.records import SYSTEM
from holdfast.service.registry.apps import add_app, remove_app
from holdfast.service.registry.backups import list_backups
from holdfast.web.dashboard.access import AGAIN_SECONDS
from holdfast.web.dashboard.apps import comparisons


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for site in start_site(tmp_path_factory.mktemp("site")):
        add_app(site.instance, site.silver.account.id, "wiki", site.folder, SYSTEM)
        yield site


@pytest.fixture
def visitor(site: Site, visit: Visit) -> Visitor:
    visitor = visit(site.url)
    visitor.allows = ["responded with a status of"]
    visitor.open(link(site)).close()
    return visitor


def test_a_link_that_was_used_leads_back(site: Site, visit: Visit) -> None:
    visitor, used = visit(site.url), link(site)
    visitor.allows = ["responded with a status of"]
    visitor.open(used).close()
    page = visitor.open(used)
    expect(page.get_by_text("This sign-in link was used already")).to_be_visible()
    page.get_by_role("link", name="Back to the first page").click()
    expect(page).to_have_url(f"{site.url}/")
    expect(page.get_by_role("link", name="wiki")).to_be_visible()


def test_two_tabs_delete_the_same_backup(site: Site, visit: Visit) -> None:
    visitor = visit(site.url, java_script_enabled=False)  # with it the other tab leaves the page by itself
    visitor.allows = ["responded with a status of"]
    visitor.open(link(site)).close()
    backup = site.take(name="of two tabs")
    tabs = [visitor.open(f"/apps/{site.app.id}/backups/{backup.id}") for _ in range(2)]
    for tab in tabs:
        tab.get_by_role("button", name="Delete").click()
    expect(tabs[0].get_by_text("was deleted.")).to_be_visible()
    expect(tabs[1].locator("h1")).to_have_text("This did not work")
    tabs[0].get_by_role("button", name="Undo").click()
    tabs[0].goto(f"/apps/{site.app.id}/backups/{backup.id}")
    expect(tabs[0].locator("h1")).to_have_text("of two tabs")


def test_a_form_that_is_sent_twice_does_it_once(site: Site, visitor: Visitor) -> None:
    before = len(list_backups(site.instance, site.app.id))
    page = visitor.open(f"/apps/{site.app.id}")
    form = page.locator('form[action$="/backups"]')
    sent = form.evaluate("form => Object.fromEntries(new FormData(form))")
    for _ in range(2):
        status = page.evaluate(
            """async ([path, fields]) => {
              const answer = await fetch(path, {method: "POST", body: new URLSearchParams(fields)});
              return answer.status;
            }""",
            [f"/apps/{site.app.id}/backups", sent],
        )
        assert status == 200, "both lead to the application's page"
    assert len(list_backups(site.instance, site.app.id)) == before + 1


def test_a_page_that_cannot_be_answered_comes_back_by_itself(site: Site, visitor: Visitor) -> None:
    page = visitor.context.new_page()
    page.clock.install()
    with catalog_away():
        answer = page.goto(f"/apps/{site.app.id}")
        assert answer is not None
        assert answer.status == 503
        expect(page.locator("h1")).to_have_text("Back in a moment")
        expect(page.get_by_text("This page tries again by itself.")).to_be_visible()
    page.clock.run_for(1000 * (AGAIN_SECONDS + 1))
    expect(page.get_by_role("navigation", name="Application")).to_be_visible()


def test_what_another_machine_has_is_not_compared_with_now(site: Site, visitor: Visitor) -> None:
    app = add_app(site.instance, site.silver.account.id, "far away", site.folder, SYSTEM)
    backup = site.take(app)
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE apps SET node = 'far' WHERE id = ?", (app.id,))
    page = visitor.context.new_page()
    page.goto(f"/apps/{app.id}/diff?from={backup.id}&to={backup.id}")
    expect(page.locator("#to option", has_text="What is there now")).to_have_count(0)
    expect(page.locator("h1")).to_have_text("No file differs")


def test_an_application_ends_while_its_page_is_open(site: Site, visit: Visit) -> None:
    app = add_app(site.instance, site.silver.account.id, "ends", site.folder, SYSTEM)
    visitor = visit(site.url, java_script_enabled=False)
    visitor.allows = ["responded with a status of"]
    visitor.open(link(site)).close()
    page = visitor.open(f"/apps/{app.id}")
    remove_app(site.instance, app, SYSTEM)
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text("No such application exists.")).to_be_visible()
    page.get_by_role("link", name="Back to the first page").click()
    expect(page.get_by_role("link", name="wiki")).to_be_visible()


def test_a_comparison_that_is_refused_later_is_told_so(
    site: Site, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparisons, "PATIENCE_SECONDS", 0)  # the page is shown before it is known
    app = add_app(site.instance, site.silver.account.id, "elsewhere", site.folder, SYSTEM)
    backup = site.take(app)
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE apps SET node = 'far' WHERE id = ?", (app.id,))
    page = visitor.open(f"/apps/{app.id}/restore?backup={backup.id}")
    expect(page.get_by_role("button", name="Restore without having seen it")).to_be_visible(timeout=30_000)
