"""What is found wrong with backups is said once; test restores are claimed once."""

from __future__ import annotations

import msgspec
from kit.rows import SECOND, account, app, done

from holdfast.catalog.backups import proofs as proving
from holdfast.catalog.backups import read_back as reading
from holdfast.catalog.backups.damage import (
    DAMAGED,
    MORE_DAMAGED,
    NOT_PROVED,
    Found,
    damaged_backups,
    not_to_build_on,
    record_findings,
)
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.log import events_after
from holdfast.catalog.jobs.rows import job_by_id
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.records import SYSTEM, Event, EventKind, Job, JobState, Warned
from holdfast.units import DAY_NS
from holdfast.vault.pack.ledger import PackRow


def failures(catalog: Catalog) -> list[Event]:
    return [event for event in events_after(catalog, 0, 1000) if event.kind is EventKind.VERIFY_FAILED]


def lost(*paths: str) -> tuple[Warned, ...]:
    return tuple(Warned(path, DAMAGED, f"The file {path} can't be read.") for path in paths)


def test_only_what_was_not_known_is_news(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    first, second = done(catalog, bot, 1, "one"), done(catalog, bot, 2, "two")
    more = Warned("", MORE_DAMAGED, "There are 7 more files that can't be read.")
    record_findings(catalog, [Found(first.id, lost("a", "b")), Found(second.id, (*lost("a"), more))], 10)
    (event,) = failures(catalog)
    assert (event.app_id, event.backup_id, event.at, event.data["name"]) == (bot.id, second.id, 10, "two")
    assert event.data["backups"] == [{"id": second.id, "name": "two"}, {"id": first.id, "name": "one"}]
    assert event.data["files"] == ["a"]
    fewer = Warned("", MORE_DAMAGED, "There are 6 more files that can't be read.")
    record_findings(catalog, [Found(first.id, lost("a")), Found(second.id, (*lost("a"), fewer))], 11)
    record_findings(catalog, [Found("f" * 32, lost("a"))], 12)
    assert len(failures(catalog)) == 1
    record_findings(catalog, [Found(first.id, ())], 13)
    assert [one.id for one in damaged_backups(catalog, bot.account_id)] == [second.id]
    record_findings(catalog, [Found(first.id, lost("a"))], 14)
    assert len(failures(catalog)) == 2


def test_what_may_be_wrong_is_not_built_on(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    first = done(catalog, bot, 1)
    record_findings(catalog, [Found(first.id, lost("a"))], 10)
    assert not_to_build_on(catalog, bot.account_id, bot.id) is None
    record_findings(catalog, [Found(first.id, (*lost("a"), Warned("b", NOT_PROVED, "It is other.")))], 20 * SECOND)
    assert not_to_build_on(catalog, bot.account_id, bot.id) == 20 * SECOND
    record_findings(catalog, [Found(first.id, lost("a"), None, 30)], 30)
    assert not_to_build_on(catalog, bot.account_id, bot.id) is None
    found = backup_by_id(catalog, first.id)
    assert found is not None
    assert found.restore_proved_at == 30


def test_a_due_test_restore_is_claimed_once(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    assert proving.due_app(catalog, bot.node, 1 << 62) is None
    made = done(catalog, bot, 1)
    due = proving.due_app(catalog, bot.node, 1 << 62)
    assert due is not None
    found = backup_by_id(catalog, made.id)
    assert found is not None
    finished = found.finished_at
    assert finished is not None
    assert finished + DAY_NS <= due[1] < finished + 2 * DAY_NS
    assert proving.due_app(catalog, bot.node, due[1] - 1) is None
    assert proving.due_app(catalog, "elsewhere", 1 << 62) is None
    job = Job(
        "1" * 32, bot.account_id, bot.id, made.id, "prove", JobState.QUEUED, "{}", None, None, None, None,
        False, bot.node, 1, None,
    )  # fmt: skip
    assert proving.claim_prove(catalog, *due, due[1] + 100, job, by=SYSTEM)
    again = msgspec.structs.replace(job, id="2" * 32)
    assert not proving.claim_prove(catalog, *due, due[1] + 100, again, by=SYSTEM)
    assert job_by_id(catalog, again.id) is None
    assert proving.due_app(catalog, bot.node, 1 << 62) is None  # one is open
    done(catalog, bot, 2)  # a later backup does not move it
    proving.prove_by(catalog, bot.id, due[1] + 50)
    proving.prove_by(catalog, bot.id, due[1] + 90)
    assert proving.proofs(catalog)[0][4] == due[1] + 50


def test_packs_are_read_in_turn(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    names = [bytes([n]) * 32 for n in range(4)]
    SqlLedger(catalog, bot.account_id).publish(0, [PackRow(name, 1, 100, b"s" * 16, b"t", 1) for name in names])
    assert [p.pack_id for p in reading.due_packs(catalog, 0, 3)] == names[:3]
    assert reading.all_read_at(catalog, bot.account_id) is None
    reading.mark_read(catalog, bot.account_id, names[:2], 50)
    reading.mark_read(catalog, bot.account_id, names[:1], 40)  # never back
    assert [p.pack_id for p in reading.due_packs(catalog, 50, 9)] == names[2:]
    assert [p.pack_id for p in reading.due_packs(catalog, 51, 9)] == [names[n] for n in (2, 0, 3, 1)]
    assert reading.read_since(catalog, 49) == 200
    reading.mark_read(catalog, bot.account_id, names[2:], 70)
    assert reading.all_read_at(catalog, bot.account_id) == 50
    made = done(catalog, bot, 1)
    finished = 2 * SECOND
    assert reading.not_verified_since(catalog, bot.account_id, finished - 1, 1) == []
    assert [b.id for b in reading.not_verified_since(catalog, bot.account_id, finished, 1)] == [made.id]
    turn = reading.claim_lease(catalog, "a", 1000, 100, 500, lambda total: total // 4)
    assert turn == reading.ReadBackLease("a", 1100, 100, 1000)
    assert reading.claim_lease(catalog, "b", 1050, 100, 500, lambda total: total) is None
    assert reading.claim_lease(catalog, "b", 1101, 100, 500, lambda total: total) == reading.ReadBackLease(
        "b", 1201, 100, 1000
    )
    assert reading.claim_lease(catalog, "b", 1500, 100, 500, lambda total: total) == reading.ReadBackLease(
        "b", 1600, 400, 1500
    )
