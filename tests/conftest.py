"""What all tests share."""

from __future__ import annotations

import pytest
from kit import cheap_passwords, once

LONGEST = (
    *("web/dashboard/browser/test_states.py", "worker/test_killed.py", "web/dashboard/browser/test_pages.py"),
    *("worker/test_nodes.py", "web/dashboard/browser/test_flow.py", "web/dashboard/browser/test_live.py"),
    *("attack/test_current_folder.py", "cli/test_home_disk.py", "web/dashboard/browser/test_refusals.py"),
    *("attack/test_tree_memory.py", "attack/http/test_uploaded_archives.py", "crash/test_crash_points.py"),
    *("faults/test_fault_points.py", "web/api/test_openapi.py", "service/take/test_import_backup.py"),
)
"""Modules that run first, as one process has each of them: at the end the others would wait for it."""

once.share()
cheap_passwords.cheapen()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules; the others stay in the order of their names."""
    places = {f"tests/{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))
