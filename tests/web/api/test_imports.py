"""POST .../backups/import, as curl and others send it to a real server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from kit.archives import member, tar_of, zip_member, zip_of
from kit.links import key_of
from kit.site import Site

from holdfast.catalog.records import SYSTEM
from holdfast.service.take.failing import recover_backups
from holdfast.service.take.request import request_backup

GOOD = zip_of(zip_member("d/a", b"hello" * 1000), zip_member("b", os.urandom(3_000_000)))


@pytest.fixture
def working(site: Site) -> Site:
    """A site whose jobs run."""
    site.start_worker()
    return site


def address(site: Site, query: str = "") -> str:
    return f"/v3/apps/{site.app.id}/backups/import{query}"


def leftovers(site: Site) -> list[str]:
    return [path.name for path in site.instance.run.iterdir() if path.name.startswith("import-")]


def limit(site: Site, size: int) -> None:
    site.instance.config = msgspec.structs.replace(site.instance.config, import_bytes_max=size)


def test_an_archive_becomes_a_backup(working: Site, silver: httpx.Client) -> None:
    answer = silver.post(address(working, "?wait=60&name=mine"), content=GOOD)
    assert answer.status_code == 200
    made = answer.json()["response"]
    assert (made["state"], made["origin"], made["name"], made["files"]) == ("successful", "imported", "mine", 2)
    assert answer.headers["location"] == f"/v3/apps/{working.app.id}/backups/{made['id']}"
    assert silver.get(answer.headers["location"]).json()["response"] == made


def test_without_wait_it_is_202(site: Site, silver: httpx.Client) -> None:
    answer = silver.post(address(site), content=GOOD)
    assert (answer.status_code, answer.json()["response"]["state"]) == (202, "queued")
    assert [work.id for work in site.queued()] == [answer.json()["response"]["id"]]


def test_a_download_comes_back_with_the_same_key(working: Site, silver: httpx.Client) -> None:
    backup = working.take(name="first")
    with working.client() as http:
        data = http.get(working.link(backup, "tar.gz")).content
    again = silver.post(address(working, "?wait=60"), content=data).json()["response"]
    assert (again["key"], again["size"]) == (key_of(working.instance, backup), backup.zip_bytes)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize(
    "how", [["-T", "{file}", "-X", "POST"], ["--data-binary", "@{file}"], ["-T", "-", "-X", "POST"]]
)
def test_as_curl_sends_it(how: list[str], working: Site, tmp_path: Path) -> None:
    file = tmp_path / "archive.zip"
    file.write_bytes(GOOD)
    done = subprocess.run(
        ["curl", "-sS", *(part.format(file=file) for part in how), "-H", f"Authorization: {working.silver.api_key}",
         f"{working.url}{address(working, '?wait=60')}"],
        input=GOOD, capture_output=True, check=True,
    )  # fmt: skip
    assert msgspec.json.decode(done.stdout)["response"]["state"] == "successful"


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("expect", [[], ["-H", "Expect:"]])
def test_what_is_too_large_is_413_also_for_who_still_sends(expect: list[str], site: Site, tmp_path: Path) -> None:
    limit(site, 1_000_000)
    file = tmp_path / "large"
    with file.open("wb") as out:
        out.truncate(60_000_000)
    for how in (["-T", str(file), "-X", "POST"], ["-T", str(file), "-X", "POST", "-H", "Transfer-Encoding: chunked"]):
        done = subprocess.run(
            ["curl", "-sS", *how, *expect, "-w", "%{http_code}", "-H", f"Authorization: {site.silver.api_key}",
             f"{site.url}{address(site)}"],
            capture_output=True, check=False, text=True,
        )  # fmt: skip
        assert done.stdout.endswith("413"), done
        assert '"PAYLOAD_TOO_LARGE"' in done.stdout
        assert "1,000,000 bytes" in done.stdout
    assert leftovers(site) == []


def test_httpx_sees_the_413_too_and_the_server_goes_on(site: Site, silver: httpx.Client) -> None:
    limit(site, 1_000_000)

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(1_000_000)

    for content in (bytes(20_000_000), pieces()):
        answer = silver.post(address(site), content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert answer.headers["connection"] == "close"
    assert silver.get(f"/v3/apps/{site.app.id}/backups").status_code == 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no archive"),
        (b"hello" * 1000, "neither a zip nor a tar"),
        (zip_of(zip_member("../evil")), "member ../evil has '..'"),
        (zip_of(zip_member("a", b"x" * 1000))[:-30], "damaged"),
    ],
)
def test_what_is_no_archive_is_400(site: Site, silver: httpx.Client, content: bytes, words: str) -> None:
    answer = silver.post(address(site), content=content)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_ARCHIVE")
    assert words in answer.json()["message"]
    assert silver.get(f"/v3/apps/{site.app.id}/backups").json()["response"] == []
    assert leftovers(site) == []


def test_what_only_unpacking_tells_is_a_failed_backup(working: Site, silver: httpx.Client) -> None:
    evil = tar_of(member("ok", b"x"), member("l", kind=tarfile.SYMTYPE, linkname="/etc"), member("l/a"), mode="w:gz")
    made: dict[str, Any] = silver.post(address(working, "?wait=60"), content=evil).json()["response"]
    assert made["state"] == "failed"
    assert made["error"]["code"] == "INVALID_ARCHIVE"
    assert "l/a" in made["error"]["message"]
    assert leftovers(working) == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?wait=91", 400, "INVALID_WAIT"),
        ("?name=a%2Fb", 400, "INVALID_NAME"),
        ("?name=taken", 409, "BACKUP_NAME_TAKEN"),
    ],
)
def test_bad_queries(site: Site, silver: httpx.Client, query: str, status: int, code: str) -> None:
    site.take(name="taken")
    answer = silver.post(address(site, query), content=GOOD)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert leftovers(site) == []


def test_while_a_backup_is_made_it_is_409(site: Site, silver: httpx.Client) -> None:
    request_backup(site.instance, site.app.id, SYSTEM)
    answer = silver.post(address(site), content=GOOD)
    assert (answer.status_code, answer.json()["code"]) == (409, "BACKUP_IN_PROGRESS")


def test_other_peoples_applications_and_plans(site: Site, silver: httpx.Client) -> None:
    other = silver.post(f"/v3/apps/{site.other_app.id}/backups/import", content=GOOD)
    assert (other.status_code, other.json()["code"]) == (404, "APP_NOT_FOUND")
    with site.client() as nobody, site.client(site.bronze.api_key) as bronze:
        assert nobody.post(address(site), content=GOOD).status_code == 401
        assert bronze.post(address(site), content=GOOD).status_code == 402
    assert leftovers(site) == []


def test_who_hangs_up_leaves_nothing(site: Site, silver: httpx.Client) -> None:
    head = (
        f"POST {address(site)} HTTP/1.1\r\nHost: x\r\nAuthorization: {site.silver.api_key}\r\n"
        f"Content-Length: {len(GOOD)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.server.port)) as connection:
        connection.sendall(head.encode() + GOOD[: len(GOOD) // 2])
    answer = silver.post(address(site), content=GOOD)  # behind it: the server has seen that the other one is gone
    assert answer.status_code == 202
    site.server.stop()  # waits for what still runs
    while site.front.context.in_flight:
        pass
    recover_backups(site.instance)
    assert leftovers(site) == [f"import-{answer.json()['response']['id']}"]
