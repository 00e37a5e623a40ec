"""Pages that change by themselves: one stream a browser, whose leader may close; what is said; what is kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kit.browser import link
from kit.site import Site, start_site
from kit.windows import Visit, Visitor
from playwright.sync_api import Page, Route, expect

from holdfast.catalog.backups.changes.run import fail_backup, record_progress, start_backup
from holdfast.catalog.events.log import forget_events
from holdfast.catalog.jobs.rows import finish_job, record_job_progress, start_job
from holdfast.catalog.jobs.work import open_work
from holdfast.catalog.records import OPEN_JOBS, SYSTEM, Backup, JobState
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import rename
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.request import request_backup
from holdfast.vault.control import Progress
from holdfast.web import event_hub
from holdfast.web.api import events

TABS = 9


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_hub, "POLL_SECONDS", 0.05)
        patch.setattr(events, "KEY_SECONDS", 0.2)
        for site in start_site(tmp_path_factory.mktemp("site")):
            site.take()
            yield site


@pytest.fixture(autouse=True)
def nothing_runs_on(site: Site) -> Iterator[None]:
    yield
    for work in open_work(site.instance.catalog, list(OPEN_JOBS)):
        _end(site, work.id)


def _end(site: Site, backup_id: str) -> None:
    now = site.instance.clock.now_ns()
    fail_backup(site.instance.catalog, backup_id, "CANCELLED", "It was cancelled.", now, is_customers=True)


def begun(site: Site) -> Backup:
    """A backup that runs, as far as the catalog knows."""
    backup, _ = request_backup(site.instance, site.app.id, SYSTEM)
    start_backup(site.instance.catalog, backup.id, "main", site.instance.clock.now_ns())
    return backup


def ended(site: Site, backup: Backup) -> None:
    _end(site, backup.id)


def signed_in(site: Site, visit: Visit, **options: object) -> Visitor:
    visitor = visit(site.url, **options)
    visitor.open(link(site)).close()
    return visitor


def listens(visitor: Visitor) -> list[str]:
    """The addresses of the streams that a visitor opens from now on."""
    found: list[str] = []
    visitor.context.on("request", lambda request: found.append(request.url) if "/live" in request.url else None)
    return found


def app_page(site: Site, visitor: Visitor) -> Page:
    return visitor.open(f"/apps/{site.app.id}")


def test_progress_a_row_and_the_headline_change_by_themselves_and_the_focus_stays(site: Site, visit: Visit) -> None:
    kept = site.take(name="the one before")
    page = app_page(site, signed_in(site, visit))
    page.evaluate(
        """new MutationObserver(() => (window.heard ??= []).push(said.textContent)).observe(said, {childList: true})"""
    )
    download = page.locator(f"#backup-{kept.id} .acts a[download]")
    download.focus()
    backup = begun(site)
    expect(page.locator("h1")).to_contain_text("Backing up now")
    row = page.locator(f"#backup-{backup.id}")
    expect(row.locator(".state")).to_have_text("Running")
    for done in (10, 30, 55, 80):
        record_progress(site.instance.catalog, backup.id, Progress(done, done * 1000, 100, 100_000))
        expect(page.locator("#hero progress")).to_have_attribute("value", str(done))
        expect(page.locator("h1")).to_have_text(f"Backing up now: {done} %")
    assert "80 %" in page.title()
    expect(download).to_be_focused()
    ended(site, backup)
    expect(page.locator("#hero progress")).to_have_count(0)
    expect(row.locator(".why")).to_have_text("It was cancelled.")
    expect(download).to_be_focused()
    heard = page.evaluate("window.heard")
    percents = [words.rpartition(" ")[0].rpartition(" ")[2] for words in heard if words.endswith("%")]
    assert (heard[0], percents[-3:]) == ("Backing up now", ["30", "55", "80"])
    assert heard[-1] == page.locator("h1").text_content()
    assert len(heard) <= 6, "it is said at the start, at 25, 50 and 75 %, and at the end"


def test_nine_tabs_have_one_stream_and_another_one_leads_when_the_first_has_gone(site: Site, visit: Visit) -> None:
    visitor = signed_in(site, visit)
    asked = listens(visitor)
    tabs = [app_page(site, visitor) for _ in range(TABS)]
    backup = begun(site)
    for tab in tabs:
        expect(tab.locator("h1")).to_contain_text("Backing up now")
    assert len(asked) == 1
    with visitor.context.expect_event("request", lambda request: "/live" in request.url):
        tabs.pop(0).close()
    ended(site, backup)
    for tab in tabs:
        expect(tab.locator("#hero progress")).to_have_count(0)
        expect(tab.locator(f"#backup-{backup.id} .why")).to_have_text("It was cancelled.")
    assert len(asked) == 2


def test_the_page_of_a_restore_changes_by_itself(site: Site, visit: Visit) -> None:
    app = add_app(site.instance, site.silver.account.id, "shop", site.folder, SYSTEM)
    catalog, backup = site.instance.catalog, site.take(app, name="kept")
    job = request_restore(site.instance, backup, app, Wanted(), SYSTEM)
    visitor = signed_in(site, visit)
    asked = listens(visitor)
    page, other = visitor.open(f"/jobs/{job.id}"), app_page(site, visitor)
    expect(page.locator("h1")).to_have_text("The restore waits for its turn")
    cancel, now = page.get_by_role("button", name="Cancel"), page.locator("[aria-current=step] h3")
    cancel.focus()
    assert start_job(catalog, job.id, site.instance.clock.now_ns())
    expect(page.locator("h1")).to_have_text("Restoring kept")
    expect(now).to_have_text("Compared")
    for done in (10, 60):
        record_job_progress(catalog, job.id, Progress(done, done * 1000, 100, 100_000))
        expect(page.locator("h1")).to_have_text(f"Restoring kept: {done} %")
        expect(page.get_by_role("progressbar")).to_have_attribute("value", str(done))
        expect(now).to_have_text("Checked whole and laid beside")
    expect(cancel).to_be_focused()
    why = {"error_code": "TARGET_FULL", "error_message": "The disk is full.", "error_detail": "/srv is full"}
    finish_job(catalog, job.id, JobState.FAILED, site.instance.clock.now_ns(), **why)
    expect(page.locator("h1")).to_have_text("The restore failed")
    expect(page).to_have_title("The restore failed · shop · Holdfast")
    expect(page.get_by_text("The disk is full.", exact=True)).to_be_visible()
    expect(other.locator("#hero progress")).to_have_count(0)
    assert len(asked) == 1, "the page of a job has no stream of its own"


def test_a_page_that_missed_events_fetches_itself_again(site: Site, visit: Visit) -> None:
    """What is changed here raises no event: only `gap` tells of it."""
    backup, visitor = site.take(name="as it was"), signed_in(site, visit)
    page = visitor.context.new_page()
    held: list[Route] = []
    page.route("**/live?*", lambda route: held.append(route))
    page.goto(f"/apps/{site.app.id}")
    expect(page.locator(f"#name-{backup.id}")).to_have_text("as it was")
    ended(site, begun(site))
    forget_events(site.instance.catalog, site.instance.clock.now_ns() + 1)
    site.take(site.other_app)  # the oldest event that is kept is not the next one
    rename(site.instance, backup, "as it is", SYSTEM)
    held[0].continue_()
    expect(page.locator(f"#name-{backup.id}")).to_have_text("as it is")


def test_without_locks_the_page_is_fetched_again_every_ten_seconds(site: Site, visit: Visit) -> None:
    visitor = signed_in(site, visit)
    visitor.context.add_init_script("Object.defineProperty(Navigator.prototype, 'locks', {value: undefined})")
    asked = listens(visitor)
    page = visitor.context.new_page()
    page.clock.install()
    page.goto(f"/apps/{site.app.id}")
    backup = begun(site)
    page.clock.run_for(10_000)
    expect(page.locator("h1")).to_contain_text("Backing up now")
    ended(site, backup)
    page.clock.run_for(10_000)
    expect(page.locator(f"#backup-{backup.id} .why")).to_have_text("It was cancelled.")
    assert asked == []


def test_a_page_that_is_not_connected_says_since_when_and_goes_on(site: Site, visit: Visit) -> None:
    visitor = signed_in(site, visit)
    visitor.allows = ["ERR_FAILED"]
    page = visitor.context.new_page()
    page.clock.install(time="2026-11-27T13:02:00Z")
    page.route("**/live?*", lambda route: route.abort())
    page.goto(f"/apps/{site.app.id}")
    bar = page.locator("#offline")
    expect(bar).to_be_hidden()
    page.clock.run_for(6_000)
    expect(bar).to_have_text("Not connected. What you see is from 14:02; it goes on by itself.")
    page.unroute("**/live?*")
    page.clock.run_for(12_000)
    expect(bar).to_be_hidden()
    taken = site.take(name="meanwhile")
    expect(page.locator(f"#name-{taken.id}")).to_have_text("meanwhile")


def test_the_list_of_applications_changes_and_a_session_that_ends_ends_the_page(site: Site, visit: Visit) -> None:
    add_app(site.instance, site.silver.account.id, "wiki", site.folder, SYSTEM)
    visitor = signed_in(site, visit)
    visitor.allows = ["401"]
    page = visitor.open("/")
    backup = begun(site)
    expect(page.locator(f"article[aria-labelledby=app-{site.app.id}] .tag")).to_have_text("Running")
    ended(site, backup)
    expect(page.locator(f"article[aria-labelledby=app-{site.app.id}] .tag")).not_to_have_text("Running")
    other = visitor.open("/account")
    other.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in to your backups")
