"""Pages by the keyboard alone: the keys, where they are off, and the way past the frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kit.browser import link
from kit.site import Site, start_site
from kit.windows import Visit
from playwright.sync_api import Page, expect

from holdfast.service.registry.backups import list_backups


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for site in start_site(tmp_path_factory.mktemp("site")):
        for name in ("first", "second", "third"):
            site.take(name=name)
        yield site


@pytest.fixture
def page(site: Site, visit: Visit) -> Page:
    visitor = visit(site.url)
    page = visitor.open(link(site))
    page.goto(f"/apps/{site.app.id}")
    return page


def test_rows_are_walked_opened_and_downloaded(site: Site, page: Page) -> None:
    name = page.locator("article.row .name")
    for key, index in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(name.nth(index)).to_be_focused()
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert download.value.suggested_filename == "second.zip"
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Back up now")).to_be_focused()
    assert len(list_backups(site.instance, site.app.id)) == 3, "it focuses, and never fires"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("third")
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url(f"**/apps/{site.app.id}")


def test_keys_are_off_in_fields_and_for_who_switches_them_off(page: Page) -> None:
    page.keyboard.press("/")
    field = page.get_by_role("searchbox")
    expect(field).to_be_focused()
    page.keyboard.type("jb?")
    expect(field).to_have_value("jb?")
    page.locator("h1").click()
    page.keyboard.press("?")
    shown = page.get_by_role("dialog", name="Keyboard")
    expect(shown).to_be_visible()
    shown.get_by_label("Use these keys").press("Space")
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()
    page.keyboard.press("?")
    expect(shown).to_be_hidden()
    page.reload()
    page.keyboard.press("j")
    expect(page.locator("article.row :focus")).to_have_count(0)
    page.get_by_role("button", name="Keyboard").click()
    shown.get_by_label("Use these keys").check()
    shown.get_by_role("button", name="Close").click()
    page.keyboard.press("j")
    expect(page.locator("article.row .name").first).to_be_focused()


def test_the_first_tab_stop_leads_past_the_frame(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Back up now")).to_be_focused()
