"""The pages of files: folders, one file, versions, search, differences, and names that nobody would choose."""

from __future__ import annotations

import html
import io
import os
import re
import shutil
import zipfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.browser import signed_in
from kit.site import Site

from holdfast.catalog.records import SYSTEM
from holdfast.service.take.run import take_now

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
CHARACTERS = st.characters(exclude_characters="/\0", codec="utf-8")
NAMES = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).map(
        str.encode
    ),
    st.text(st.sampled_from("<>&\"'`={}%\u202e\n"), min_size=1, max_size=12).map(str.encode),
    st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"/", b"").replace(b"\0", b"") or b"x"),
).filter(lambda name: name not in (b".", b"..") and len(name) <= 200 and name != b".backupignore")


def get(site: Site, http: httpx.Client, page: str, **fields: str) -> httpx.Response:
    return http.get(f"/apps/{site.app.id}/{page}", params=fields)


def rows(page: httpx.Response) -> list[tuple[str, str]]:
    """The address and the name of each entry."""
    found = re.findall(r'<a class="file" href="([^"]*)">(?:(?!</a>).)*?<bdi>([^<]*)</bdi>', page.text, re.DOTALL)
    return [(html.unescape(href), html.unescape(name)) for href, name in found]


def folder_of(site: Site) -> Path:
    (site.folder / "data" / "deep").mkdir(parents=True)
    (site.folder / "data" / "config.yml").write_text("token: <b>&amp;</b>\n")
    (site.folder / "data" / "face.png").write_bytes(PNG)
    (site.folder / "data" / "fake.png").write_bytes(b"<svg onload=alert(1)>" + bytes(100))
    (site.folder / "data" / "link").symlink_to("config.yml")
    return site.folder / "data"


def test_from_folder_to_file(site: Site, http: httpx.Client) -> None:
    folder_of(site)
    backup = site.take()
    signed_in(site, http)
    page = get(site, http, "files")
    assert "The newest good backup" in page.text
    data = {name: href for href, name in rows(page)}["data"]
    inside = http.get(data)
    names = {name: href for href, name in rows(inside)}
    assert set(names) == {"config.yml", "deep", "face.png", "fake.png", "link"}
    file = http.get(names["config.yml"]).text
    assert "token: &lt;b&gt;&amp;amp;&lt;/b&gt;" in file, "as text, and as nothing else"
    content = get(site, http, "content", backup=backup.id, path="data/config.yml")
    assert content.text == "token: <b>&amp;</b>\n"
    assert content.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in content.headers["content-security-policy"]
    assert get(site, http, "content", backup=backup.id, path="data").content[:4] == b"PK\x03\x04"
    picture = get(site, http, "picture", backup=backup.id, path="data/face.png")
    assert (picture.headers["content-type"], picture.content) == ("image/png", PNG)
    assert "sandbox" in picture.headers["content-security-policy"]
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert '<img src="/apps/' in http.get(names["face.png"]).text
    assert get(site, http, "picture", backup=backup.id, path="data/fake.png").status_code == 404
    assert "<img src=" not in http.get(names["fake.png"]).text
    assert "A symbolic link to config.yml" in http.get(names["link"]).text


@pytest.mark.parametrize(
    ("page", "fields", "status"),
    [
        ("files", {"path": "nowhere"}, 404),
        ("files", {"path": "../.."}, 400),
        ("files", {"backup": "f" * 32}, 404),
        ("file", {"path": ""}, 404),
        ("file", {"path": "data"}, 404),
        ("content", {"path": "a/../b"}, 404),
        ("versions", {"path": "nowhere"}, 404),
        ("versions", {"path": ""}, 400),
        ("diff", {}, 404),
        ("files", {"after": "%%"}, 400),
    ],
)
def test_what_is_not_there(site: Site, http: httpx.Client, page: str, fields: dict[str, str], status: int) -> None:
    folder_of(site)
    site.take()
    signed_in(site, http)
    answer = get(site, http, page, **fields)
    assert (answer.status_code, "This did not work" in answer.text) == (status, True)
    assert http.get(f"/apps/{site.other_app.id}/{page}", params=fields).status_code == 404


def test_versions_search_and_differences(site: Site, http: httpx.Client) -> None:
    data = folder_of(site)
    (data / "old.txt").write_text("1")
    first = site.take(name="first")
    (data / "config.yml").write_text("token: 2, and longer\n")
    (data / "old.txt").unlink()
    (data / "new.txt").write_text("22")
    second = site.take(name="second")
    signed_in(site, http)
    versions = get(site, http, "versions", path="data/config.yml")
    assert "2 versions in 2 backups." in versions.text
    assert versions.text.index(second.id) < versions.text.index(first.id), "the newest first"
    found = get(site, http, "files", q="old")
    assert ("1 file found for" in found.text, "Not in the newest" in found.text) == (True, True)
    assert "Not in the newest" not in get(site, http, "files", q="new.txt").text
    assert "No backup has a file" in get(site, http, "files", q="[").text
    page = get(site, http, "diff", to=second.id)
    assert "1 added, 1 removed, 1 changed" in page.text
    assert "2\u00a0B added, 1\u00a0B removed, 21\u00a0B in changed files." in page.text
    assert [name for _, name in rows(page)][-3:] == ["config.yml", "new.txt", "old.txt"]
    assert "From first to second." in page.text
    back = get(site, http, "diff", **{"from": second.id, "to": first.id})
    assert "From second to first." in back.text


def test_what_is_ticked_is_downloaded_as_one_zip(site: Site, http: httpx.Client) -> None:
    data = folder_of(site)
    (data / "deep" / "one.txt").write_text("1")
    backup = site.take(name="whole")
    signed_in(site, http)
    page = get(site, http, "files", backup=backup.id, path="data").text
    assert f'formaction="/apps/{site.app.id}/ticked"' in page
    ticked = {"backup": backup.id, "what": "ticked", "paths": ["data/deep", "data/config.yml", "data/deep/one.txt"]}
    answer = http.get(f"/apps/{site.app.id}/ticked", params=ticked)
    assert "data%20%28part%29.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["config.yml", "deep/", "deep/one.txt"]
    rest = http.get(f"/apps/{site.app.id}/ticked", params=ticked, headers={"Range": "bytes=50-"})
    assert (rest.status_code, rest.content) == (206, answer.content[50:])
    for paths, status, text in (([], 400, "Nothing is ticked"), (["nowhere"], 404, "nothing at")):
        refused = http.get(f"/apps/{site.app.id}/ticked", params={"backup": backup.id, "paths": paths})
        assert (refused.status_code, text in refused.text) == (status, True)
    assert http.get(f"/apps/{site.other_app.id}/ticked", params=ticked).status_code == 404


def test_differences_to_what_is_there_now(site: Site, http: httpx.Client) -> None:
    data = folder_of(site)
    backup = site.take(name="before")
    (data / "config.yml").write_text("token: 2, and longer\n")
    (data / "face.png").unlink()
    (data / "new.txt").write_text("22")
    signed_in(site, http)

    def compared(address: str) -> str:
        page = http.get(address).text  # it waits for 3 s
        return compared(address) if "<h1>Comparing" in page else page

    page = compared(f"/apps/{site.app.id}/diff?from={backup.id}&to=now")
    assert "1 added, 1 removed, 1 changed" in page
    assert "From before to what is there now." in page
    named = re.findall(r"<bdi>([^<]*)</bdi></span></(?:a|span)>.*?</svg>([^<]*)</span>", page)
    assert named == [("config.yml", "Changed"), ("face.png", "Removed"), ("new.txt", "Added")]
    (data / "later.txt").touch()
    again = re.search(r'href="([^"]*again=\d+)"', page)
    assert again is not None
    assert "1 added" in compared(f"/apps/{site.app.id}/diff?from={backup.id}&to=now"), "what was compared is kept"
    assert "2 added" in compared(html.unescape(again[1]))


def test_a_search_shows_what_it_has_in_time_and_goes_on(
    site: Site, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.web.dashboard.files.folder_pages.SEARCH_SECONDS", -1.0)
    site.take(name="oldest")
    (site.folder / "lost.txt").write_text("1")
    site.take(name="middle")
    (site.folder / "lost.txt").unlink()
    site.take(name="newest")
    signed_in(site, http)
    pages = [get(site, http, "files", q="lost")]
    while go_on := re.search(r'href="([^"]*older_than=[^"]*)"', pages[-1].text):
        pages.append(http.get(html.unescape(go_on[1])))
    said = [re.findall(r"<h1>([^<]*)</h1>", page.text)[0] for page in pages]
    assert said == [f"{count} found for “lost”" for count in ("0 files", "1 file", "0 files")]
    assert "Looked through the newest: 1 backup." in pages[0].text
    assert "2 older backups not looked through yet." in pages[0].text
    gone = get(site, http, "files", q="lost", older_than="f" * 32)
    assert (gone.status_code, "search again" in gone.text) == (404, True)


def test_a_version_in_the_root_is_found_among_many_of_its_name(site: Site, http: httpx.Client) -> None:
    for number in range(30):
        (site.folder / f"m{number:02}").mkdir()
        (site.folder / f"m{number:02}" / "same.json").touch()
    (site.folder / "same.json").write_text("{}")
    site.take()
    site.take()
    signed_in(site, http)
    page = get(site, http, "versions", path="same.json")
    assert "1 version in 2 backups." in page.text


def test_a_name_with_line_ends_is_ticked_as_it_is(site: Site, http: httpx.Client) -> None:
    (site.folder / "a\nb%0A").touch()
    backup = site.take()
    signed_in(site, http)
    page = get(site, http, "files")
    value = re.search(r'name="paths" value="(a[^"]*)"', page.text)
    assert value is not None
    sent = html.unescape(value[1]).replace("\r\n", "\n").replace("\n", "\r\n")  # as browsers send it
    assert get(site, http, "content", backup=backup.id, path=sent).status_code == 200


def test_good_backups_are_found_behind_failed_ones(
    site: Site, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.take(name="good")
    monkeypatch.setattr("holdfast.web.dashboard.files.chosen.LISTED", 1)
    shutil.rmtree(site.folder)
    take_now(site.instance, site.app.id, SYSTEM)
    signed_in(site, http)
    assert "Files of good" in get(site, http, "files").text


def test_a_large_folder_comes_in_pages(site: Site, http: httpx.Client) -> None:
    many = site.folder / "many"
    many.mkdir()
    for number in range(450):
        (many / f"{number:04}.txt").touch()
    site.take()
    signed_in(site, http)
    page, seen = get(site, http, "files", path="many"), []
    while True:
        seen += [name for _, name in rows(page)]
        following = re.search(r'<a class="btn" href="([^"]*)" rel="next">', page.text)
        if following is None:
            break
        page = http.get(html.unescape(following[1]))
    assert [name for name in seen if name.endswith(".txt")] == [f"{number:04}.txt" for number in range(450)]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(NAMES, min_size=1, max_size=12))
def test_any_name_is_text_and_its_link_leads_to_it(site: Site, http: httpx.Client, names: set[bytes]) -> None:
    shutil.rmtree(site.folder)
    site.folder.mkdir()
    folder = os.fsencode(site.folder)
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name)
    site.take()
    signed_in(site, http)
    page = get(site, http, "files")
    shown = rows(page)
    assert len(shown) == len(names)
    assert re.findall(r"<(?:script|img|svg onload|b>)", page.text.replace('<script type="module"', "")) == []
    content = set()
    for href, _ in shown:
        fields = {name: values[0] for name, values in parse_qs(urlsplit(href).query).items()}
        assert http.get(href).status_code == 200, fields
        content.add(get(site, http, "content", **fields).content)
    assert content == names


def test_whoever_may_not_download_sees_names_only(site: Site, http: httpx.Client) -> None:
    folder_of(site)
    backup = site.take()
    signed_in(site, http, rights="view")
    page = get(site, http, "files", path="data")
    assert ("config.yml" in page.text, "/content?" in page.text) == (True, False)
    for name in ("content", "file", "picture"):
        fields = {"backup": backup.id, "path": "data/config.yml"}
        assert get(site, http, name, **fields).status_code == 403
