"""Hostile archives through a running server: a sentence and a status, little memory, and nothing left of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from kit.hostile_archives import ZIP_LINK, Entry, extended, gzipped, many_records, tar_header, zip64_of
from kit.served import WAIT_SECONDS, served

MB = 1_000_000
WEB_GROWTH_MAX = 40 * MB

AT_ONCE: list[tuple[Callable[[], bytes], str]] = [
    (lambda: b"PK\x03\x04" + bytes(100), "end of the zip is missing"),
    (lambda: zip64_of([Entry(b"../../evil")]), "has '..' in its path"),
    (lambda: zip64_of([Entry(b"a")], count=1 << 40), "more than 2,000,000 files"),
    (lambda: zip64_of([Entry.of(b"l", b"/etc", ZIP_LINK), Entry(b"l/x")]), "is a symbolic link"),
    (lambda: bytes(511) + b"x", "neither a zip nor a tar"),
]
"""Refused with 4xx while it is uploaded."""

LATER: list[tuple[Callable[[], bytes], str]] = [
    (lambda: zip64_of([*(Entry(b"%06d" % n) for n in range(11_000)), Entry(b"../evil")]), "has '..' in its path"),
    (lambda: gzipped(extended(b"g", many_records(120_000)), tar_header(b"f")), "far more extended headers"),
    (lambda: gzipped(tar_header(b"sda", b"3")), "is a device"),
    (lambda: gzipped(tar_header(b"../evil", b"0")), "has '..' in its path"),
    (lambda: gzipped(*[tar_header(b"./", b"5")] * 150_000), "far more headers and padding"),
]
"""Refused by the job: finding them means reading all of it."""


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in (folder / "home" / "run").iterdir() if path.name.startswith("import-")]


def test_hostile_archives_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with served(tmp_path, is_limited=False) as server:
        tenant = server.tenants[0]
        path = f"/v3/apps/{tenant.backup.app_id}/backups/import?wait=60"
        with server.client(tenant.key.api_key) as client:
            client.timeout = 70
            before = server.resident_bytes()
            for build, why in AT_ONCE:
                answer = client.post(path, content=build())
                assert 400 <= answer.status_code < 500, answer.text
                assert why in answer.json()["message"]
            for build, why in LATER:
                shown = client.post(path, content=build()).json()["response"]
                assert (shown["state"], shown["is_successful"]) == ("failed", False)
                assert why in shown["error"]["message"]
            deep = client.post(path, content=zip64_of([Entry(b"x/" * 16_300 + b"f")])).json()["response"]
            assert deep["is_successful"], deep
        assert server.resident_bytes() - before < WEB_GROWTH_MAX
        until = time.monotonic() + WAIT_SECONDS
        while leftovers(tmp_path) and time.monotonic() < until:  # those of a good one go when it is shown as such
            os.sched_yield()
        assert leftovers(tmp_path) == []
        assert not list(tmp_path.rglob("*evil*"))
