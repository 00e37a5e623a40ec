"""The page of a backup: what it says of it, and each thing that is done there, with its undo."""

from __future__ import annotations

import re

import httpx
from kit.browser import HERE, form_of, signed_in
from kit.counted import counted
from kit.site import Site

from holdfast.catalog.backups.changes.run import fail_backup
from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, AuditFilter, Backup
from holdfast.service.registry.backups import find_backup
from holdfast.service.take.request import request_backup


def address(backup: Backup) -> str:
    return f"/apps/{backup.app_id}/backups/{backup.id}"


def sent(http: httpx.Client, backup: Backup, form: str, **fields: str) -> httpx.Response:
    """Send a form of the backup's page as a click does."""
    path = f"{address(backup)}/{form}"
    hidden = form_of(http.get(address(backup)), path)
    return http.post(path, data={**hidden, **fields}, headers=HERE)


def test_it_says_how_far_a_backup_can_be_trusted(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    signed_in(site, http)
    page = http.get(address(backup)).text
    assert page.count(">Done</span>") == 1, "it was made, neither read back nor proved yet"
    assert page.count(">Not yet</span>") == 2
    assert "2 files, 2.2\u00a0kB of them new." in page
    assert "Download as .tar.gz" in page


def test_a_deleted_backup_is_brought_back_by_one_click(site: Site, http: httpx.Client) -> None:
    backup = site.take(name="one")
    signed_in(site, http)
    deleted = sent(http, backup, "delete")
    assert deleted.headers["location"] == f"/apps/{site.app.id}?deleted={backup.id}"
    assert http.get(address(backup)).status_code == 404
    page = http.get(deleted.headers["location"])
    assert "one was deleted." in page.text
    undo = f"{address(backup)}/undelete"
    assert http.post(undo, data=form_of(page, undo), headers=HERE).headers["location"] == address(backup)
    assert find_backup(site.instance, site.app.id, "one").id == backup.id
    assert "was deleted" not in http.get(deleted.headers["location"]).text
    actions = [one.action for one in entries(site.instance.catalog, AuditFilter(action="backup."), 2)]
    assert actions == ["backup.undeleted", "backup.deleted"]


def test_a_locked_backup_stays(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    signed_in(site, http)
    assert sent(http, backup, "lock").status_code == 303
    assert "Unlock" in http.get(address(backup)).text
    refused = sent(http, backup, "delete")
    assert (refused.status_code, "lock" in refused.text) == (409, True)
    assert sent(http, backup, "unlock").status_code == 303
    assert sent(http, backup, "delete").status_code == 303


def test_name_and_note(site: Site, http: httpx.Client) -> None:
    backup, other = site.take(), site.take(name="taken")
    signed_in(site, http)
    assert sent(http, backup, "name", name="before v4").status_code == 303
    assert sent(http, backup, "note", note="two\r\nlines").status_code == 303
    found = find_backup(site.instance, site.app.id, "before v4")
    assert (found.id, found.note) == (backup.id, "two\nlines")
    for name in ("", "a/b", other.name):
        answer = sent(http, backup, "name", name=name)
        assert (answer.status_code, "This did not work" in answer.text) == (400, True)
    assert sent(http, backup, "note", note=" ").status_code == 303
    assert find_backup(site.instance, site.app.id, backup.id).note is None


def test_who_may_only_look_changes_nothing(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    signed_in(site, http, rights="view", app_id=site.app.id)
    page = http.get(address(backup)).text
    assert "<form" not in page
    for name in ("delete", "lock", "note", "name", "undelete"):
        assert http.post(f"{address(backup)}/{name}", headers=HERE).status_code == 403
    assert http.get(f"/apps/{site.app.id}/backups/{'f' * 32}").status_code == 404


def test_a_failed_backup_says_what_is_safe_what_comes_next_and_what_can_be_restored(
    site: Site, http: httpx.Client
) -> None:
    signed_in(site, http)

    def failed() -> str:
        backup, _ = request_backup(site.instance, site.app.id, SYSTEM)
        fail_backup(site.instance.catalog, backup.id, "STORE_FULL", "<b>The disk is full.</b>", backup.created_at)
        return f"/apps/{site.app.id}/backups/{backup.id}"

    alone = http.get(failed())
    assert "so nothing could be restored." in alone.text
    assert "What you can restore" not in alone.text
    good = [site.take() for _ in range(4)]
    path = failed()
    with counted(site.instance) as queries:
        shown = http.get(path)
    assert len(queries) <= 8, queries
    for text in ("What happened", "What is still safe", "What happens next", "What you can restore"):
        assert f">{text}</h2>" in shown.text
    assert "&lt;b&gt;The disk is full.&lt;/b&gt;" in shown.text
    assert "is still there, with 2 files." in shown.text
    assert "the next one is made by hand" in shown.text
    offered = re.findall(r'href="/apps/\w+/restore\?backup=(\w+)"', shown.text)
    assert offered == [one.id for one in reversed(good[1:])], "the three newest good ones"
    assert shown.text.count("btn primary") == 1
    again = f"/apps/{site.app.id}/backups"
    assert http.post(again, data=form_of(shown, again), headers=HERE).status_code == 303
    assert len(site.queued()) == 1
    assert "Another one is being made now." in http.get(path).text
    refused = http.get(f"/apps/{site.app.id}/backups/{'f' * 32}")
    assert (refused.status_code, 'href="/"' in refused.text) == (404, True), "it leads on"
