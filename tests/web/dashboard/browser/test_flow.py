"""What a customer does in a day: signs in, backs up, watches, downloads, restores, undoes, deletes, undoes, rotates the
key. With the mouse, with the keyboard alone, and without JavaScript.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from kit.browser import link
from kit.site import Site, start_site
from kit.windows import Visit
from playwright.sync_api import Page, expect

from holdfast.catalog.records import SYSTEM
from holdfast.service.people.keys import is_main, list_keys
from holdfast.service.registry.apps import add_app
from holdfast.web import event_hub

PASSWORD = "seven rare otters sing"
TABS_MAX = 60
RELOADS_MAX = 200

Use = Callable[[Page, str, str], None]
"""Use a link or a button, by its role and name."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_hub, "POLL_SECONDS", 0.05)
        for site in start_site(tmp_path_factory.mktemp("site")):
            site.start_worker()
            yield site


def by_mouse(page: Page, role: str, name: str) -> None:
    page.get_by_role(role, name=name).first.click()  # type: ignore[arg-type]


def by_keyboard(page: Page, role: str, name: str) -> None:
    """Press Tab until it has the focus, then Enter."""
    wanted = page.get_by_role(role, name=name).first  # type: ignore[arg-type]
    expect(wanted).to_be_attached()
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            page.keyboard.press("Enter")
            return
    pytest.fail(f"{TABS_MAX} presses of Tab do not reach {name!r}")


def shows(page: Page, has_script: bool, text: str) -> None:
    """The page shows a text by itself, or without JavaScript when it is loaded again."""
    found = page.locator("main").get_by_text(text).first
    for _ in range(0 if has_script else RELOADS_MAX):
        if found.is_visible():
            break
        page.reload()
    expect(found).to_be_visible(timeout=20_000)


@pytest.mark.parametrize(
    ("use", "has_script"),
    [(by_mouse, True), (by_keyboard, True), (by_mouse, False)],
    ids=["mouse", "keyboard", "no-script"],
)
def test_a_customers_day(site: Site, visit: Visit, tmp_path: Path, use: Use, has_script: bool) -> None:
    name = f"shop by {use.__name__} {has_script}"
    root = tmp_path / name
    root.mkdir()
    (root / "hello.txt").write_text("hello\n")
    app = add_app(site.instance, site.silver.account.id, name, root, SYSTEM)
    visitor = visit(site.url, java_script_enabled=has_script)
    page = visitor.open(link(site))
    use(page, "link", name)
    expect(page.locator("h1")).to_have_text("Not backed up yet")
    use(page, "button", "Back up now")
    shows(page, has_script, "Backed up less than a minute ago")
    with page.expect_download() as download:
        use(page, "link", "Download")
    saved = tmp_path / "saved.zip"
    download.value.save_as(saved)
    with zipfile.ZipFile(saved) as archive:
        assert archive.read("hello.txt") == b"hello\n"
    (root / "hello.txt").write_text("spoiled")
    use(page, "link", "Restore…")
    shows(page, has_script, "Restore 1 file")
    use(page, "button", "Restore 1 file")
    shows(page, has_script, "Undo this restore")
    assert (root / "hello.txt").read_text() == "hello\n"
    restored = page.url
    use(page, "button", "Undo this restore")
    page.wait_for_url(lambda address: address != restored)
    shows(page, has_script, "is as it was")
    assert (root / "hello.txt").read_text() == "spoiled"
    page.goto(f"/apps/{app.id}")
    use(page, "link", page.locator("article.row .name").first.inner_text())
    use(page, "button", "Delete")
    page.wait_for_url(f"**/apps/{app.id}?deleted=*")
    shows(page, has_script, "was deleted.")
    use(page, "button", "Undo")
    expect(page.get_by_role("link", name="Download").first).to_be_visible()
    rotates_the_key(site, page, use)


def rotates_the_key(site: Site, page: Page, use: Use) -> None:
    """From the application to the keys by what is shown; the password is asked for, as it was given long ago."""
    use(page, "link", "Account")
    use(page, "link", "Password")
    page.wait_for_url("**/account/log-in")  # a key that is pressed waits for nothing
    has_password = page.get_by_role("link", name="Change it").count() > 0
    use(page, "link", "Change it" if has_password else "Set one")
    if has_password:
        page.get_by_label("Present password").fill(PASSWORD)
    for field in ("New password", "New password again"):
        page.get_by_label(field, exact=True).fill(PASSWORD)
    use(page, "button", "Save the password")
    page.wait_for_url(lambda url: not url.endswith("/account/password"))
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET elevated_until = 1")
    page.goto("/account")
    use(page, "link", "API keys")
    use(page, "button", "Replace the main key")
    expect(page.locator("h1")).to_have_text("Is it you?")
    page.get_by_label("Password of").fill(PASSWORD)
    use(page, "button", "Go on")
    expect(page.locator("h1")).to_have_text("API keys")
    assert page.locator("pre.secret").count() == 0, "nothing was done before"
    was = main_key(site)
    use(page, "button", "Replace the main key")
    shown = page.locator("pre.secret")
    expect(shown).to_be_visible()
    is_open = httpx.get(f"{site.url}/v3/apps", headers={"Authorization": shown.inner_text().strip()}).status_code == 200
    assert (main_key(site) != was, is_open) == (True, True)


def main_key(site: Site) -> str:
    """The id of the main key."""
    keys = list_keys(site.instance, site.silver.account.id)
    return next(key.id for key in keys if is_main(key))
