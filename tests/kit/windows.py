"""Pages in a real browser, which may say nothing in its console and ask no other host.

Terms: a *visitor* is a person's browser: its cookies, its tabs, with JavaScript or without.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from kit.servers.chromium import chromium

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_REPORTS = """document.addEventListener("securitypolicyviolation", event =>
  console.error(`the policy refused ${event.blockedURI} by ${event.violatedDirective}`));"""

WAIT_MS = 20_000

Visit = Callable[..., "Visitor"]


class Visitor:
    """A browser's context on a site, and what was complained of in it. `allows`: words of what may be."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.allows: list[str] = []
        self.complaints: list[str] = []
        self.context: BrowserContext = browser.new_context(base_url=url, accept_downloads=True, **options)
        self.context.set_default_timeout(WAIT_MS)
        if options.get("java_script_enabled", True):
            self.context.add_init_script(_REPORTS)
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        self.context.on("request", self._asked)

    def open(self, address: str) -> Page:
        """Open an address in a tab of its own."""
        page = self.context.new_page()
        page.goto(address)
        return page

    def close(self) -> None:
        """Close all tabs. Fails for anything that was complained of."""
        self.context.close()
        found = [one for one in self.complaints if not any(words in one for words in self.allows)]
        assert not found, found

    def _said(self, message: ConsoleMessage) -> None:
        self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.url:
            self.complaints.append(f"asked another host: {request.url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module."""
    program, environ = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=program, args=list(_FLAGS), env={**os.environ, **environ} if environ else None
        )
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Makes visitors of a site; the test fails for anything that one of them complained of."""
    made: list[Visitor] = []

    def new(url: str, **options: Any) -> Visitor:
        made.append(Visitor(browser, url, **options))
        return made[-1]

    yield new
    for visitor in made:
        visitor.close()
