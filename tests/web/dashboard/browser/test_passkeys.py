"""Passkeys in a real browser, with an authenticator of its own (CDP): added, used by button and by itself, removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from kit.axe import walked
from kit.browser import link
from kit.shown import Shown
from kit.site import Site, start_site
from kit.walk import Person
from kit.windows import Visit
from playwright.sync_api import CDPSession, Locator, Page, expect

from holdfast.catalog.people.passkeys import passkeys_of
from holdfast.catalog.people.passwords import credentials_by_email

PAGE = "/account/log-in"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a name: browsers take localhost for one that is safe."""
    for site in start_site(tmp_path_factory.mktemp("site")):
        site.url = site.url.replace("127.0.0.1", "localhost")
        site.instance.config = msgspec.structs.replace(site.instance.config, base_url=site.url)
        yield site


class Device:
    """The authenticator of a page's browser. `verifies`: its person confirms who he is; `is_there`: touches it."""

    def __init__(self, page: Page) -> None:
        self.cdp: CDPSession = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made: dict[str, Any] = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.id = made["authenticatorId"]

    def verifies(self, does: bool) -> None:
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": does})

    def is_there(self, does: bool) -> None:
        told = {"authenticatorId": self.id, "enabled": does}
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", told)


def add(page: Page, name: str) -> None:
    page.get_by_label("Name of the new one").fill(name)
    page.get_by_role("button", name="Add a passkey").click()


def named(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name="Passkeys").locator("b", has_text=name)


def sign_out(page: Page) -> None:
    page.context.clear_cookies()


def test_a_passkey_from_adding_to_removing(site: Site, visit: Visit) -> None:
    visitor = visit(site.url)
    page = visitor.open(link(site))
    device = Device(page)
    page.goto(PAGE)
    add(page, "phone")
    expect(page.get_by_text("not used yet")).to_be_visible()
    add(page, "once more")
    expect(page.get_by_text("has a passkey of yours for this site already")).to_be_visible()
    expect(page.get_by_role("button", name="Add a passkey")).to_be_enabled()

    sign_out(page)
    device.is_there(False)
    page.goto("/login")
    first = page.get_by_role("button", name="Sign in with a passkey")
    assert "rgb(22, 24, 29)" in first.evaluate("one => getComputedStyle(one).backgroundColor"), "the primary one"
    password = page.get_by_role("button", name="Sign in", exact=True)
    assert "rgb(22, 24, 29)" not in password.evaluate("one => getComputedStyle(one).backgroundColor")
    device.is_there(True)
    first.click()
    expect(page).to_have_url(f"{site.url}/apps/{site.app.id}")

    page.goto(PAGE)
    expect(page.get_by_text("last used")).to_be_visible()
    page.get_by_text("Rename").click()
    page.get_by_label("New name").fill("old phone")
    page.get_by_role("button", name="Save").click()
    expect(named(page, "old phone")).to_be_visible()

    with site.instance.catalog.write() as connection:  # 15 minutes later, and with a password besides
        connection.exec_driver_sql("UPDATE sessions SET elevated_until = 0")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    page.get_by_role("button", name="Prove it with a passkey").click()
    expect(page).to_have_url(f"{site.url}{PAGE}")
    page.get_by_role("button", name="Remove").click()
    visitor.allows = ["responded with a status of 409"]
    expect(page.get_by_text("Nothing else of yours opens this")).to_be_visible()
    found = credentials_by_email(site.instance.catalog, site.silver.account.email)
    assert found is not None
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("INSERT INTO passwords VALUES (?, 'x', NULL, 0)", (found.person.id,))
        connection.exec_driver_sql("UPDATE passkeys SET account_ids = NULL")
    page.get_by_role("button", name="Remove").click()
    expect(named(page, "old phone")).to_have_count(0)
    assert passkeys_of(site.instance.catalog, found.person.id) == []
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("DELETE FROM passwords")


def test_axe_finds_nothing_on_the_pages_with_passkeys(site: Site, visit: Visit) -> None:
    def not_elevated(page: Page) -> None:
        with site.instance.catalog.write() as connection:
            connection.exec_driver_sql("UPDATE sessions SET elevated_until = 0")
        page.goto("/elevate")

    def with_some(page: Page) -> None:
        Device(page)
        add(page, "phone")
        expect(named(page, "phone")).to_be_visible()
        page.get_by_text("Rename").click()
        add(page, "once more")
        expect(page.get_by_text("has a passkey of yours for this site already")).to_be_visible()

    pages = {
        "passkeys-none": Shown(PAGE),
        "passkeys": Shown(PAGE, with_some),
        "elevate-passkey": Shown(PAGE, not_elevated),
    }
    found = walked(visit(site.url), Person("owner", lambda: link(site), pages), pages)
    nobody = {"login-passkey": Shown("/login")}
    found += walked(visit(site.url), Person("nobody", None, nobody), nobody)
    assert not found, found
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("DELETE FROM passkeys")


def test_the_list_of_the_field_signs_in_without_the_button(site: Site, visit: Visit) -> None:
    visitor = visit(site.url)
    page = visitor.open(link(site))
    Device(page)
    page.goto(PAGE)
    add(page, "phone")
    expect(named(page, "phone")).to_be_visible()
    sign_out(page)
    page.goto("/login")  # the authenticator answers what waits in the list at once
    expect(page).to_have_url(f"{site.url}/apps/{site.app.id}")


def test_who_cancels_is_told_so_and_may_try_again(site: Site, visit: Visit) -> None:
    visitor = visit(site.url)
    page = visitor.open("/login")
    device = Device(page)
    device.verifies(False)
    page.get_by_role("button", name="Sign in with a passkey").click()
    said = page.get_by_role("status").filter(has_text="Nothing was confirmed")
    expect(said).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_enabled()


def test_a_browser_without_passkeys_says_so(site: Site, visit: Visit) -> None:
    visitor = visit(site.url)
    visitor.context.add_init_script("delete window.PublicKeyCredential")
    page = visitor.open("/login")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_disabled()
    expect(page.get_by_text("offers no passkeys")).to_be_visible()


def test_without_script_the_password_is_the_way(site: Site, visit: Visit) -> None:
    visitor = visit(site.url, java_script_enabled=False)
    page = visitor.open("/login")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    password = page.get_by_role("button", name="Sign in", exact=True)
    assert "rgb(22, 24, 29)" in password.evaluate("one => getComputedStyle(one).backgroundColor"), "the primary one"
    page = visitor.open(link(site))
    page.goto(PAGE)
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
    expect(page.get_by_text("To add one needs JavaScript.")).to_be_visible()
