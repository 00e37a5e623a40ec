"""Downloads over a real connection: the whole, every kind of range, conditions, refusals."""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import tarfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from kit.links import key_of
from kit.site import Site

from holdfast.catalog.records import Backup
from holdfast.web.places import OF_ACCOUNT_MAX, Downloader

CURL_PARTIAL_FILE = 18


@pytest.fixture
def backup(site: Site) -> Backup:
    return site.take(name="Backup at 2024-12-07 22:07:11")


@pytest.fixture
def link(site: Site, backup: Backup) -> str:
    return site.link(backup)


def test_the_zip_is_the_folder(site: Site, http: httpx.Client, backup: Backup, link: str) -> None:
    answer = http.get(link)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert int(answer.headers["content-length"]) == len(answer.content) == backup.zip_bytes
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("hello.txt") == (site.folder / "hello.txt").read_bytes()
        assert archive.read("sub/größe.bin") == (site.folder / "sub" / "größe.bin").read_bytes()


def test_the_tar_gz_is_the_folder_too(site: Site, http: httpx.Client, backup: Backup) -> None:
    answer = http.get(site.link(backup, "tar.gz"))
    assert answer.headers["content-type"] == "application/gzip"
    assert int(answer.headers["content-length"]) == len(answer.content) == backup.tar_bytes
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        member = archive.extractfile("hello.txt")
        assert member is not None
        assert member.read() == (site.folder / "hello.txt").read_bytes()


def test_the_headers(http: httpx.Client, link: str) -> None:
    headers = http.get(link).headers
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"].startswith('"')
    assert headers["last-modified"].endswith(" GMT")
    assert headers["cache-control"] == "private, no-transform"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-disposition"] == (
        'attachment; filename="Backup at 2024-12-07 22_07_11.zip"; '
        "filename*=UTF-8''Backup%20at%202024-12-07%2022%3A07%3A11.zip"
    )


def test_an_odd_name_makes_a_safe_file_name(site: Site, http: httpx.Client) -> None:
    taken = site.take(name='日本 "quoted"; ..\\x')
    disposition = http.get(site.link(taken)).headers["content-disposition"]
    assert disposition.startswith("attachment; filename=\"__ _quoted__ .._x.zip\"; filename*=UTF-8''%E6%97%A5")


def test_no_encoding_is_ever_applied(http: httpx.Client, link: str) -> None:
    answer = http.get(link, headers={"Accept-Encoding": "gzip, deflate, br"})
    assert "content-encoding" not in answer.headers


def test_head_is_get_without_the_body(http: httpx.Client, link: str) -> None:
    head, get = http.head(link), http.get(link)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "etag", "last-modified", "content-type", "content-disposition", "accept-ranges"):
        assert head.headers[name] == get.headers[name]
    assert http.head(link, headers={"Range": "bytes=0-9"}).status_code == 200


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_ranges_are_parts_of_the_whole(site: Site, http: httpx.Client, backup: Backup, suffix: str) -> None:
    link = site.link(backup, suffix)
    whole = http.get(link).content
    size = len(whole)
    for asked, start, stop in (
        ("bytes=0-0", 0, 1),
        ("bytes=1-99", 1, 100),
        (f"bytes={size - 1}-", size - 1, size),
        ("bytes=100-", 100, size),
        ("bytes=-1", size - 1, size),
        ("bytes=-1000", size - 1000, size),
        (f"bytes=-{size * 2}", 0, size),
        (f"bytes=10-{size * 2}", 10, size),
    ):
        answer = http.get(link, headers={"Range": asked})
        assert answer.status_code == 206, asked
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert int(answer.headers["content-length"]) == stop - start
        assert answer.content == whole[start:stop], asked


def test_a_range_behind_the_end_is_416(http: httpx.Client, backup: Backup, link: str) -> None:
    for asked in (f"bytes={backup.zip_bytes}-", "bytes=-0"):
        answer = http.get(link, headers={"Range": asked})
        assert (answer.status_code, answer.json()["code"]) == (416, "RANGE_NOT_SATISFIABLE")
        assert answer.headers["content-range"] == f"bytes */{backup.zip_bytes}"


def test_several_ranges_and_nonsense_are_answered_with_the_whole(http: httpx.Client, link: str) -> None:
    for asked in ("bytes=0-1,5-6", "bytes=5-1", "lines=1-2", "bytes=x"):
        assert http.get(link, headers={"Range": asked}).status_code == 200


def test_if_range_gives_the_part_only_of_the_same_thing(http: httpx.Client, link: str) -> None:
    headers = http.head(link).headers
    for value, status in (
        (headers["etag"], 206),
        ('"other"', 200),
        (headers["last-modified"], 206),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 200),
    ):
        assert http.get(link, headers={"Range": "bytes=0-9", "If-Range": value}).status_code == status


def test_conditions(http: httpx.Client, link: str) -> None:
    headers = http.head(link).headers
    for asked, status in (
        ({"If-None-Match": headers["etag"]}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": headers["last-modified"]}, 304),
        ({"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
        ({"If-Match": '"other"'}, 412),
    ):
        answer = http.get(link, headers=asked)
        assert answer.status_code == status
        if status == 304:
            assert answer.content == b""
            assert answer.headers["etag"] == headers["etag"]


def test_zip_and_tar_gz_have_different_etags(site: Site, http: httpx.Client, backup: Backup) -> None:
    assert http.head(site.link(backup)).headers["etag"] != http.head(site.link(backup, "tar.gz")).headers["etag"]


def test_whatever_is_wrong_about_a_link_the_answer_is_the_same(site: Site, http: httpx.Client, backup: Backup) -> None:
    account, name, key = backup.account_id, quote(backup.name, safe=""), key_of(site.instance, backup)
    other = site.other.account.id
    wrong = [
        f"/{account}_{name}.zip?{'0' * 40}",
        f"/{account}_{name}.zip?{key[:-1]}",
        f"/{account}_{name}.zip?{key}0",
        f"/{account}_{name}.zip?{key.upper()}",
        f"/{account}_{name}.zip",
        f"/{account}_{name}.zip?key={key}",
        f"/{account}_{name}.zip?%ff%00",
        f"/{account}_{name}x.zip?{key}",
        f"/{account}_%ff.zip?{key}",
        f"/{other}_{name}.zip?{key}",
        f"/nobody_{name}.tar.gz?{key}",
    ]
    answers = [http.get(path) for path in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["code"] for answer in answers} == {"BACKUP_NOT_FOUND"}
    seen = {
        (answer.content, frozenset(answer.headers.items() - {("date", answer.headers["date"])})) for answer in answers
    }
    assert len(seen) == 1


def test_one_without_success_has_no_download(site: Site, http: httpx.Client, silver: httpx.Client) -> None:
    name = silver.post(f"/v3/apps/{site.app.id}/backups").json()["response"]["name"]
    answer = http.get(f"/{site.silver.account.id}_{quote(name)}.zip?")
    assert (answer.status_code, answer.json()["code"]) == (404, "BACKUP_NOT_FOUND")


def test_the_link_may_be_written_in_other_ways_that_mean_the_same(
    site: Site, http: httpx.Client, backup: Backup
) -> None:
    raw = f"/{backup.account_id}%5F{quote(backup.name, safe='')}%2Ezip?{key_of(site.instance, backup)}="
    assert http.get(raw).status_code == 200


def test_other_methods_are_refused(http: httpx.Client, link: str) -> None:
    answer = http.post(link)
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD"


def test_one_account_may_not_have_all_streams(site: Site, http: httpx.Client, backup: Backup, link: str) -> None:
    caller = Downloader(backup.account_id, None, None, is_keyed=True)
    with ExitStack() as others:
        for _ in range(OF_ACCOUNT_MAX):
            others.enter_context(site.front.context.places.taken(caller))
        answer = http.get(link)
        assert (answer.status_code, answer.json()["code"]) == (429, "KEEP_CALM")
        assert int(answer.headers["retry-after"]) > 0
    assert http.get(link).status_code == 200


def test_curl_resumes_to_the_same_bytes(site: Site, http: httpx.Client, backup: Backup, tmp_path: Path) -> None:
    whole = http.get(site.link(backup)).content
    target = tmp_path / "resumed.zip"
    target.write_bytes(whole[: len(whole) // 2])
    url = site.url + site.link(backup)
    subprocess.run(["curl", "-sS", "-C", "-", "-o", str(target), url], check=True, timeout=30)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(whole).digest()


def test_downloads_have_their_own_host_where_one_is_set(two_hosts: Site) -> None:
    taken = two_hosts.take()
    link, backups = two_hosts.link(taken), {"Host": "backups.localhost:1234"}
    with two_hosts.client(two_hosts.silver.api_key) as http:
        assert http.get(link, headers=backups).status_code == 200
        assert http.get(link, headers={"Host": "BACKUPS.localhost"}).status_code == 200
        on_api = http.get(link)
        assert (on_api.status_code, on_api.json()["code"]) == (404, "ROUTE_NOT_FOUND")
        api_there = http.get("/v3/apps", headers=backups)
        assert (api_there.status_code, api_there.json()["code"]) == (404, "ROUTE_NOT_FOUND")
        listed = http.get(f"/v3/apps/{two_hosts.app.id}/backups?view=full").json()["response"]
        assert listed[0]["url"].startswith("http://backups.localhost:")


def damage(site: Site, shares: list[float]) -> None:
    """Flip bytes in every data pack, at shares of its length."""
    packs = [
        path for path in (site.instance.home / "store").rglob("*") if path.is_file() and path.stat().st_size > 10**6
    ]
    assert packs
    for path in packs:
        data = bytearray(path.read_bytes())
        for share in shares:
            data[int(len(data) * share)] ^= 0xFF
        path.chmod(0o600)
        path.write_bytes(data)


@pytest.mark.parametrize("from_the_start", [True, False])
def test_damage_cuts_the_download_and_never_gives_wrong_bytes(
    site: Site, silver: httpx.Client, log: io.BytesIO, from_the_start: bool
) -> None:
    (site.folder / "big.bin").write_bytes(random.Random(7).randbytes(12_000_000))
    backup = site.take()
    link = site.link(backup)
    whole = silver.get(link).content
    damage(site, [n / 500 for n in range(500)] if from_the_start else [0.9])
    got = subprocess.run(["curl", "-s", site.url + link], capture_output=True, timeout=30, check=False)
    logged = log.getvalue().decode()
    if from_the_start:
        assert json.loads(got.stdout)["code"] == "INTERNAL_SERVER_ERROR"
        assert '"event":"request_failed"' in logged
    else:
        assert got.returncode == CURL_PARTIAL_FILE
        assert 0 < len(got.stdout) < len(whole)
        assert whole.startswith(got.stdout)
        assert '"event":"download_cut"' in logged
    assert key_of(site.instance, backup) not in logged
    assert silver.get(f"/v3/apps/{site.app.id}/backups").status_code == 200
