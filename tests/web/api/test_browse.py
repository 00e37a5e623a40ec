"""Looking into backups over HTTP."""

from __future__ import annotations

import io
import os
import zipfile

import httpx
import pytest
from kit.site import Site


@pytest.fixture
def taken(site: Site) -> str:
    with open(os.fsencode(site.folder) + b"/odd 100% \xff", "wb") as file:
        file.write(b"bytes")
    (site.folder / "link").symlink_to("hello.txt")
    return f"/v3/apps/{site.app.id}/backups/{site.take().id}"


def test_folders(silver: httpx.Client, taken: str) -> None:
    top = silver.get(f"{taken}/files").json()["response"]
    assert [(f["name"], f["kind"]) for f in top] == [
        ("hello.txt", "file"),
        ("link", "symlink"),
        ("odd 100%25 %FF", "file"),
        ("sub", "folder"),
    ]
    assert top[1]["target"] == "hello.txt"
    assert (top[0]["size"], len(top[0]["mode"])) == (6000, 4)
    below = silver.get(f"{taken}/files", params={"path": "/sub/"}).json()["response"]
    assert [f["path"] for f in below] == ["sub/größe.bin"]
    assert silver.get(f"{taken}/files", params={"path": "nowhere"}).json()["code"] == "PATH_NOT_FOUND"
    assert silver.get(f"{taken}/files", params={"path": "../x"}).json()["code"] == "INVALID_PATH"


def test_what_is_shown_is_found_again(silver: httpx.Client, taken: str) -> None:
    for file in silver.get(f"{taken}/files").json()["response"]:
        if file["kind"] == "file":
            answer = silver.get(f"{taken}/content", params={"path": file["path"]})
            assert len(answer.content) == file["size"] == int(answer.headers["content-length"])


def test_content_with_ranges(site: Site, silver: httpx.Client, taken: str) -> None:
    whole = (site.folder / "sub" / "größe.bin").read_bytes()
    asked = {"path": "sub/größe.bin"}
    answer = silver.get(f"{taken}/content", params=asked)
    assert answer.content == whole
    assert answer.headers["content-type"] == "application/octet-stream"
    part = silver.get(f"{taken}/content", params=asked, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole[1000:2000])
    assert silver.get(f"{taken}/content", params=asked, headers={"Range": "bytes=999999999-"}).status_code == 416
    same = silver.get(f"{taken}/content", params=asked, headers={"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304
    head = silver.head(f"{taken}/content", params=asked)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole)), b"")
    assert silver.get(f"{taken}/content", params={"path": "link"}).json()["code"] == "INVALID_PATH"


def test_a_folder_as_a_zip(site: Site, silver: httpx.Client, taken: str) -> None:
    answer = silver.get(f"{taken}/content", params={"path": "sub"})
    assert 'filename="sub.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["größe.bin"]
        assert archive.read("größe.bin") == (site.folder / "sub" / "größe.bin").read_bytes()
    part = silver.get(f"{taken}/content", params={"path": "sub"}, headers={"Range": "bytes=-30"})
    assert part.content == answer.content[-30:]


def test_differences_and_finds(site: Site, silver: httpx.Client, taken: str) -> None:
    (site.folder / "hello.txt").write_text("changed")
    (site.folder / "new.txt").write_text("new")
    (site.folder / "link").unlink()
    second = site.take()
    found = silver.get(f"{taken}/diff", params={"with": second.id}).json()["response"]
    assert (found["added"], found["removed"], found["changed"], found["is_truncated"]) == (1, 1, 1, False)
    assert {(p["path"], p["what"], p["size_before"], p["size_after"]) for p in found["paths"]} >= {
        ("hello.txt", "changed", 6000, 7),
        ("new.txt", "added", None, 3),
    }
    hits = silver.get(f"/v3/apps/{site.app.id}/find", params={"pattern": "*.txt"}).json()["response"]["paths"]
    assert [(h["path"], [(v["size"], len(v["backups"])) for v in h["versions"]]) for h in hits] == [
        ("hello.txt", [(6000, 1), (7, 1)]),
        ("new.txt", [(3, 1)]),
    ]
    whole = silver.get(f"/v3/apps/{site.app.id}/find", params={"pattern": "sub/*"}).json()["response"]["paths"]
    assert [len(v["backups"]) for v in whole[0]["versions"]] == [2]
    assert silver.get(f"{taken}/diff").json()["code"] == "INVALID_WITH"
    assert silver.get(f"/v3/apps/{site.app.id}/find").json()["code"] == "INVALID_PATTERN"


def test_other_peoples_backups_do_not_exist(site: Site, taken: str) -> None:
    with site.client(site.other.api_key) as other:
        for route in ("files", "content", "diff?with=x"):
            assert other.get(f"{taken}/{route}").json()["code"] == "APP_NOT_FOUND"
    with site.client(site.bronze.api_key) as bronze:
        assert bronze.get(f"{taken}/files").status_code == 402
