"""The pages of notices, as a person uses them by forms, with a real receiver."""

from __future__ import annotations

import html
import re

import httpx
import msgspec
import pytest
from kit.browser import HERE, form_of, signed_in
from kit.receiver import receiving
from kit.site import Site
from sqlalchemy import event

from holdfast.catalog.events.audit import entries
from holdfast.catalog.events.records import MESSAGE_KINDS
from holdfast.catalog.records import SYSTEM, ActorKind, AuditFilter
from holdfast.service.errors import Invalid
from holdfast.service.notify.apprise_sender import check_url
from holdfast.service.notify.egress import Egress
from holdfast.service.notify.endpoints import add_endpoint, list_endpoints
from holdfast.web.dashboard.notices.lines import EVENTS
from holdfast.web.dashboard.notices.targets import TARGETS, target_named, url_from

NOTICES = "/notices"


def sent(http: httpx.Client, page: str, action: str = "", **fields: str) -> httpx.Response:
    """Fill in a form of a page, and send it."""
    token = form_of(http.get(page), action or page)["form_token"]
    return http.post(action or page, data={"form_token": token, **fields}, headers=HERE)


def text(answer: httpx.Response) -> str:
    return html.unescape(answer.text)


def allow_private(site: Site) -> None:
    site.instance.config = msgspec.structs.replace(site.instance.config, notices_allow_private=True)


def test_a_webhook_is_added_tested_changed_switched_off_and_removed(site: Site, http: httpx.Client) -> None:
    allow_private(site)
    signed_in(site, http)
    assert "Nobody is told yet" in http.get(NOTICES).text
    with receiving() as receiver:
        receiver.answers = [(503, {})]
        form = {"target": "webhook", "address": receiver.url, "label": "<b>mine</b>", "event.backup.failed": "on"}
        made = sent(http, f"{NOTICES}?add=webhook", NOTICES, **form)
        secret = re.search(r'<pre class="secret" tabindex="0">(whsec_[\w+/=]+)</pre>', made.text)
        assert (made.status_code, secret is not None) == (201, True), made.text
        again = sent(http, f"{NOTICES}?add=webhook", NOTICES, **form)
        assert (again.status_code, "go there already" in again.text) == (400, True), "the form was sent twice"
        (one,) = set(re.findall(r'href="(/notices/\w{32})"', http.get(NOTICES).text))
        tried = http.get(sent(http, one, f"{one}/test").headers["location"])
        assert "The test did not arrive." in tried.text
        assert "answered 503" in tried.text
    assert secret is not None
    assert receiver.received[0].is_signed_with(html.unescape(secret[1]))
    too_soon = sent(http, one, f"{one}/test")
    assert (too_soon.status_code, "A test was sent just now" in too_soon.text) == (429, True)
    shown = http.get(NOTICES)
    assert "<b>mine</b>" not in shown.text
    assert "Did not arrive" in shown.text
    assert "s3cret" not in shown.text
    assert secret[1] not in http.get(one).text
    none = sent(http, one, f"{one}/change", label="x")
    assert (none.status_code, "events must be a list" in none.text) == (400, True)
    assert sent(http, one, f"{one}/change", label="hook", **{"event.verify.failed": "on"}).headers["location"] == one
    assert (found := list_endpoints(site.instance, site.silver.account.id)[0]).events == ("verify.failed",)
    assert found.label == "hook"
    sent(http, one, f"{one}/disable")
    assert f'action="{one}/test"' not in http.get(one).text
    assert "It is off since" in http.get(one).text
    sent(http, one, f"{one}/enable")
    assert "It is off since" not in http.get(one).text
    fresh = sent(http, one, f"{one}/secret")
    assert (fresh.status_code, "whsec_" in fresh.text, secret[1] in fresh.text) == (201, True, False)
    rotate = form_of(http.get(one), f"{one}/secret")
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET elevated_until = 1")
    asked = http.post(f"{one}/secret", data=rotate, headers=HERE)
    assert asked.headers["location"] == f"/elevate?return_to={one}"
    assert http.post(f"{one}/remove", headers=HERE).status_code == 403, "without the form's token"
    assert sent(http, one, f"{one}/remove").headers["location"] == NOTICES
    gone = http.get(one)
    assert (gone.status_code, "whsec_" in gone.text) == (404, False)
    entered = entries(site.instance.catalog, AuditFilter(action="webhook."), 9)
    assert {one.actor.kind for one in entered} == {ActorKind.PERSON}
    assert [one.action.partition(".")[2] for one in reversed(entered)] == [
        *("created", "tested", "changed", "changed", "changed", "secret_replaced", "removed")
    ]


def test_the_list_takes_as_many_queries_for_ten_as_for_one_and_deliveries_have_pages(
    site: Site, silver: httpx.Client, http: httpx.Client
) -> None:
    allow_private(site)
    signed_in(site, http)
    count: list[str] = []
    event.listen(site.instance.catalog.engine, "before_cursor_execute", lambda *seen: count.append(seen[2]))

    def queries() -> int:
        count.clear()
        assert http.get(NOTICES).status_code == 200
        return len([one for one in count if one.startswith("SELECT")])

    endpoint_id = ""
    counted = []
    for n in range(10):
        made = add_endpoint(site.instance, site.silver.account.id, f"http://127.0.0.1:9999/{n}", SYSTEM)
        endpoint_id = made.endpoint.id
        if n in (0, 9):
            counted.append(queries())
    assert counted[0] == counted[1] <= 8, count
    assert 'name="target"' not in http.get(NOTICES).text, "there is no room for one more"
    for n in range(30):
        with site.instance.catalog.write() as connection:
            connection.exec_driver_sql(
                "INSERT INTO deliveries (id, endpoint_id, account_id, kind, body, state, attempts, created_at,"
                f" finished_at, status) VALUES ('{n:032x}', '{endpoint_id}', '{site.silver.account.id}',"
                " 'backup.failed', '', 'delivered', 1, 1, 1, 204)"
            )
    first = http.get(f"{NOTICES}/{endpoint_id}")
    (older,) = re.findall(r'href="([^"]+)" rel="next"', first.text)
    second = http.get(html.unescape(older))
    assert (first.text.count("answered 204"), second.text.count("answered 204")) == (25, 5)


def test_whoever_may_only_look_has_no_forms(site: Site, http: httpx.Client) -> None:
    signed_in(site, http, rights="webhooks.read")
    assert 'name="target"' not in http.get(NOTICES).text
    signed_in(site, http, rights="backups.read")
    assert http.get(NOTICES).status_code == 403


def test_each_event_has_its_words() -> None:
    assert set(EVENTS) == set(MESSAGE_KINDS)


FILLED = {
    "discord": ({"address": "https://discord.com/api/webhooks/123/abc-DEF_1"}, "discord://123/abc-DEF_1"),
    "mail": (
        {"to": "a@example.net", "from": "b+c@example.org", "server": "smtp.example.org:465", "password": "x/?&;@ y"},
        "mailtos://b%2Bc:x%2F%3F%26%3B%40%20y@example.org:465"
        "?smtp=smtp.example.org&user=b%2Bc%40example.org&from=b%2Bc%40example.org&to=a%40example.net",
    ),
    "ntfy": ({"topic": "t_1", "server": "ntfy.sh", "token": "a&b"}, "ntfys://ntfy.sh/t_1?token=a%26b&auth=token"),
    "webhook": ({"address": "https://example.org/x"}, "https://example.org/x"),
    "other": ({"address": "tgram://123456789:abcdefg_hijk/1"}, "tgram://123456789:abcdefg_hijk/1"),
}


@pytest.mark.parametrize("name", FILLED)
def test_a_form_makes_a_url_that_is_understood(name: str) -> None:
    fields, url = FILLED[name]
    assert url_from(target_named(name), fields) == url
    if not url.startswith("https"):
        assert check_url(url, Egress(True, lambda host, port: []))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("discord", {"address": "https://example.org/api/webhooks/1/a"}),
        ("ntfy", {"topic": "a/b?x", "server": "ntfy.sh"}),
        ("ntfy", {"topic": "a", "server": "ntfy.sh/@evil"}),
        ("mail", {"to": "a", "from": "b@example.org", "server": "smtp.example.org", "password": "x"}),
        ("mail", {"to": "a@example.org", "from": "b@example.org", "server": "smtp.example.org", "password": ""}),
    ],
)
def test_a_field_becomes_no_other_part_of_the_url(name: str, fields: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        url_from(target_named(name), fields)


def test_each_target_is_filled_in_here() -> None:
    assert {target.name for target in TARGETS} == set(FILLED)
