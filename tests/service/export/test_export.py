"""The export of an account: a zip that any program reads, made in constant memory, without secrets."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile

import msgspec
from kit.counted import counted
from kit.many import add_backups
from kit.world import World

from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.schemas.people.members import NewMember
from holdfast.service.export.export import export_account
from holdfast.service.export.parts import ROWS
from holdfast.service.notify.endpoints import add_endpoint, secrets_of
from holdfast.service.people.audit import entries
from holdfast.service.people.callers import Caller, caller_of_key
from holdfast.service.people.giving import Giver
from holdfast.service.people.invitations import invite
from holdfast.service.people.rights import ALL, Grant, Right
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.trash import delete_backup
from holdfast.service.take.schedule import Schedule, set_schedule

FILES = {
    *("README.txt", "account.json", "people.json", "keys.json", "applications.json", "schedules.json"),
    *("backups.json", "jobs.json", "notices.json", "links.json", "audit.json", "backups.csv", "audit.csv"),
}


def owner(world: World) -> Caller:
    return caller_of_key(world.instance, world.api_key, "")


def unzipped(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as whole:
        assert whole.testzip() is None
        return {name: whole.read(name).decode() for name in whole.namelist()}


def test_all_of_it_is_there_and_no_secret(world: World) -> None:
    instance, account_id = world.instance, world.account.id
    backup, trashed = world.take("good one"), world.take("=1+1")
    delete_backup(instance, trashed, SYSTEM)
    set_schedule(instance, world.app, Schedule("0 3 * * *", ignore=("*.log",)), SYSTEM)
    made = add_endpoint(instance, account_id, "https://93.184.216.34/hook?token=hidden", SYSTEM)
    invite(instance, world.account, NewMember(email="eva@example.org", group="view"), Giver(SYSTEM, ALL))
    export = export_account(instance, owner(world))
    assert export.filename == f"holdfast_{account_id}_2024-12-07.zip"
    found = unzipped(b"".join(export.chunks))
    assert set(found) == FILES
    parsed = {name: msgspec.json.decode(text) for name, text in found.items() if name.endswith(".json")}
    assert [one["id"] for one in parsed["backups.json"]] == [backup.id, trashed.id]
    assert parsed["backups.json"][1]["deleted_at"] is not None
    assert parsed["account.json"]["email"] == "ana@example.com"
    assert parsed["schedules.json"][0]["cron"] == "0 3 * * *"
    assert parsed["people.json"][0]["email"] == "eva@example.org"
    assert parsed["audit.json"][0]["action"] == "account.exported"
    rows = list(csv.DictReader(io.StringIO(found["backups.csv"])))
    assert [(row["id"], row["name"]) for row in rows] == [(backup.id, "good one"), (trashed.id, "'=1+1")]
    whole = "".join(found.values())
    for secret in (world.api_key, "token=hidden", *secrets_of(instance, made.endpoint)):
        assert secret not in whole
    assert "backups.download" in found["README.txt"]
    assert [one.action for one in entries(instance, AuditFilter(account_id), 1)] == ["account.exported"]


def test_what_the_caller_may_not_read_is_left_out_and_named(world: World) -> None:
    base = owner(world)
    grant = Grant(frozenset({Right.ACCOUNT_READ, Right.BACKUPS_READ}))
    caller = Caller(base.account, base.actor, grant)
    found = unzipped(b"".join(export_account(world.instance, caller).chunks))
    kept = ("README.txt", "account.json", "applications.json", "backups.json", "jobs.json", "backups.csv")
    assert set(found) == set(kept)
    for right in ("members.read", "keys.read", "schedule.read", "webhooks.read", "audit.read"):
        assert right in found["README.txt"]


def test_a_hundred_times_the_rows_take_no_more_memory(world: World) -> None:
    add_backups(world.instance, world.app, ROWS)
    taken(world)
    few, _ = taken(world)
    add_backups(world.instance, add_app(world.instance, world.account.id, "more", world.root, SYSTEM), 6 * ROWS)
    many, found = taken(world)
    assert len(msgspec.json.decode(found["backups.json"])) == 7 * ROWS
    assert many < 1.5 * few + 1_000_000


def taken(world: World) -> tuple[int, dict[str, str]]:
    """The most memory that an export takes beside the zip, and the files in it."""
    with counted(world.instance) as queries:
        chunks = export_account(world.instance, owner(world)).chunks
        tracemalloc.start()
        content, most = io.BytesIO(), 0
        for chunk in chunks:
            most = max(most, tracemalloc.get_traced_memory()[0] - content.tell())
            content.write(chunk)
        tracemalloc.stop()
    assert len(queries) < 200
    return most, unzipped(content.getvalue())
