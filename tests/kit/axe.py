"""The faults of a page, light and dark, wide and narrow; with HOLDFAST_SCREENS a picture of each (`make screens`).

`make test` looks at every second page light and wide, dark and narrow, and at the others the other way round; `make
test-whole` looks at each page in all four ways.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from kit.sized import IS_WHOLE
from kit.walk import Person
from kit.windows import Visitor

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

_COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules of axe that may find something else in the dark; all others read what the page is made of."""


def walked(visitor: Visitor, person: Person, names: Iterable[str]) -> list[str]:
    """Open pages of a person one after the other; all that is wrong with them."""
    visitor.allows = ["responded with a status of"]  # pages of refusals are pages too
    visitor.context.add_init_script(Axe().axe_script)
    page, found = visitor.context.new_page(), []
    if person.link is not None:
        page.goto(person.link())
    for number, name in enumerate(names):
        shown = person.pages[name]
        page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
        page.goto(shown.path)
        if shown.act is not None:
            shown.act(page)
        found += [f"{person.name} at {page.url}, {name}, {one}" for one in _complaints(page, name, number)]
    return found


def _complaints(page: Page, name: str, number: int) -> Iterator[str]:
    """All that is wrong with a page, light and dark, wide and narrow."""
    looks: tuple[tuple[Literal["light", "dark"], Sequence[int]], ...]
    looks = (("light", _widths(number)), ("dark", _widths(number + 1)))
    for scheme, widths in looks:
        page.emulate_media(color_scheme=scheme)
        for width in widths:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            is_dark = scheme == "dark"
            if not is_dark or width == WIDTHS[0]:  # a narrow page has no other colours: 2 s of 10 a page
                for one in _violations(page, _COLOURS if is_dark else []):
                    yield f"{scheme} {width}: {one}"
            _photograph(page, f"{name}-{width}-{scheme}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": NARROWEST, "height": HEIGHT})
    if page.evaluate("document.documentElement.scrollWidth") > NARROWEST:
        yield f"it scrolls sideways at {NARROWEST}"


def _widths(number: int) -> Sequence[int]:
    """The widths at which a page is looked at in one colour scheme."""
    return WIDTHS if SCREENS or IS_WHOLE else WIDTHS[number % 2 :][:1]


_RUN = """options => axe.run(document, options).then(({violations}) =>
  violations.map(({id, nodes}) => `${id} at ${nodes.slice(0, 3).map(node => node.target)}`))"""


def _violations(page: Page, rules: list[str]) -> list[str]:
    """The rules that a page breaks, and the first places. `rules`: none for all."""
    options: dict[str, object] = {"resultTypes": ["violations"], "preload": False}
    found: list[str] = page.evaluate(_RUN, options | ({"runOnly": rules} if rules else {}))
    return found


def _photograph(page: Page, name: str) -> None:
    """The whole page; for the documentation what is seen of it first, too."""
    if not SCREENS:
        return
    page.screenshot(path=Path(SCREENS) / f"{name}.png", full_page=True)
    if name in PICTURES:
        devtools = page.context.new_cdp_session(page)
        taken = devtools.send("Page.captureScreenshot", {"format": "webp", "quality": 90})
        (Path(SCREENS) / f"{PICTURES[name]}.webp").write_bytes(base64.b64decode(taken["data"]))
