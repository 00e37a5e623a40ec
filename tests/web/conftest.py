from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.command import run
from kit.site import Site, start_site
from kit.web import http, log, silver, site

__all__ = ["http", "log", "run", "silver", "site"]


@pytest.fixture
def two_hosts(tmp_path: Path) -> Iterator[Site]:
    """A site whose downloads have a host name of their own."""
    yield from start_site(tmp_path, "backups.localhost")


@pytest.fixture
def server_url(site: Site) -> str:
    return site.url
