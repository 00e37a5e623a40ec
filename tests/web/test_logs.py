"""The log: one JSON object per line, without any key in it."""

from __future__ import annotations

import io
import json
import logging

import httpx
import structlog
from kit.links import key_of
from kit.site import Site

from holdfast.service.instance.logs import redact


def lines(log: io.BytesIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_no_key_ever_stands_in_the_log(site: Site, silver: httpx.Client, log: io.BytesIO) -> None:
    backup = site.take()
    silver.get(f"/v3/apps/{site.app.id}/backups")
    silver.get(site.link(backup))
    silver.get(site.link(backup).replace("zip", "nope"))
    silver.get(f"/{key_of(site.instance, backup)}/{site.silver.api_key}?x={site.silver.api_key}")
    text = log.getvalue().decode()
    assert [line["event"] for line in lines(log)] == ["backup_started", "backup_finished", *["request"] * 4]
    assert key_of(site.instance, backup) not in text
    assert site.silver.api_key not in text


def test_a_line_tells_what_was_asked_and_answered(http: httpx.Client, log: io.BytesIO) -> None:
    http.get("/nothing?secret=1")
    (line,) = lines(log)
    assert (line["event"], line["method"], line["path"], line["status"]) == ("request", "GET", "/nothing", 404)
    assert line["client"] == "127.0.0.1"


def test_a_fault_of_ours_has_its_traceback_in_the_log_only(site: Site, silver: httpx.Client, log: io.BytesIO) -> None:
    backup = site.take()
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE backups SET warnings = 'no json'")
    answer = silver.get(f"/v3/apps/{site.app.id}/backups/{backup.id}")
    body = answer.json()
    assert (answer.status_code, body["code"]) == (500, "INTERNAL_SERVER_ERROR")
    failed = next(line for line in lines(log) if line["event"] == "request_failed")
    assert "Traceback" in str(failed["exception"])
    assert str(failed["request_id"]) in body["message"]
    assert answer.headers["x-request-id"] == failed["request_id"]
    assert "Traceback" not in answer.text


def test_what_libraries_log_has_the_same_form(log: io.BytesIO) -> None:
    logging.getLogger("uvicorn.error").error("something %s", "odd")
    (line,) = lines(log)
    assert (line["event"], line["level"]) == ("something odd", "error")


def test_keys_in_foreign_text_are_made_unreadable(log: io.BytesIO) -> None:
    structlog.get_logger().error("hf_0123456789abcdef and " + "a" * 40 + " but " + "b" * 32)
    assert lines(log)[0]["event"] == "[redacted] and [redacted] but " + "b" * 32
    assert redact(b"hf_x") == b"hf_x"
