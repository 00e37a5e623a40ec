"""Trees that are made to have answers without end: each answer is bounded, and the next one begins where it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from kit.site import Site

from holdfast.service.access.answers import ANSWER_BYTES_MAX

FOLDERS, FILES = 25, 800
DEPTH = 7
ENVELOPE_BYTES_MAX = 1000
NAME = "n" * 240


def hostile(root: Path) -> int:
    """Many empty files below long names, 1.8 KB a path; the number of all that was made."""
    made = 0
    for n in range(FOLDERS):
        folder = root / f"{n:03d}"
        folder.mkdir()
        made += 1
        for _ in range(DEPTH):
            folder /= NAME
            folder.mkdir()
            made += 1
        for k in range(FILES // FOLDERS * 10):
            (folder / f"{k:06d}").touch()
            made += 1
    return made


def pages(client: httpx.Client, path: str, params: dict[str, str]) -> list[Any]:
    """What one answer after the other has, by its Link header; each within the bound."""
    found = []
    answer = client.get(path, params=params)
    while True:
        assert answer.status_code == 200, answer.text
        assert len(answer.content) <= ANSWER_BYTES_MAX + ENVELOPE_BYTES_MAX
        found.append(answer.json()["response"])
        link = answer.headers.get("link")
        if link is None:
            return found
        parts = urlsplit(link[1 : link.index(">")])
        answer = client.get(f"{parts.path}?{parts.query}")


def test_find_and_diff_of_a_hostile_tree_are_bounded(site: Site, silver: httpx.Client) -> None:
    """B20: 320 to 650 MB of JSON."""
    first = site.take()
    count = hostile(site.folder)
    second = site.take()
    third = site.take()
    found = pages(silver, f"/v3/apps/{site.app.id}/find", {"pattern": "*"})
    paths = [row["path"] for page in found for row in page["paths"]]
    assert len(found) > 2
    assert [page["is_truncated"] for page in found] == [True] * (len(found) - 1) + [False]
    assert len(paths) == len(set(paths)) == count + 3
    assert paths == sorted(paths, key=lambda path: path.split("/"))
    rows = {row["path"]: row for page in found for row in page["paths"]}
    assert [len(v["backups"]) for v in rows["hello.txt"]["versions"]] == [3]
    assert [[b["id"] for b in v["backups"]] for v in rows["003"]["versions"]] == [[second.id, third.id]]

    base = f"/v3/apps/{site.app.id}/backups/{first.id}"
    changed = pages(silver, f"{base}/diff", {"with": second.id})
    assert len(changed) > 2
    assert [page["is_truncated"] for page in changed] == [True] * (len(changed) - 1) + [False]
    assert {page["added"] for page in changed} == {count}
    added = [row["path"] for page in changed for row in page["paths"] if row["what"] == "added"]
    assert len(added) == len(set(added)) == count
    assert silver.get(f"{base}/diff", params={"with": second.id, "after": "§"}).json()["code"] == "INVALID_AFTER"


def test_a_folder_of_very_many_comes_in_pages(site: Site, silver: httpx.Client) -> None:
    folder = site.folder / "many"
    folder.mkdir()
    for n in range(11_000):
        (folder / f"{n:06d}{'x' * 200}").touch()
    (folder / "000500sub").mkdir()
    (folder / "000500sub" / "below").touch()
    backup = site.take()
    found = pages(silver, f"/v3/apps/{site.app.id}/backups/{backup.id}/files", {"path": "many"})
    names = [row["name"] for page in found for row in page]
    assert len(found) > 1
    assert len(names) == len(set(names)) == 11_001
    assert names == sorted(names)
