"""A backup's log over HTTP: the lines, but for what the operator's commands print."""

from __future__ import annotations

import httpx
from kit.site import Site

from holdfast.catalog.records import SYSTEM, Hook
from holdfast.service.take.hooks import set_hook


def test_a_customer_sees_the_log_and_not_what_commands_print(site: Site, silver: httpx.Client) -> None:
    set_hook(site.instance, site.app, "before", Hook("echo password=hunter2", 10), SYSTEM)
    backup = site.take()
    for ref in (backup.id, backup.name):
        answer = silver.get(f"/v3/apps/{site.app.id}/backups/{ref}/log")
        assert answer.status_code == 200
        assert list(answer.json()["response"]) == ["log"]
    lines = answer.json()["response"]["log"]
    assert lines[0].endswith(" Started.")
    assert "The command before the copy runs." in lines[1]
    assert "Finished: 2 files" in lines[-1]
    assert "hunter2" not in answer.text
    again = silver.get(answer.request.url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_the_log_of_a_failed_backup_says_why_without_last_words(site: Site, silver: httpx.Client) -> None:
    set_hook(site.instance, site.app, "before", Hook("echo password=hunter2; exit 1", 10), SYSTEM)
    from holdfast.service.take.request import request_backup
    from holdfast.service.take.run import run_backup

    asked, _ = request_backup(site.instance, site.app.id, SYSTEM)
    run_backup(site.instance, asked.id)
    path = f"/v3/apps/{site.app.id}/backups/{asked.id}"
    assert silver.get(path).json()["response"]["error"]["code"] == "HOOK_FAILED"
    assert "HOOK_FAILED" in silver.get(f"{path}/log").json()["response"]["log"][-1]
    assert "hunter2" not in silver.get(path).text + silver.get(f"{path}/log").text


def test_another_accounts_log_does_not_exist(site: Site, silver: httpx.Client) -> None:
    backup = site.take(site.other_app)
    for path in (f"{site.other_app.id}/backups/{backup.id}", f"{site.app.id}/backups/{backup.id}"):
        assert silver.get(f"/v3/apps/{path}/log").status_code == 404
