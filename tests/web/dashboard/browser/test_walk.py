"""The walk over all pages leaves none out."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from kit.walk import Walk

RIGHTS = Path(__file__).parents[2] / "golden" / "rights.txt"
"""All routes, which `tests/web/test_rights.py` holds to be so."""

NO_PAGES = {
    "/live": "a stream",
    "/static/{file:str}": "files",
    "/docs/{file:str}": "files",
    "/docs": "the documentation of the API, which has a look of its own",
    "/openapi.json": "for programs",
    "/healthz": "for programs",
    "/readyz": "for programs",
    "/apps/{app_id:str}/activity.csv": "a file",
    "/apps/{app_id:str}/content": "a file",
    "/apps/{app_id:str}/picture": "a file",
    "/apps/{app_id:str}/hero": "a part of a page, which is walked as a whole",
    "/apps/{app_id:str}/backups/{backup:str}/row": "a part of a page, which is walked as a whole",
    "/operator/apps.csv": "a file",
    "/operator/audit.csv": "a file",
    "/operator/doctor.txt": "a file",
}
"""The routes that nobody looks at, with the reason."""


def test_each_page_is_walked(walk: Walk) -> None:
    lines = [line.split() for line in RIGHTS.read_text().splitlines() if line.startswith("GET ")]
    routes = {line[1] for line in lines if not line[1].startswith("/v3")} - set(NO_PAGES)
    paths = {urlsplit(shown.path).path for person in walk.people for shown in person.pages.values()}
    patterns = {route: re.compile(re.sub(r"\{\w+:str\}", "[^/]+", route)) for route in routes}
    left = [route for route, pattern in patterns.items() if not any(map(pattern.fullmatch, paths))]
    assert len(routes) > 40
    assert not left, "pages that nobody looks at: add them to kit.walk"
