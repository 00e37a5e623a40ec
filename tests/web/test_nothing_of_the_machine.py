"""Each kind of failure, produced for real, shows customers nothing of the operator's machine, and the operator all."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from kit.command import Run
from kit.receiver import Receiver, receiving
from kit.site import Site

from holdfast.catalog.events.log import events_after
from holdfast.catalog.records import SYSTEM, Hook
from holdfast.restorer import swap
from holdfast.restorer.staging import target_error
from holdfast.service.integrity.prove import request_prove, run_prove
from holdfast.service.integrity.verify import request_verify, run_verify
from holdfast.service.notify.dispatch import deliver_due
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.registry.apps import get_app
from holdfast.service.registry.databases import add_database, spec_of
from holdfast.service.restore import files as restores
from holdfast.service.restore.plan import Wanted
from holdfast.service.take import run as takes
from holdfast.service.take.hooks import set_hook
from holdfast.service.take.run import take_now
from holdfast.stores.port import StoreError

HOST, PASSWORD = "db-7.inside.invalid", "correct-horse-battery"
LEFT = "left-beside-it"
Fail = Callable[[Site, pytest.MonkeyPatch], str]
"""Brings about a failure; returns the code that it must have."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@contextmanager
def away(folder: Path) -> Iterator[None]:
    """A folder that is not where it was."""
    folder.rename(folder.with_name(LEFT))
    try:
        yield
    finally:
        folder.with_name(LEFT).rename(folder)


def no_room(*given: object, **named: object) -> Any:
    raise OSError(28, "No space left on device")


def _folder_missing(site: Site, patch: pytest.MonkeyPatch) -> str:
    with away(site.folder):
        take_now(site.instance, site.app.id, SYSTEM)
    return "SOURCE_MISSING"


def _folder_is_a_link(site: Site, patch: pytest.MonkeyPatch) -> str:
    with away(site.folder):
        site.folder.symlink_to(site.folder.with_name(LEFT))
        take_now(site.instance, site.app.id, SYSTEM)
        site.folder.unlink()
    return "SOURCE_UNREADABLE"


def _store_away(site: Site, patch: pytest.MonkeyPatch) -> str:
    with away(site.instance.home / "store"):
        take_now(site.instance, site.app.id, SYSTEM)
    return "STORE_UNREACHABLE"


def _store_full(site: Site, patch: pytest.MonkeyPatch) -> str:
    (site.folder / "more.bin").write_bytes(os.urandom(400_000))
    with patch.context() as here:
        here.setattr("holdfast.stores.local_writer.os.write", no_room)
        take_now(site.instance, site.app.id, SYSTEM)
    return "STORE_FULL"


def _database_refused(site: Site, patch: pytest.MonkeyPatch) -> str:
    tools = site.instance.home.parent / "tools"
    tools.mkdir()
    (tools / "redis-cli").write_text("#!/bin/sh\necho redis-cli 7.2.4\n")
    (tools / "redis-cli").chmod(0o755)
    patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    patch.setenv("SHOP_PASSWORD", PASSWORD)
    spec = spec_of("redis", f"redis://shop@{HOST}:7001/0", name="shop", password_env="SHOP_PASSWORD")
    add_database(site.instance, site.app, spec, SYSTEM, check=False)
    take_now(site.instance, site.app.id, SYSTEM)
    return "DATABASE_UNREACHABLE"


def _hook_failing(site: Site, patch: pytest.MonkeyPatch) -> str:
    set_hook(site.instance, site.app, "before", Hook(f'echo "$HOLDFAST_PATH {HOST} {PASSWORD}"; exit 3', 10), SYSTEM)
    take_now(site.instance, site.app.id, SYSTEM)
    return "HOOK_FAILED"


def _after_hook_failing(site: Site, patch: pytest.MonkeyPatch) -> str:
    set_hook(site.instance, site.app, "after", Hook(f'echo "$HOLDFAST_PATH {HOST} {PASSWORD}"; exit 3', 10), SYSTEM)
    take_now(site.instance, site.app.id, SYSTEM)
    return "AFTER_HOOK_FAILED"


def _not_foreseen(site: Site, patch: pytest.MonkeyPatch) -> str:
    def fail(*given: object) -> None:
        raise RuntimeError(f"{site.folder} at {HOST} with {PASSWORD}")

    with patch.context() as here:
        here.setattr(takes, "_take", fail)
        take_now(site.instance, site.app.id, SYSTEM)
    return "INTERNAL_ERROR"


def _hostile_archive(site: Site, patch: pytest.MonkeyPatch) -> str:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("../outside", "x")
    with site.client(site.silver.api_key) as http:
        answer = http.post(f"/v3/apps/{site.app.id}/backups/import", content=body.getvalue())
    assert answer.status_code in (202, 400), answer.text
    if answer.status_code == 202:
        takes.run_backup(site.instance, answer.json()["response"]["id"])
    _clean(site, answer.text)
    return "INVALID_ARCHIVE"


def _restore(site: Site, wanted: Wanted | None = None) -> str:
    backup = site.take()
    (site.folder / "hello.txt").write_text("changed\n")
    job = restores.request_restore(site.instance, backup, site.app, wanted or Wanted(), SYSTEM)
    return restores.run_restore(site.instance, job.id).error_code or ""


def _target_not_writable(site: Site, patch: pytest.MonkeyPatch) -> str:
    def refused(folder: Path, **named: object) -> None:
        raise target_error(PermissionError(13, "Permission denied"), folder)

    with patch.context() as here:
        here.setattr(restores, "Staging", refused)
        assert _restore(site) == "TARGET_ERROR"
    return "TARGET_ERROR"


def _journal_full(site: Site, patch: pytest.MonkeyPatch) -> str:
    with patch.context() as here:
        here.setattr(swap, "write_durably", no_room)
        _restore(site)
    return "SCRATCH_FULL"


def _safety_backup_failing(site: Site, patch: pytest.MonkeyPatch) -> str:
    backup = site.take()
    (site.folder / "hello.txt").write_text("changed\n")
    set_hook(site.instance, site.app, "before", Hook("exit 3", 10), SYSTEM)

    def fail(*given: object) -> None:
        raise StoreError(f"{site.instance.home}/store at {HOST} is broken")

    job = restores.request_restore(
        site.instance, backup, get_app(site.instance, site.app.account_id, site.app.id), Wanted(), SYSTEM
    )
    with patch.context() as here:
        here.setattr(takes, "_take", fail)
        restores.run_restore(site.instance, job.id)
    return "SAFETY_BACKUP_FAILED"


def _packs_gone(site: Site, patch: pytest.MonkeyPatch) -> str:
    site.take()
    before = set(site.instance.home.glob("store/vaults/*/packs/*/*"))
    (site.folder / "large.bin").write_bytes(os.urandom(300_000))
    backup = site.take()
    new = set(site.instance.home.glob("store/vaults/*/packs/*/*")) - before
    max(new, key=lambda path: path.stat().st_size).unlink()
    shutil.rmtree(site.folder)
    site.folder.mkdir()
    job = restores.request_restore(site.instance, backup, site.app, Wanted(safety_backup=False), SYSTEM)
    done = restores.run_restore(site.instance, job.id)
    assert "large.bin" in (done.error_message or ""), done.error_message
    return "BACKUP_DAMAGED"


def _verify_without_store(site: Site, patch: pytest.MonkeyPatch) -> str:
    job = request_verify(site.instance, site.take(), site.app.node, SYSTEM)
    with away(site.instance.home / "store"):
        run_verify(site.instance, job.id)
    return "STORE_UNREACHABLE"


def _trial_without_scratch(site: Site, patch: pytest.MonkeyPatch) -> str:
    scratch = site.instance.home.parent / "not-there"
    site.instance.config = msgspec.structs.replace(site.instance.config, scratch=str(scratch))
    run_prove(site.instance, request_prove(site.instance, site.take(), SYSTEM).id)
    return "SCRATCH_FAILED"


FAILURES: tuple[Fail, ...] = (
    _folder_missing, _folder_is_a_link, _store_away, _store_full, _database_refused, _hook_failing, _after_hook_failing,
    _not_foreseen, _hostile_archive, _target_not_writable, _journal_full, _safety_backup_failing, _packs_gone,
    _verify_without_store, _trial_without_scratch,
)  # fmt: skip


def _clean(site: Site, text: str) -> None:
    secrets = [site.instance.home, site.folder, site.folder.parent, "/tmp", LEFT, HOST, PASSWORD, "holdfast "]
    for secret in map(str, secrets):
        assert secret not in text, f"{secret} in {text}"
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text), text


def _seen_by_customer(site: Site) -> str:
    """All that the API says of an account."""
    base = f"/v3/apps/{site.app.id}"
    with site.client(site.silver.api_key) as http:
        answers = [http.get(f"{base}/backups?view=full"), http.get("/v3/backups?view=full"), http.get("/v3/jobs")]
        answers += [http.get(f"/v3/jobs/{job['id']}") for job in answers[2].json()["response"]]
        for backup in answers[0].json()["response"]:
            answers += [http.get(f"{base}/backups/{backup['id']}"), http.get(f"{base}/backups/{backup['id']}/log")]
        texts = [answer.text for answer in answers]
        newest = _last_event(site)
        if newest:
            with http.stream("GET", "/v3/events?after=0") as stream:
                for line in stream.iter_lines():
                    texts.append(line)
                    if line.startswith("data: ") and f'"seq":{newest},' in line:
                        break
        assert all(answer.status_code == 200 for answer in answers), texts
    return "\n".join(texts)


def _last_event(site: Site) -> int:
    """The number of the last event that the account is told of; 0: it is told of none."""
    found = events_after(site.instance.catalog, 0, 1000, account_id=site.app.account_id)
    return found[-1].seq if found else 0


@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__.strip("_"))
def test_customers_see_nothing_of_the_machine(
    fail: Fail, site: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = site.instance.config
    site.instance.config = msgspec.structs.replace(config, notices_allow_private=True)
    add_endpoint(site.instance, site.app.account_id, receiver.url, SYSTEM, None)
    code = fail(site, monkeypatch)
    deliver_due(site.instance)
    seen = _seen_by_customer(site)
    if fail is not _hostile_archive or code in seen:
        assert code in seen
    _clean(site, seen)
    for received in receiver.received:
        _clean(site, received.body.decode())


def test_the_operator_sees_all_of_it(site: Site, receiver: Receiver, run: Run) -> None:
    add_endpoint(site.instance, None, receiver.url, SYSTEM, None)

    def asked(*arguments: str, code: int = 0) -> str:
        return run("--home", site.instance.home, *arguments, code=code).stdout

    with away(site.folder):
        take_now(site.instance, site.app.id, SYSTEM)
        deliver_due(site.instance)
        path = str(site.folder)
        (backup,) = [line.split()[0] for line in asked("backup", "list", site.app.id).splitlines()[1:]]
        assert path in asked("backup", "list", site.app.id)
        assert path in asked("backup", "log", site.app.id, backup)
        assert path in asked("jobs")
        (job,) = json.loads(asked("jobs", "--json"))
        assert path in job["error"]["detail"]
        assert path not in job["error"]["message"]
        assert path in asked("log")
        assert path in asked("doctor", "--json", code=1)
    assert path in receiver.received[-1].json["data"]["error"]["detail"]
    assert path in receiver.received[-1].json["data"]["message"]


def test_what_the_operator_restores_elsewhere_is_no_business_of_the_account(
    site: Site, silver: httpx.Client, receiver: Receiver, run: Run, tmp_path: Path
) -> None:
    site.instance.config = msgspec.structs.replace(site.instance.config, notices_allow_private=True)
    add_endpoint(site.instance, site.app.account_id, receiver.url, SYSTEM, None)
    backup = site.take()
    wanted = Wanted(to=str(tmp_path / "elsewhere"), mode="overlay", is_inline=True)
    job = restores.request_restore(site.instance, backup, site.app, wanted, SYSTEM)
    assert restores.run_restore(site.instance, job.id).state == "successful"
    deliver_due(site.instance)
    assert job.id not in _seen_by_customer(site)
    assert silver.get(f"/v3/jobs/{job.id}").status_code == 404
    assert silver.delete(f"/v3/jobs/{job.id}").status_code == 404
    assert not receiver.received
    assert job.id in run("--home", site.instance.home, "jobs").stdout


def test_what_is_refused_at_once_names_no_folder(site: Site, silver: httpx.Client) -> None:
    backup = site.take()
    with away(site.folder):
        answers = [
            silver.get(f"/v3/apps/{site.app.id}/schedule"),
            silver.post(f"/v3/apps/{site.app.id}/backups/{backup.id}/restore", json={"dry_run": True}),
        ]
    for answer in answers:
        _clean(site, answer.text)
