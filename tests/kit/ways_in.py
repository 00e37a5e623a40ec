"""Pages of signing in and of notices, as `kit.walk` has them: what is done in the browser before each is looked at."""

from __future__ import annotations

import secrets

import pyotp
from playwright.sync_api import Page, expect

from holdfast.catalog.events.deliveries import insert_delivery
from holdfast.catalog.events.records import Delivery, DeliveryState
from holdfast.catalog.records import SYSTEM
from holdfast.service.credentials.second_factor import STEP_NS
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.notify.messages import TEST_KIND
from kit.shown import PASSWORD, Shown
from kit.site import Site

TWO_STEPS_EMAIL = "two-steps@example.org"
SET_UP = "/account/log-in/authenticator"


def of_one_with_an_app(site: Site) -> dict[str, Shown]:
    """The pages of somebody who sets a password and an authenticator app, in this order."""

    def sets_password(page: Page) -> None:
        for field in ("New password", "New password again"):
            page.get_by_label(field, exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Save the password").click()

    def gives_code(page: Page) -> None:
        secret = page.locator("code.secret").inner_text().replace(" ", "")
        code = pyotp.TOTP(secret).generate_otp(site.instance.clock.now_ns() // STEP_NS)
        page.get_by_label("Code that the app shows").fill(code)
        page.get_by_role("button", name="Switch it on").click()
        expect(page.locator(".codes li").first).to_be_visible()

    return {
        "log-in-none": Shown("/account/log-in"),
        "password-set": Shown("/account/password", sets_password),
        "log-in-password": Shown("/account/log-in"),
        "authenticator": Shown(SET_UP),
        "recovery-codes": Shown(SET_UP, gives_code),
        "log-in-app": Shown("/account/log-in"),
        "preferences": Shown("/account/preferences?saved=1"),
        "notices-none": Shown("/notices"),
    }


def of_nobody() -> dict[str, Shown]:
    """The steps of signing in that come after the first, and what other sites lead to."""

    def gives_password(page: Page) -> None:
        page.goto("/login")
        page.get_by_label("E-mail").fill(TWO_STEPS_EMAIL)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()

    return {
        "code": Shown("/login/2fa", gives_password),
        "oidc-account-none": Shown("/oidc/host/account"),
        "oidc-back-none": Shown("/oidc/host/callback?state=x"),
    }


def of_notices(site: Site) -> dict[str, Shown]:
    """An account with two places, one that answers and one that is off, and the forms for each kind."""
    account_id = site.silver.account.id
    hook, chat = (
        add_endpoint(site.instance, account_id, url, SYSTEM, label=label).endpoint
        for url, label in (("https://1.1.1.1/hook", "panel"), ("discord://1/a", "our channel"))
    )
    now = site.instance.clock.now_ns()
    for state, status, error in (
        (DeliveryState.DELIVERED, 204, None),
        (DeliveryState.FAILED, 503, "It answered 503."),
        (DeliveryState.PENDING, None, "It did not answer within 10 s."),
    ):
        sent = Delivery(
            *(secrets.token_hex(16), hook.id, account_id, None, TEST_KIND, "{}", state, 2, now + 60_000_000_000, now),
            *(now if status else None, status, error),
        )
        insert_delivery(site.instance.catalog, sent, SYSTEM)
    pages = {"notices": "/notices", "notice": f"/notices/{hook.id}", "notice-of-a-chat": f"/notices/{chat.id}"}
    pages |= {f"notices-{kind}": f"/notices?add={kind}" for kind in ("mail", "ntfy", "webhook", "other")}
    return {name: Shown(path) for name, path in pages.items()}
