"""The fields of the full object that go beyond the list: the note, and the rules that keep a backup."""

from __future__ import annotations

import httpx
import pytest
from kit.site import Site

from holdfast.catalog.backups.retention import Candidate, candidates
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.records import SYSTEM
from holdfast.service.registry import kept
from holdfast.service.take.run import take_now


def test_a_note_is_written_changed_and_taken_away(site: Site, silver: httpx.Client) -> None:
    backups = f"/v3/apps/{site.app.id}/backups"
    site.start_worker()
    made = silver.post(f"{backups}?wait=20", json={"note": "before the update\nof März"}).json()["response"]
    assert made["note"] == "before the update\nof März"
    one = f"{backups}/{made['id']}"
    assert silver.patch(one, json={"note": "x" * 1000, "is_locked": True}).json()["response"]["note"] == "x" * 1000
    assert silver.patch(one, json={"is_locked": False}).json()["response"]["note"] == "x" * 1000
    for none in (None, " \n"):
        silver.patch(one, json={"note": "again"})
        assert silver.patch(one, json={"note": none}).json()["response"]["note"] is None
    assert silver.get(one).json()["response"]["note"] is None
    entries = silver.get("/v3/audit?action=backup.noted").json()["response"]
    assert entries[-1]["data"] == {"before": {"note": "before the update\nof März"}, "after": {"note": "x" * 1000}}


@pytest.mark.parametrize("note", ["x" * 1001, "a\0b", "bell\x07", 7])
def test_a_bad_note_is_refused_and_changes_nothing(site: Site, silver: httpx.Client, note: object) -> None:
    backups = f"/v3/apps/{site.app.id}/backups"
    one = f"{backups}/{site.take(name='mine').id}"
    answers = [
        silver.patch(one, json={"note": note, "name": "other", "is_locked": True}),
        silver.post(backups, json={"note": note}),
    ]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(400, "INVALID_NOTE")] * 2
    now = silver.get(one).json()["response"]
    assert (now["name"], now["is_locked"], now["note"]) == ("mine", False, None)
    assert not site.queued()


def test_what_keeps_a_backup_is_what_retention_says(
    site: Site, silver: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    silver.put(f"/v3/apps/{site.app.id}/schedule", json={"cron": None, "retention": {"keep_last": 1}})
    for origin in ("scheduled", "manual", "scheduled", "scheduled"):
        take_now(site.instance, site.app.id, SYSTEM, origin=origin)
    backups = f"/v3/apps/{site.app.id}/backups"
    retention = silver.get(f"/v3/apps/{site.app.id}/retention").json()["response"]["backups"]
    looks = []

    def counted(catalog: Catalog, *, app_id: str | None = None) -> list[Candidate]:
        looks.append(app_id)
        return candidates(catalog, app_id=app_id)

    monkeypatch.setattr(kept, "candidates", counted)
    full = silver.get(f"{backups}?view=full").json()["response"]
    assert {b["id"]: b["kept_by"] for b in full} == {b["id"]: b["kept_by"] for b in retention}
    assert [b["kept_by"] for b in full] == [[], ["by_hand"], [], ["newest", "keep_last"]]
    assert len(looks) == 1, "one look at the application, not one a backup"
    newest_first = silver.get("/v3/backups").json()["response"]
    assert [b["kept_by"] for b in reversed(newest_first)] == [b["kept_by"] for b in full]
    assert silver.get(f"{backups}/{full[1]['id']}").json()["response"]["kept_by"] == ["by_hand"]
    assert {b["copied_at"] for b in full} == {None}
