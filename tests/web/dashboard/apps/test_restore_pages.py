"""`/apps/{app_id}/restore`: what would change is shown first, one button does it once, and one undoes it."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
import pytest
from kit.browser import HERE, form_of, signed_in
from kit.site import Site

from holdfast.catalog.records import SYSTEM, App, JobState, Work
from holdfast.service.jobs.work import account_work
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.trash import delete_backup
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.web.dashboard.apps import comparisons


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pages wait for what they compare, however busy the machine is."""
    monkeypatch.setattr(comparisons, "PATIENCE_SECONDS", 60.0)


def restores(site: Site) -> list[Work]:
    return [one for one in account_work(site.instance, site.silver.account.id, 20, None) if one.kind == "restore"]


def press(http: httpx.Client, page: httpx.Response) -> tuple[str, dict[str, str], httpx.Response]:
    """Press the page's one button that restores: where it posts, its fields, the answer."""
    (action,) = [
        html.unescape(one) for one in re.findall(r'<form method="post" action="([^"]*/restore[^"]*)"', page.text)
    ]
    fields = form_of(page, html.escape(action))
    return action, fields, http.post(action, data=fields, headers=HERE)


def run(site: Site, page: str) -> None:
    assert run_restore(site.instance, page.rpartition("/")[2]).state is JobState.SUCCESSFUL


def spoil(site: Site) -> None:
    """Change one file, remove one with its folder, make one."""
    (site.folder / "hello.txt").write_text("other\n")
    (site.folder / "sub" / "größe.bin").unlink()
    (site.folder / "new.txt").write_text("mine\n")


def other_app(site: Site, folder: Path) -> App:
    folder.mkdir()
    return add_app(site.instance, site.silver.account.id, "wiki", folder, SYSTEM)


def test_what_is_shown_is_restored_once_and_undone(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    spoil(site)
    signed_in(site, http)
    address = f"/apps/{site.app.id}/restore?backup={backup.id}"
    page = http.get(address)
    assert "1 file changes, 1 comes back, 1 is removed" in page.text
    assert "Restore 3 files" in page.text
    assert (site.folder / "new.txt").exists(), "to look changes nothing"
    action, fields, sent = press(http, page)
    assert (sent.status_code, sent.headers["location"][:6]) == (303, "/jobs/")
    assert http.post(action, data=fields, headers=HERE).headers["location"] == sent.headers["location"]
    job = http.get(sent.headers["location"])
    assert "The restore waits for its turn" in job.text
    assert 'http-equiv="refresh"' in job.text
    again = http.get(address)
    refused = press(http, again)[2]
    assert (refused.status_code, "is being restored already" in refused.text) == (409, True)
    assert len(restores(site)) == 1
    run(site, sent.headers["location"])
    assert (site.folder / "hello.txt").read_text() == "hello\n" * 1000
    assert not (site.folder / "new.txt").exists()
    assert http.post(action, data=fields, headers=HERE).headers["location"] == sent.headers["location"]
    ended = http.get(sent.headers["location"])
    assert "bot is as it was on" in ended.text
    assert "1 changed, 1 came back, 1 were removed." in ended.text
    assert "refresh" not in ended.text
    undo = f"{sent.headers['location']}/undo"
    assert undo in http.get(f"/apps/{site.app.id}").text, "the application's page offers it too"
    form = form_of(ended, undo)
    undone = http.post(undo, data=form, headers=HERE).headers["location"]
    assert http.post(undo, data=form, headers=HERE).headers["location"] == undone
    run(site, undone)
    assert (site.folder / "hello.txt").read_text() == "other\n"
    assert (site.folder / "new.txt").exists()
    assert "bot is as it was before the restore" in http.get(undone).text


def test_choices_are_a_query(site: Site, http: httpx.Client, tmp_path: Path) -> None:
    backup, wiki = site.take(), other_app(site, tmp_path / "wiki")
    spoil(site)
    signed_in(site, http)
    address = f"/apps/{site.app.id}/restore"

    def shown(**query: str | list[str]) -> str:
        return http.get(address, params={"backup": backup.id, **query}).text

    assert "1 file changes, 1 comes back<" in shown(how="overlay")
    assert "Restore 1 file<" in shown(paths=["hello.txt"])
    assert "Restore 2 files<" in shown(paths=["hello.txt", "sub/größe.bin"], how="overlay")
    assert "Nothing is ticked: open the files" in shown(what="ticked"), "nothing ticked is not everything"
    assert "Choose the application that it is to be restored into." in shown(where="other")
    into_other = shown(where="other", target=wiki.id)
    assert "Restore 3 files and folders<" in into_other
    assert "compared with wiki" in into_other
    beside = shown(where="beside")
    assert "restored-20" in beside
    assert "a safety backup is made" not in beside
    assert "Nothing changes<" in shown(where="download")
    wrongs: list[dict[str, str]] = [
        {"paths": "no such"},
        {"where": "beside", "into": "../x"},
        {"where": "other", "target": "f" * 32},
    ]
    for wrong in wrongs:
        answer = http.get(address, params={"backup": backup.id, **wrong})
        assert answer.status_code in (400, 404), wrong
        assert "btn primary" not in answer.text.replace("btn primary big", "")
    made = press(http, http.get(address, params={"backup": backup.id, "where": "other", "target": wiki.id}))[2]
    assert restores(site)[0].app_id == wiki.id
    run(site, made.headers["location"])
    assert (tmp_path / "wiki" / "hello.txt").read_text() == "hello\n" * 1000


def test_a_comparison_that_takes_long_goes_on_behind_the_page(
    site: Site, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = site.take()
    spoil(site)
    signed_in(site, http)
    monkeypatch.setattr(comparisons, "PATIENCE_SECONDS", 0.0)
    address = f"/apps/{site.app.id}/restore?backup={backup.id}"
    page = http.get(address)
    assert "Comparing the backup with bot" in page.text
    assert ('http-equiv="refresh"' in page.text, "btn primary" in page.text) == (True, False)
    monkeypatch.setattr(comparisons, "PATIENCE_SECONDS", 60.0)
    seen = http.get(address)
    assert "Restore 3 files<" in seen.text
    (site.folder / "more.txt").write_text("x")
    assert "Restore 3 files<" in http.get(address).text, "a page that is loaded again shows the same"
    (again,) = re.findall(r'href="([^"]*again=\d+)">Compare again', seen.text)
    assert "Restore 4 files<" in http.get(html.unescape(again)).text
    action, fields, _ = press(http, seen)
    old = http.post(action, data={**fields, "at": "1", "once": "a" * 32}, headers=HERE)
    assert (old.status_code, "again=1" in old.headers["location"]) == (303, True), "it is compared anew"


def test_one_clear_page_for_each_thing_that_is_not_so(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    spoil(site)
    signed_in(site, http)
    address = f"/apps/{site.app.id}/restore"
    page = http.get(address, params={"backup": backup.id})
    action, fields, _ = press(http, page)
    (job,) = restores(site)
    cancel = f"/jobs/{job.id}/cancel"
    form = form_of(http.get(f"/jobs/{job.id}"), cancel)
    assert http.post(cancel, data=form, headers=HERE).headers["location"] == f"/jobs/{job.id}"
    assert http.post(cancel, data=form, headers=HERE).status_code == 303, "it has ended already"
    ended = http.get(f"/jobs/{job.id}").text
    assert "The restore was cancelled" in ended
    assert "Everything is as it was before" in ended
    delete_backup(site.instance, backup, SYSTEM)
    for answer in (http.get(address, params={"backup": backup.id}), http.post(action, data=fields, headers=HERE)):
        assert (answer.status_code, "no such backup" in answer.text) == (404, True)
    assert http.get(address).status_code == 404, "it has no backup at all"
    theirs = site.take(site.other_app)
    job_of_other = request_restore(site.instance, theirs, site.other_app, Wanted(), SYSTEM)
    for path in (f"/jobs/{job_of_other.id}", f"/apps/{site.other_app.id}/restore", f"{address}?backup={theirs.id}"):
        assert http.get(path).status_code == 404
    for name in ("cancel", "undo"):
        token = {"form_token": "0" * 128}
        assert http.post(f"/jobs/{job_of_other.id}/{name}", data=token, headers=HERE).status_code == 403
    assert http.post(action, data=fields, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_who_may_not_restore_is_not_asked(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    signed_in(site, http, rights="manager", app_id=site.app.id)
    assert http.get(f"/apps/{site.app.id}/restore?backup={backup.id}").status_code == 403
    for path in (f"/apps/{site.app.id}", f"/apps/{site.app.id}/backups/{backup.id}"):
        assert "Restore…" not in http.get(path).text
    job = request_restore(site.instance, backup, site.app, Wanted(), SYSTEM)
    page = http.get(f"/jobs/{job.id}")
    assert (page.status_code, "/cancel" in page.text) == (200, False)
