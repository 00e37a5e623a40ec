"""Pages are readable as text: lines of at most 120 characters, but for tables, code, and addresses that are longer."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "changelog.d/*.md", ".github/**/*.md")
    for page in ROOT.glob(pattern)
    if page.name != "CHANGELOG.md"
)
LINE_CHARACTERS_MAX = 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short(page: Path) -> None:
    is_code = False
    long = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            is_code = not is_code
        if len(line) > LINE_CHARACTERS_MAX and not (
            is_code or line.startswith(("|", "    ")) or len(max(line.split(), key=len)) > LINE_CHARACTERS_MAX // 2
        ):
            long.append(number)
    assert not long
