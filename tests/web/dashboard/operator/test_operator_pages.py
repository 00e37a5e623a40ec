"""The operator's pages: numbers that add up, a fixed number of queries, names full of markup, changes in the audit."""

from __future__ import annotations

import csv
import io
import re

import httpx
import msgspec
from kit.browser import HERE, OPENED, form_of, operator_signed_in
from kit.many import KINDS, add_many
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.people.keys import keys_of
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.service.operator.settings import settings
from holdfast.service.operator.today import instance_today
from holdfast.service.policy.cron import next_dues, parse_cron
from holdfast.service.registry.apps import add_app, rename_app
from holdfast.service.take.request import request_backup
from holdfast.service.take.schedule import Schedule, set_schedule
from holdfast.units import DAY_NS, HOUR_NS

EVIL = "<script>alert(1)<\\script>\"'&<b>"


def pages(site: Site) -> list[str]:
    """A page of each kind."""
    account = f"/operator/accounts/{site.silver.account.id}"
    names = ("accounts", "apps", "apps?standing=failed&node=node-1", "nodes", "store", "jobs", "notices", "plans")
    return ["/operator", account, *(f"/operator/{name}" for name in (*names, "settings", "audit", "apps.csv"))]


def test_each_application_is_counted_once(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    add_many(site.instance, site.silver.account.id, 60)
    one = instance_today(site.instance)
    counts = one.counts
    assert (counts.good, counts.failed, counts.missed, counts.not_begun) == (30, 10, 10, 12)
    assert counts.all == len(one.apps) == sum(one.proofs) == 62
    assert (one.sums.good, one.sums.failed, one.sums.missed) == (40, 10, 10)
    assert sum(sum(lane) for lane in one.due.values()) == 60
    shown = http.get("/operator").text
    assert "Of 62 applications 30 are good, 10 failed, 10 missed a backup, 12 have not begun." in shown
    assert "<b>25.0 %</b>" in shown, "of those that have a good backup"
    titles = re.findall(r"<div><b>(.*?)</b><p>", shown)
    assert "10 applications had no good backup in time" in titles
    assert "The newest backup of 10 applications failed with STORE_FULL" in titles
    assert "10 backups of 10 applications damaged" in titles
    assert shown.count('class="btn primary"') == 1
    assert f"{len(titles)} things need you now" in shown
    by_kind = {"overdue": 10, "failed": 10, "damaged": 10, "empty": 12, "proved": 10, "good": 10}
    for kind, count in by_kind.items():
        assert f"{count} of 62 applications" in http.get(f"/operator/apps?standing={kind}").text, kind
    assert sum(by_kind.values()) == 62
    assert len(KINDS) == 6


def test_all_runs_of_the_next_day_are_in_the_lanes(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    twin = add_app(site.instance, site.silver.account.id, "twin", site.folder, SYSTEM)
    for app in (site.app, twin):
        set_schedule(site.instance, app, Schedule(cron="30 */4 * * *"), SYSTEM)
    found, zone, jitter = (
        instance_today(site.instance),
        site.instance.zone,
        site.instance.config.schedule_jitter_seconds,
    )
    lane, cron = [0] * 24, parse_cron("30 */4 * * *")
    for app in (site.app, twin):
        for due in next_dues(cron, found.now, zone, app.id, jitter, 10):
            if due.at < found.now + DAY_NS:
                lane[(due.at - found.now) // HOUR_NS] += 1
    assert found.due == {site.app.node: lane}
    assert sum(lane) >= 10
    assert http.get("/operator").status_code == 200


def test_lists_go_on_from_page_to_page_without_leaving_one_out(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    add_many(site.instance, site.silver.account.id, 120)
    for first, pattern in (
        ("/operator/accounts", r'href="/operator/accounts/(\w+)"'),
        ("/operator/apps", r"<small>([0-9a-f]{32})</small>"),
        ("/operator/audit", r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"),
    ):
        seen: list[str] = []
        page: str | None = first
        while page is not None:
            text = http.get(page).text
            seen += re.findall(pattern, text)
            more = re.search(r'href="([^"]*)">Next page', text)
            page = None if more is None else more[1].replace("&amp;", "&")
        if first != "/operator/audit":
            assert len(seen) == len(set(seen)) >= 120, first
    rows = list(csv.DictReader(io.StringIO(http.get("/operator/apps.csv?standing=missed&q=app").text)))
    assert rows == []
    rows = list(csv.DictReader(io.StringIO(http.get("/operator/apps.csv?standing=overdue").text)))
    assert {row["standing"] for row in rows} == {"overdue"}
    assert len(rows) == 20


def test_names_full_of_markup_stay_text(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    rename_app(site.instance, site.app, EVIL, SYSTEM)
    add_many(site.instance, site.silver.account.id, 12, name=EVIL)
    request_backup(site.instance, site.other_app.id, SYSTEM)
    for page in (
        *pages(site),
        f"/operator/apps?q={EVIL}",
        f"/operator/accounts?q={EVIL}",
        f"/operator/audit?actor={EVIL}",
    ):
        answer = http.get(page)
        assert answer.status_code == 200, page
        if not page.endswith(".csv"):
            assert "<script>alert" not in answer.text, page
            assert " style=" not in answer.text, page
            assert "&<b>" not in answer.text, page


def test_what_the_operator_changes_of_an_account_is_in_the_audit(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    account_id = site.silver.account.id
    path = f"/operator/accounts/{account_id}"

    def sent(name: str, **more: str) -> httpx.Response:
        form = re.search(
            rf'action="{path}/{name}"><input type="hidden" name="form_token" value="(\w+)"', http.get(path).text
        )
        assert form is not None, name
        return http.post(f"{path}/{name}", data={"form_token": form[1], **more}, headers=HERE)

    assert sent("plan", plan="Titanium").headers["location"] == path
    assert sent("plan", plan="Gold").status_code == 400
    sent("suspend")
    with site.client(site.silver.api_key) as client:
        assert client.post(f"/v3/apps/{site.app.id}/backups", json={}).json()["code"] == "ACCOUNT_SUSPENDED"
        sent("unsuspend")
        assert client.post(f"/v3/apps/{site.app.id}/backups", json={}).status_code == 202
    url = re.search(r"http[^<]*/in\?ticket=[\w-]+", sent("sign-in-link").text)
    assert url is not None
    with site.client() as customer:
        assert customer.get(url[0], headers=OPENED).headers["location"] == "/"
        assert site.silver.account.email in customer.get("/account").text
    found = entries(site.instance.catalog, AuditFilter(account_id=account_id, actor="operator"), 9)
    actions = [one.action for one in found]
    assert actions == ["sign_in_link.created", "account.unsuspended", "account.suspended", "account.plan_set"]
    assert {one.actor.name for one in found} == {"rui@example.org"}
    assert found[-1].data == {"before": {"plan": "Silver"}, "after": {"plan": "Titanium"}}
    with site.client(site.silver.api_key) as client:
        theirs = client.get("/v3/audit", params={"actor": "operator"}).json()["response"]
    assert {(one["actor"]["name"], one["ip"]) for one in theirs} == {("operator", None)}
    for name in ("plan", "suspend", "unsuspend", "sign-in-link"):
        assert http.post(f"{path}/{name}", headers=HERE).status_code == 403, "without the form's token"
    assert http.get("/operator/accounts/nobody").status_code == 404


def test_a_job_is_cancelled(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    backup, _ = request_backup(site.instance, site.app.id, SYSTEM)
    path = f"/operator/jobs/{backup.id}/cancel"
    form = form_of(http.get("/operator/jobs"), path)
    assert http.post(path, data=form, headers=HERE).headers["location"] == "/operator/jobs"
    assert "0 running, 0 waiting" in http.get("/operator/jobs").text
    assert http.post(path, data=form, headers=HERE).status_code == 409, "it has ended"


def test_no_secret_is_on_the_settings_page(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    home = site.instance.home
    (home / "holdfast.toml").write_text((home / "holdfast.toml").read_text() + "\n")
    found = {one.name: one for one in settings(site.instance, {"HOLDFAST_LOG_LEVEL": "debug"})}
    assert (found["log_level"].source, found["log_level"].variable) == ("environment", "HOLDFAST_LOG_LEVEL")
    assert (found["time_zone"].source, found["time_zone"].value) == ("file", "Europe/Berlin")
    assert found["takes_at_once"].source == "default"
    secret = "s3cret-token-of-16"
    given = {
        "metrics_token": secret,
        "mail_url": f"mailtos://u:{secret}@h",
        "catalog_url": f"postgresql://u:{secret}@h/d",
    }
    site.instance.config = msgspec.structs.replace(site.instance.config, **given)
    shown = http.get("/operator/settings").text
    assert secret not in shown
    assert "postgresql://...@h/d" in shown


def test_the_audit_is_filtered_and_a_file(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    add_app(site.instance, site.silver.account.id, "=HYPERLINK(1)", site.folder / "sub", SYSTEM)
    assert keys_of(site.instance.catalog, site.silver.account.id)
    shown = http.get("/operator/audit", params={"action": "app.", "account": site.silver.account.id}).text
    assert shown.count("app.created") == 2
    rows = list(csv.DictReader(io.StringIO(http.get("/operator/audit.csv?action=session.&days=1").text)))
    assert [row["action"] for row in rows] == ["session.created"]
    assert http.get("/operator/audit?days=900").status_code == 400
    assert http.get("/operator/audit?after=x").status_code == 400


def test_pages_of_counts_say_when_they_were_counted(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    for page in ("", "/apps", "/nodes", "/store", "/jobs"):
        assert "Counted just now." in http.get(f"/operator{page}").text, page
