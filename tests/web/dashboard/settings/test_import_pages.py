"""The form that imports an archive: as a browser without a script sends it, and as an attacker would."""

from __future__ import annotations

import errno
import os
from typing import Any
from unittest.mock import patch

import httpx
import msgspec
import pytest
from kit.archives import zip_member, zip_of
from kit.browser import HERE, signed_in
from kit.site import Site

from holdfast.catalog.records import State
from holdfast.service.registry.backups import list_backups
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.run import run_backup
from holdfast.sources.archive.scratch import DiskWatch
from holdfast.web.dashboard.session import form_token

GOOD = zip_of(zip_member("d/a", b"hello" * 1000), zip_member("b", os.urandom(3_000_000)))


class Form:
    """The form in a browser that is signed in."""

    def __init__(self, site: Site, http: httpx.Client) -> None:
        signed_in(site, http)
        self.site, self.http = site, http
        self.path = f"/apps/{site.app.id}/settings/import"
        self.token = form_token(http.cookies["holdfast"], self.path)

    def send(self, archive: bytes, file_name: str = "a.zip", name: str = "") -> httpx.Response:
        fields = {"form_token": self.token, "name": name}
        return self.http.post(self.path, data=fields, files={"archive": (file_name, archive)}, headers=HERE)

    def send_raw(self, body: Any, kind: str = "multipart/form-data; boundary=x", **headers: str) -> httpx.Response:
        return self.http.post(self.path, content=body, headers={"Content-Type": kind, **HERE, **headers})

    def part(self, name: str, value: bytes, more: str = "") -> bytes:
        return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"

    def body(self, end: bytes = b"--x--\r\n") -> bytes:
        token = self.part("form_token", self.token.encode())
        return token + self.part("archive", GOOD, '; filename="a.zip"') + end


@pytest.fixture
def form(site: Site, http: httpx.Client) -> Form:
    return Form(site, http)


def left(site: Site) -> list[str]:
    """The files and the backups that an upload has left."""
    scratch = [path.name for path in site.instance.run.iterdir() if path.name.startswith("import-")]
    return scratch + [backup.id for backup in list_backups(site.instance, site.app.id)]


def said(answer: httpx.Response) -> str:
    return answer.text.partition('role="alert">')[2].partition("</p>")[0]


def test_an_archive_becomes_a_backup_and_its_page_is_shown(form: Form) -> None:
    answer = form.send(GOOD, name="from the old host")
    assert answer.status_code == 303, answer.text
    assert "from the old host" in form.http.get(answer.headers["location"]).text
    (waiting,) = form.site.queued()
    made = run_backup(form.site.instance, waiting.id)
    assert (made.state, made.origin, made.files) == (State.SUCCESSFUL, "imported", 2)


def test_the_whole_form_may_come_in_any_pieces(form: Form) -> None:
    body = form.body()
    assert form.send_raw(iter((body[:-1], body[-1:]))).status_code == 303


@pytest.mark.parametrize(
    ("archive", "file_name", "status", "words"),
    [
        (b"no archive at all", "a.zip", 400, "neither a zip nor a tar"),
        (b"", "a.zip", 400, "The file is empty; choose another one."),
        (b"", "", 400, "Choose a file first"),
    ],
)
def test_what_is_no_archive_is_refused_beside_the_form(
    form: Form, archive: bytes, file_name: str, status: int, words: str
) -> None:
    answer = form.send_raw(
        form.part("form_token", form.token.encode())
        + form.part("archive", archive, f'; filename="{file_name}"')
        + b"--x--"
    )
    assert answer.status_code == status
    assert words in said(answer)
    assert "Nothing was imported." in said(answer)
    assert left(form.site) == []


def test_what_is_too_large_and_a_full_disk_say_so(form: Form) -> None:
    site = form.site
    with patch.object(DiskWatch, "wrote", side_effect=OSError(errno.ENOSPC, "No space left on device")):
        answer = form.send(GOOD)
    assert (answer.status_code, "no room for the archive" in said(answer)) == (503, True)
    site.instance.config = msgspec.structs.replace(site.instance.config, import_bytes_max=1_000_000)
    answer = form.send(GOOD)
    assert (answer.status_code, "1,000,000 bytes" in said(answer)) == (413, True)
    assert left(site) == []


def test_no_byte_is_written_before_the_forms_own_token(form: Form) -> None:
    archive = form.part("archive", GOOD, '; filename="a.zip"')
    late = archive + form.part("form_token", form.token.encode()) + b"--x--"
    wrong = form.part("form_token", b"0" * 128) + archive + b"--x--"
    with patch.object(Upload, "__init__", side_effect=AssertionError):
        for body in (late, wrong, archive + b"--x--"):
            assert form.send_raw(body).status_code == 403
        assert form.send_raw(form.body(), **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert left(form.site) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda form: form.body(end=b""),
        lambda form: form.body()[:-500_000],
        lambda form: form.body(end=form.part("later", b"1") + b"--x--"),
        lambda form: form.body(end=form.part("archive", GOOD, '; filename="b.zip"') + b"--x--"),
        lambda form: b"before it all" + form.body(),
        lambda form: form.body() + b"z" * 3_000_000,
        lambda form: form.part("form_token", form.token.encode()) + b"--x--",
        lambda form: form.part("form_token", b"0" * 100_000) + form.body(),
        lambda form: b"".join(form.part(f"f{n}", b"1") for n in range(50)) + form.body(),
        lambda form: b"--x\r\n" + b"A: b\r\n" * 50 + b"\r\n\r\n" + form.body(),
        lambda form: b"--x\r\nContent-Disposition: form-data; name=" + b"n" * 90_000,
        lambda form: b"--x\r\nContent-Disposition: form-data; name=\xff\xfe\r\n\r\n1\r\n" + form.body(),
        lambda form: form.part("name", b"\xff") + form.body(),
        lambda form: b"",
    ],
)
def test_a_form_that_no_browser_sends_is_refused_in_a_sentence(form: Form, spoil: Any) -> None:
    answer = form.send_raw(spoil(form))
    assert answer.status_code == 400
    assert said(answer) == "The body must be a form as browsers send it. Nothing was imported."
    assert left(form.site) == []


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=" + "b" * 71, "text/plain", ""])
def test_a_body_of_another_kind_is_refused(form: Form, kind: str) -> None:
    answer = form.send_raw(form.body(), kind)
    assert (answer.status_code, left(form.site)) == (400, [])


def test_an_application_without_a_backup_leads_to_the_form(form: Form) -> None:
    address = f"/apps/{form.site.app.id}"
    assert f'href="{address}/settings#import"' in form.http.get(address).text
    form.site.take()
    assert f'href="{address}/settings#import"' not in form.http.get(address).text
