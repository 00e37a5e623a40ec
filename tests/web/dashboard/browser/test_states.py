"""Every page in every state that can be made, light and dark, wide and narrow: nothing for axe to say of any.

With HOLDFAST_SCREENS each is photographed into that folder (`make screens`).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from kit.site import Site, start_site
from kit.states import NOW, States
from kit.windows import Visit
from kit.world import FakeClock
from playwright.sync_api import Page

from holdfast.catalog.records import SYSTEM
from holdfast.service.people.sign_in import make_sign_in_link

pytestmark = pytest.mark.timeout(400)  # some 80 runs of axe: half a minute on a quiet machine
SCREENS = os.environ.get("HOLDFAST_SCREENS")
WIDTHS = (1280, 390)
NARROWEST = 320
HEIGHT = 900
PICTURES = {
    "proved-1280-light": "dashboard",
    "backup-1280-dark": "backup",
    "running-390-light": "phone",
    "home-1280-light": "applications",
}
"""Those of README and docs, by their names there."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start_site(tmp_path_factory.mktemp("site"), clock=FakeClock(NOW))


@pytest.fixture(scope="module")
def states(site: Site, tmp_path_factory: pytest.TempPathFactory) -> States:
    clock = site.instance.clock
    assert isinstance(clock, FakeClock)
    return States(site, clock, tmp_path_factory.mktemp("apps"))


def test_axe_finds_nothing_in_any_state(site: Site, states: States, visit: Visit) -> None:
    axe, found = Axe(), []
    for account in {seen.account.id: seen.account for seen in states.pages.values()}.values():
        visitor = visit(site.url)
        page = visitor.open(make_sign_in_link(site.instance, account, SYSTEM).url)
        for name, seen in states.pages.items():
            if seen.account.id != account.id:
                continue
            page.goto(seen.path)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                for width in WIDTHS:
                    page.set_viewport_size({"width": width, "height": HEIGHT})
                    found += [f"{name} {scheme} {width}: {one}" for one in violations(axe, page)]
                    photograph(page, f"{name}-{width}-{scheme}")
            page.set_viewport_size({"width": NARROWEST, "height": HEIGHT})
            if page.evaluate("document.documentElement.scrollWidth") > NARROWEST:
                found.append(f"{name}: it scrolls sideways at {NARROWEST}")
    assert not found, "\n".join(found)


def violations(axe: Axe, page: Page) -> list[str]:
    """The rules that a page breaks, and the first places."""
    broken = axe.run(page).response["violations"]
    return [f"{one['id']} at {[node['target'] for node in one['nodes'][:3]]}" for one in broken]


def photograph(page: Page, name: str) -> None:
    """The whole page; for the documentation what is seen of it first, too."""
    if not SCREENS:
        return
    page.screenshot(path=Path(SCREENS) / f"{name}.png", full_page=True)
    if name in PICTURES:
        devtools = page.context.new_cdp_session(page)
        taken = devtools.send("Page.captureScreenshot", {"format": "webp", "quality": 90})
        (Path(SCREENS) / f"{PICTURES[name]}.webp").write_bytes(base64.b64decode(taken["data"]))
