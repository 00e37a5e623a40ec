"""A sync: every line decided by itself, a dry run that says what the run does, and nothing ended by accident."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kit.host_apps import configure
from kit.servers.postgresql import postgresql
from kit.world import FakeClock
from sqlalchemy import select

from holdfast.catalog.database.access_tables import audit, keys
from holdfast.catalog.database.tables import accounts, apps
from holdfast.catalog.records import SYSTEM
from holdfast.schemas.host.sync import SyncAnswer
from holdfast.service.errors import Conflict, TooLarge
from holdfast.service.host import records, sync_batch, sync_lines
from holdfast.service.host import sync as syncs
from holdfast.service.host.records import write_some_records
from holdfast.service.host.sync import Sync
from holdfast.service.host.sync_lines import SyncBody
from holdfast.service.instance.home import Instance, create_instance
from holdfast.service.instance.locks import held
from holdfast.service.registry.account_record import read_record, store_records
from holdfast.stores.port import StoreError

__all__ = ["postgresql"]

UUID = "0189f0c8-0000-4000-8000-00000000000a"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An instance whose host may register the folders below `apps`."""
    made = create_instance(tmp_path / "home", time_zone="Europe/Berlin", clock=FakeClock())
    configure(made, app_roots=(str(tmp_path / "apps"),))
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """The same, on each kind of database."""
    if request.param == "postgresql":
        monkeypatch.setenv("HOLDFAST_CATALOG_URL", request.getfixturevalue("postgresql")())
    made: Instance = request.getfixturevalue("instance")
    return made


def account(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "account", "external_id": name, "email": f"{name}@example.org", "plan": "Silver", **more}


def app(instance: Instance, name: str, owner: str, **more: Any) -> dict[str, Any]:
    folder = instance.home.parent / "apps" / str(more.pop("folder", name))
    folder.mkdir(parents=True, exist_ok=True)
    title = more.pop("title", name)
    return {"type": "app", "external_id": name, "account": owner, "path": str(folder), "name": title, **more}


def begun(instance: Instance, lines: list[Any], **asked: bool) -> Sync:
    body = SyncBody(instance)
    for line in lines:
        body.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
    given = {"is_dry": False, "ends_missing": False, "is_forced": False, **asked}
    return Sync(instance, body, SYSTEM, **given)


def run(instance: Instance, lines: list[Any], **asked: bool) -> list[SyncAnswer]:
    sync = begun(instance, lines, **asked)
    try:
        return [answer for some in sync.answers() for answer in some]
    finally:
        sync.close()


def told(answers: list[SyncAnswer]) -> list[tuple[object, ...]]:
    """Type, external id and result of each; with what has changed, or the code."""
    found = []
    for one in answers:
        more = one.changed if one.result == "changed" else (one.code,) if one.result == "refused" else ()
        found.append((one.type, one.external_id, one.result, *(more if isinstance(more, tuple) else ())))
    return found


def state_of(instance: Instance) -> list[Any]:
    with instance.catalog.read() as connection:
        return [connection.execute(select(t).order_by(t.c[0])).all() for t in (accounts, apps, keys, audit)]


def test_a_dry_run_says_what_the_run_does(either: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = either
    monkeypatch.setattr(syncs, "LINES_AT_ONCE", 3)
    run(
        instance,
        [
            *(account("a"), account("b"), account("gone"), account("back")),
            *(app(instance, "one", "a"), app(instance, "two", "a"), app(instance, "old", "gone")),
        ],
    )
    run(instance, [account("a"), account("b"), account("gone")], ends_missing=True, is_forced=True)
    lines = [
        account("a", email="new@example.org", plan="Titanium"),
        account("c", email="a@example.org"),
        account("b"),
        account("back"),
        account("d", email="b@example.org"),
        app(instance, "one", "a", title="two"),
        app(instance, "two", "a", title="three", schedule="0 3 * * *"),
        app(instance, "new", "c", ignore=["*.log"], folder="old"),
        app(instance, "inside", "c", folder="old/below"),
        app(instance, UUID, "back"),
        app(instance, "x", "gone"),
        app(instance, "y", "nobody"),
    ]
    before = state_of(instance)
    dry = run(instance, lines, is_dry=True, ends_missing=True, is_forced=True)
    assert state_of(instance) == before
    assert run(instance, lines, ends_missing=True, is_forced=True) == dry
    assert told(dry) == [
        ("account", "gone", "ended"),
        ("account", "a", "changed", "email", "plan"),
        ("account", "c", "created"),
        ("account", "b", "same"),
        ("account", "back", "changed", "ended_at"),
        ("account", "d", "refused", "EMAIL_TAKEN"),
        ("app", "one", "refused", "APP_NAME_TAKEN"),
        ("app", "two", "changed", "name", "ended_at", "schedule"),
        ("app", "new", "created"),
        ("app", "inside", "refused", "INVALID_PATH"),
        ("app", UUID, "created"),
        ("app", "x", "refused", "ACCOUNT_ENDED"),
        ("app", "y", "refused", "ACCOUNT_NOT_FOUND"),
    ]
    again = told(run(instance, lines))
    assert {one[2] for one in again} == {"same", "changed", "refused"}
    assert ("app", "one", "changed", "name", "ended_at") in again, "the name is free by now"


def test_each_change_is_in_the_audit(instance: Instance) -> None:
    run(instance, [account("a"), account("b"), app(instance, "one", "a")])
    run(instance, [account("a", plan="Titanium")], ends_missing=True, is_forced=True)
    with instance.catalog.read() as connection:
        found = connection.execute(select(audit.c.action).order_by(audit.c.seq)).scalars().all()
    assert found == [
        *("account.created", "account.created", "app.created"),
        *("app.ended", "account.ended", "account.changed"),
    ]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "INVALID_JSON_BODY"),
        (b"[]", "INVALID_JSON_BODY"),
        (b"\xff", "INVALID_JSON_BODY"),
        (b'{"type": "node"}', "INVALID_JSON_BODY"),
        (b'{"email": "b@example.org", "plan": "Silver"}', "INVALID_JSON_BODY"),
        (b" " * 70_000 + b"{}", "INVALID_JSON_BODY"),
        ({**account("b"), "path": "/"}, "INVALID_JSON_BODY"),
        ({**account("b"), "plan": 7}, "INVALID_PLAN"),
        ({**account("b"), "plan": "None"}, "INVALID_PLAN"),
        ({**account("b"), "email": "b"}, "INVALID_EMAIL"),
        ({**account("b"), "external_id": ""}, "INVALID_EXTERNAL_ID"),
        ({"type": "account", "external_id": "b", "plan": "Silver"}, "INVALID_EMAIL"),
        ({"type": "app", "external_id": "b", "account": "a", "name": "b"}, "INVALID_PATH"),
        ({"type": "app", "external_id": "b", "account": "a", "name": "b", "path": "/"}, "INVALID_PATH"),
    ],
)
def test_a_bad_line_refuses_that_line_only(instance: Instance, line: Any, code: str) -> None:
    found = run(instance, [account("a"), line, b"", account("c")])
    assert [(one.line, one.result) for one in found] == [(1, "created"), (2, "refused"), (4, "created")]
    assert found[1].code == code, found[1].message


def test_an_external_id_that_stands_there_twice_is_refused(instance: Instance) -> None:
    lines = [account("a"), account("b"), account("a", plan="Titanium"), app(instance, "a", "b")]
    assert [one[2] for one in told(run(instance, lines))] == ["refused", "created", "refused", "created"]


def test_no_more_than_a_tenth_ends_unless_it_is_forced(instance: Instance) -> None:
    whole = [account(f"a{n:03}") for n in range(100)]
    run(instance, whole)
    assert {one.result for one in run(instance, whole[:50])} == {"same"}, "nothing ends unless it is asked for"
    before = state_of(instance)
    for is_dry in (True, False):
        with pytest.raises(Conflict, match="11 of 100 accounts are not in the sync") as refused:
            run(instance, whole[11:], ends_missing=True, is_dry=is_dry)
        assert refused.value.code == "TOO_MANY_MISSING"
    kept = told(run(instance, [*whole[9:], b"{"], ends_missing=True))
    assert kept.count(("account", "a008", "refused", "LINES_NOT_READ")) == 1
    assert state_of(instance) == before
    ended = told(run(instance, whole[9:], ends_missing=True))
    assert ended[:9] == [("account", f"a{n:03}", "ended") for n in range(9)]
    assert {one[2] for one in ended[9:]} == {"same"}
    assert len(told(run(instance, [], ends_missing=True, is_forced=True))) == 91


def test_one_that_was_interrupted_is_run_again(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncs, "LINES_AT_ONCE", 2)
    whole = [account(f"a{n}") for n in range(5)]
    sync = begun(instance, whole)
    with pytest.raises(Conflict, match="Another sync runs already") as refused:
        begun(instance, whole)
    assert refused.value.code == "SYNC_IN_PROGRESS"
    assert len(next(sync.answers())) == 2
    sync.close()
    assert [one.result for one in run(instance, whole)] == ["same"] * 2 + ["created"] * 3
    with held(instance, "sync") as is_free:
        assert is_free


def test_what_another_request_took_meanwhile_refuses_its_line_only(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance, [account("a")])
    monkeypatch.setattr(sync_batch, "owners_of_emails", lambda connection, emails: {})
    found = told(run(instance, [account("b"), account("c", email="a@example.org"), account("d")]))
    assert found == [
        ("account", "b", "created"),
        ("account", "c", "refused", "SYNC_OVERTAKEN"),
        ("account", "d", "created"),
    ]


def test_records_that_cannot_be_written_are_left_to_the_next_start(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = begun(instance, [account("a"), account("b")])
    list(sync.answers())
    sync.close()
    ids = sync.changed_accounts()
    assert len(ids) == 2

    def away(*_: object) -> int:
        raise StoreError("The store is away.")

    with monkeypatch.context() as without:
        without.setattr(records, "store_record", away)
        write_some_records(instance, left := list(ids))
        assert left == []
    store_records(instance)
    assert {read_record(instance, one).account.external_id for one in ids} == {"a", "b"}


def test_its_size_is_bounded(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_lines, "LINES_MAX", 2)
    monkeypatch.setattr(sync_lines, "BYTES_MAX", 1000)
    with pytest.raises(TooLarge, match="at most 2 lines"):
        run(instance, [account("a"), account("b"), account("c")])
    with pytest.raises(TooLarge, match="MiB"), closing(SyncBody(instance)) as body:
        body.write(b" " * 1001)
