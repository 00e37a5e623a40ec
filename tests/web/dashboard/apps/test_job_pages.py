"""`/jobs/{id}`: work while it runs, how it ended, and what is cancelled."""

from __future__ import annotations

import httpx
import msgspec
from kit.browser import HERE, form_of, signed_in
from kit.site import Site

from holdfast.catalog.jobs.rows import finish_job, start_job
from holdfast.catalog.jobs.rows import record_job_progress as record
from holdfast.catalog.records import SYSTEM, JobState, Warned
from holdfast.service.integrity.prove import run_prove
from holdfast.service.integrity.verify import run_verify
from holdfast.service.restore.files import Restored, request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.restore.undo import request_undo
from holdfast.units import SECOND_NS
from holdfast.vault.control import TimedProgress
from holdfast.web.dashboard.apps.job_pages import WARNINGS_SHOWN


def sent(http: httpx.Client, page: str, path: str) -> str:
    """Send a form of a page; where that leads."""
    answer = http.post(path, data=form_of(http.get(page), path), headers=HERE)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_reading_back_and_proving_are_asked_for_and_cancelled(site: Site, http: httpx.Client) -> None:
    backup = site.take(name="one")
    signed_in(site, http)
    page = f"/apps/{site.app.id}/backups/{backup.id}"
    verify = sent(http, page, f"{page}/verify")
    assert sent(http, page, f"{page}/verify") == verify, "one is open already"
    assert sent(http, verify, f"{verify}/cancel") == verify
    assert "The reading back was cancelled" in http.get(verify).text
    verify = sent(http, page, f"{page}/verify")
    assert run_verify(site.instance, verify.rpartition("/")[2]).state is JobState.SUCCESSFUL
    assert "one is whole" in http.get(verify).text
    prove = sent(http, page, f"{page}/prove")
    assert run_prove(site.instance, prove.rpartition("/")[2]).state is JobState.SUCCESSFUL
    assert "one is proved to restore" in http.get(prove).text
    assert http.get(page).text.count(">Done</span>") == 3


def test_a_backup_is_cancelled_from_its_page_and_from_its_application(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    app = f"/apps/{site.app.id}"
    for is_from_app in (False, True):
        sent(http, app, f"{app}/backups")
        (work,) = site.queued()
        assert http.get(f"/jobs/{work.id}").headers["location"] == f"{app}/backups/{work.id}"
        page = app if is_from_app else f"{app}/backups/{work.id}"
        assert sent(http, page, f"/jobs/{work.id}/cancel") == app
        assert site.queued() == []


def test_a_restore_that_runs_says_how_far_it_is(site: Site, http: httpx.Client) -> None:
    backup = site.take(name="one")
    job = request_restore(site.instance, backup, site.app, Wanted(), SYSTEM)
    now = site.instance.clock.now_ns()
    assert start_job(site.instance.catalog, job.id, now)
    signed_in(site, http)
    assert "Restoring one</h1>" in http.get(f"/jobs/{job.id}").text
    ahead = now + 3600 * SECOND_NS
    progress = TimedProgress(143, 61_000_000, 234, 100_000_000, now, now, 2_100_000, ahead)
    record(site.instance.catalog, job.id, progress)
    page = http.get(f"/jobs/{job.id}").text
    assert "Restoring one: 61\u00a0%" in page
    assert "<b>143</b> of 234 files" in page
    assert "<b>2.1\u00a0MB</b> a second" in page
    assert "<b>about 59\u00a0minutes</b> left" in page
    assert "Cancelling leaves nothing behind" in page
    assert f"/jobs/{job.id}" in http.get(f"/apps/{site.app.id}").text
    why = {"error_code": "TARGET_FULL", "error_message": "The disk is full.", "error_detail": "/srv/secret is full"}
    finish_job(site.instance.catalog, job.id, JobState.FAILED, now, **why)
    failed = http.get(f"/jobs/{job.id}").text
    assert ("The disk is full." in failed, "/srv/secret" in failed) == (True, False)
    assert "Everything is as it was before" in failed
    assert f'href="/apps/{site.app.id}/restore?backup={backup.id}' in failed


def test_warnings_are_paged(site: Site, http: httpx.Client) -> None:
    job = request_restore(site.instance, site.take(), site.app, Wanted(), SYSTEM)
    warnings = tuple(
        Warned(f"<b>{number}", "RIGHTS_LEFT", f"warning {number}.") for number in range(WARNINGS_SHOWN + 1)
    )
    done = msgspec.json.encode(Restored(0, 1, 0, 1, 1, None, warnings)).decode()
    finish_job(site.instance.catalog, job.id, JobState.SUCCESSFUL, site.instance.clock.now_ns(), result=done)
    signed_in(site, http)
    first, second = http.get(f"/jobs/{job.id}").text, http.get(f"/jobs/{job.id}?from={WARNINGS_SHOWN}").text
    assert ("warning 0." in first, f"warning {WARNINGS_SHOWN}." in first, "<b>0" in first) == (True, False, False)
    assert ("warning 0." in second, f"warning {WARNINGS_SHOWN}." in second) == (False, True)
    assert "/undo" not in first, "it took no safety backup"


def test_a_restore_that_was_undone_says_so_and_so_does_what_undid_it(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    (site.folder / "hello.txt").write_text("spoiled")
    done = run_restore(site.instance, request_restore(site.instance, backup, site.app, Wanted(), SYSTEM).id)
    signed_in(site, http)
    path = f"/jobs/{done.id}"
    assert "undone" not in http.get(path).text.replace("can be undone", "")
    undo = request_undo(site.instance, done, SYSTEM)
    assert "This restore is being undone." in http.get(path).text
    assert run_restore(site.instance, undo.id).state is JobState.SUCCESSFUL
    page = http.get(path).text
    assert "This restore was undone" in page
    assert f'href="/jobs/{undo.id}"' in page
    assert f'action="{path}/undo"' not in page
    other = http.get(f"/jobs/{undo.id}").text
    assert "This job undoes an earlier restore." in other
    assert f'href="{path}"' in other
