"""Fixtures of the tests that talk HTTP to a site: the site, clients with and without a key, the log of the process."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from holdfast.service.instance.logs import configure_logs
from kit.site import Site, start_site


@pytest.fixture(autouse=True)
def log() -> Iterator[io.BytesIO]:
    """What the web process logs."""
    stream, handlers = io.BytesIO(), logging.getLogger().handlers[:]
    configure_logs("web", stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from start_site(tmp_path)


@pytest.fixture
def http(site: Site) -> Iterator[httpx.Client]:
    """Without a key."""
    with site.client() as client:
        yield client


@pytest.fixture
def silver(site: Site) -> Iterator[httpx.Client]:
    """With the key of the account that has `site.app`."""
    with site.client(site.silver.api_key) as client:
        yield client
