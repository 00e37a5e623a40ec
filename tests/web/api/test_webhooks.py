"""Webhooks over the API: made, shown without their secrets, tried, changed, removed; never anybody else's."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from kit.receiver import Receiver, receiving
from kit.site import Site

from holdfast.service.notify.dispatch import deliver_due

SHOWN = ["id", "kind", "label", "events", "created_at", "disabled_at", "last_delivery"]


@pytest.fixture
def receiver(site: Site) -> Iterator[Receiver]:
    """A receiver here, and the operator's leave to send to it."""
    site.instance.config = msgspec.structs.replace(site.instance.config, notices_allow_private=True)
    with receiving() as made:
        yield made


def made(silver: httpx.Client, receiver: Receiver, **more: object) -> dict[str, object]:
    answer = silver.post("/v3/webhooks", json={"url": receiver.url, **more})
    assert answer.status_code == 201, answer.text
    response: dict[str, object] = answer.json()["response"]
    assert answer.headers["Location"] == f"/v3/webhooks/{response['id']}"
    return response


def test_the_life_of_a_webhook(site: Site, silver: httpx.Client, receiver: Receiver, log: io.BytesIO) -> None:
    hook = made(silver, receiver)
    assert list(hook) == [*SHOWN, "secret"]
    assert hook["kind"] == "webhook"
    assert hook["label"] == f"http://127.0.0.1:{receiver.port}/..."
    url, secret = f"/v3/webhooks/{hook['id']}", str(hook["secret"])
    (listed,) = silver.get("/v3/webhooks").json()["response"]
    assert listed == silver.get(url).json()["response"] == {name: hook[name] for name in SHOWN}

    tested = silver.post(f"{url}/test").json()["response"]
    assert (tested["type"], tested["state"], tested["status"], tested["error"]) == (
        "webhook.test",
        "delivered",
        200,
        None,
    )
    assert receiver.received[0].is_signed_with(secret)
    again = silver.post(f"{url}/test")
    assert (again.status_code, again.json()["code"]) == (429, "KEEP_CALM")
    assert 1 <= int(again.headers["Retry-After"]) <= 10

    changed = silver.patch(url, json={"events": ["backup.finished"], "label": "Ours"}).json()["response"]
    assert (changed["events"], changed["label"]) == (["backup.finished"], "Ours")
    site.take()
    assert deliver_due(site.instance) == 1
    assert receiver.received[1].json["type"] == "backup.finished"
    sent, test = silver.get(f"{url}/deliveries").json()["response"]
    assert (sent["type"], sent["state"], sent["attempts"]) == ("backup.finished", "delivered", 1)
    assert test == tested
    page = silver.get(f"{url}/deliveries?limit=1")
    assert page.json()["response"] == [sent]
    (after,) = silver.get(page.links["next"]["url"]).json()["response"]
    assert after == tested

    fresh = silver.post(f"{url}/secret").json()["response"]
    assert fresh["secret"] not in (secret, None)
    assert silver.patch(url, json={"is_enabled": False}).json()["response"]["disabled_at"] is not None
    off = silver.post(f"{url}/test")
    assert (off.status_code, off.json()["code"]) == (409, "WEBHOOK_DISABLED")
    assert silver.patch(url, json={"is_enabled": True}).json()["response"]["disabled_at"] is None

    assert silver.delete(url).json()["response"] == {"id": hook["id"]}
    gone = silver.get(url)
    assert (gone.status_code, gone.json()["code"]) == (404, "WEBHOOK_NOT_FOUND")
    assert silver.get("/v3/webhooks").json()["response"] == []
    assert b"s3cret" not in log.getvalue()


def test_a_target_of_apprise(silver: httpx.Client, receiver: Receiver) -> None:
    hook = silver.post("/v3/webhooks", json={"url": f"ntfy://localhost:{receiver.port}/t0pic"}).json()["response"]
    assert (hook["kind"], hook["label"], hook["secret"]) == ("apprise", "ntfy (localhost)", None)
    refused = silver.post(f"/v3/webhooks/{hook['id']}/secret")
    assert (refused.status_code, refused.json()["code"]) == (409, "NOT_A_WEBHOOK")
    tested = silver.post(f"/v3/webhooks/{hook['id']}/test").json()["response"]
    assert (tested["state"], tested["status"]) == ("delivered", None)
    assert receiver.received[0].json["topic"] == "t0pic"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://user:pw@93.184.215.14/",
        "https://93.184.215.14:22/",
        "json://93.184.215.14",
        "",
    ],
)
def test_urls_that_are_refused(silver: httpx.Client, url: str) -> None:
    answer = silver.post("/v3/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_URL")


def test_fields_that_are_refused(silver: httpx.Client, receiver: Receiver) -> None:
    for field, value in (("events", ["backup.queued"]), ("events", []), ("events", 1), ("label", ""), ("label", 1)):
        answer = silver.post("/v3/webhooks", json={"url": receiver.url, field: value})
        assert (answer.status_code, answer.json()["code"]) == (400, f"INVALID_{field.upper()}")
    assert silver.post("/v3/webhooks", json={}).json()["code"] == "INVALID_URL"


def test_other_peoples_webhooks_do_not_exist(site: Site, silver: httpx.Client, receiver: Receiver) -> None:
    hook = made(silver, receiver)
    with site.client(site.other.api_key) as other, site.client() as nobody:
        assert other.get("/v3/webhooks").json()["response"] == []
        for method, path in (
            *(
                ("GET", ""),
                ("PATCH", ""),
                ("DELETE", ""),
                ("GET", "/deliveries"),
                ("POST", "/test"),
                ("POST", "/secret"),
            ),
        ):
            theirs = other.request(method, f"/v3/webhooks/{hook['id']}{path}")
            none = other.request(method, f"/v3/webhooks/{'0' * 32}{path}")
            assert theirs.status_code == none.status_code == 404
            assert theirs.content == none.content
            assert nobody.request(method, f"/v3/webhooks/{hook['id']}{path}").status_code == 401


def test_new_webhooks_are_throttled(silver: httpx.Client) -> None:
    codes = [silver.post("/v3/webhooks", json={"url": "x"}).json()["code"] for _ in range(21)]
    assert codes == ["INVALID_URL"] * 20 + ["KEEP_CALM"]
