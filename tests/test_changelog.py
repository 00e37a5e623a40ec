"""The changelog as small files: each has a name that says its kind, and something to tell."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "changelog.d"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")


def test_every_file_has_a_valid_name_and_a_text() -> None:
    for path in FOLDER.iterdir():
        if path.name != "README.md":
            assert NAME.fullmatch(path.name), f"{path.name}: see changelog.d/README.md"
            lines = path.read_text().splitlines()
            assert 1 <= len(lines) <= 5, path.name
            assert all(line.strip() and len(line) <= 120 for line in lines), path.name
