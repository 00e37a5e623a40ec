"""Some lines of a sync in one transaction: what each changes, decided from the rows and what was decided before.

A dry run writes nothing, so what earlier lines would have done is kept in `Decided`; a run keeps there what the lines
before in the same transaction have done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from msgspec import structs

from holdfast.catalog.events.audit import Change
from holdfast.catalog.host.accounts import accounts_by_external, owners_of_emails
from holdfast.catalog.host.apps import NOTHING_DUE, apps_by_external
from holdfast.catalog.host.batch import Writes, plan_each_query
from holdfast.catalog.host.records import HostAccount
from holdfast.catalog.host.seen import Connection, Seen, seen_around
from holdfast.catalog.records import Account, Actor
from holdfast.schemas.host.sync import APP, AccountLine, AppLine, SyncAnswer
from holdfast.schemas.times import iso
from holdfast.service.errors import Conflict, ServiceError, Unavailable
from holdfast.service.host.accounts import plan_account
from holdfast.service.host.apps import KEEP_DAYS
from holdfast.service.host.folders import Folders, folders_held
from holdfast.service.host.sync_lines import Line
from holdfast.service.host.wanted_apps import named_in, plan_app
from holdfast.service.instance.home import Instance
from holdfast.units import DAY_NS, SECOND_NS

K = TypeVar("K")


@dataclass
class Decided:
    """All that was decided and the rows do not show.

    `accounts`: the ids of those made or brought back, by external id; `ended`: accounts; `emails`, `names`: whose they
    are from now on, None for nobody's; `ids`: of applications.
    """

    accounts: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    emails: dict[str, str | None] = field(default_factory=dict)
    names: dict[tuple[str, str], str | None] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)


class Batches:
    """The batches of one sync. `is_dry`: nothing is written."""

    def __init__(self, instance: Instance, by: Actor, *, is_dry: bool) -> None:
        self._instance = instance
        self._by = by
        self._is_dry = is_dry
        self._folders = Folders(instance)
        self._folders_at: int | None = None
        self._decided = Decided()
        self.account_ids: set[str] = set()
        """The accounts that were changed, whose records are to be written."""

    def done(self, lines: Sequence[Line]) -> list[SyncAnswer]:
        """Do what some lines want, in one transaction; return the answer to each. Raises CatalogError, Unavailable."""
        if self._is_dry:
            self._read_folders(lines)
            with self._instance.catalog.read() as connection:
                return self._planned(connection, lines, Writes())
        self._decided, writes = Decided(), Writes()
        with ExitStack() as stack:
            if _has_apps(lines):
                stack.enter_context(folders_held(self._instance, self._folders))
                self._read_folders(lines)
            connection = stack.enter_context(self._instance.catalog.write())
            plan_each_query(connection)
            answers = self._planned(connection, lines, writes)
            is_written = writes.is_written(connection, self._instance.clock.now_ns())
        if is_written:
            self.account_ids |= writes.account_ids
            return answers
        if len(lines) > 1:  # one of them met something that another request did meanwhile
            return [answer for line in lines for answer in self.done([line])]
        return [lines[0].refused(Conflict("SYNC_OVERTAKEN", "Another request took a name of it meanwhile; try again."))]

    def _read_folders(self, lines: Sequence[Line]) -> None:
        if _has_apps(lines):
            since, self._folders_at = self._folders_at, self._instance.clock.now_ns() - SECOND_NS
            if since is None:
                self._folders.read()
            elif not self._is_dry:
                self._folders.read_changed(since)

    def _planned(self, connection: Connection, lines: Sequence[Line], writes: Writes) -> list[SyncAnswer]:
        accounts = {line.external_id or "": w for line in lines if isinstance(w := line.wanted, AccountLine)}
        apps = {line.external_id or "": w for line in lines if isinstance(w := line.wanted, AppLine)}
        known = accounts_by_external(connection, accounts.keys() | {str(one.account) for one in apps.values()})
        emails = {str(one.email) for one in accounts.values()}
        owners = _with(owners_of_emails(connection, emails), self._decided.emails, emails)
        answers: dict[int, SyncAnswer] = {}
        for line in lines:
            if isinstance(line.wanted, AccountLine):
                answers[line.number] = self._account(line, line.wanted, known, owners, writes)
        if apps:
            owners_of_apps, named = self._accounts(known, apps), named_in(apps)
            seen = seen_around(connection, named, owners_of_apps, are_held=not self._is_dry)
            names = {(owners_of_apps[one].id, name) for one, name in named.names if one in owners_of_apps}
            seen.names = _with(seen.names, self._decided.names, names)
            seen.ids |= self._decided.ids.intersection(named.app_ids)
            for line in lines:
                if isinstance(line.wanted, AppLine):
                    answers[line.number] = self._app(line, line.wanted, seen, writes)
        return [answers.get(line.number) or _refused(line) for line in lines]

    def _account(
        self,
        line: Line,
        wanted: AccountLine,
        known: Mapping[str, HostAccount],
        owners: dict[str, str],
        writes: Writes,
    ) -> SyncAnswer:
        external_id = line.external_id or ""
        current, decided = known.get(external_id), self._decided
        if current is not None and external_id in decided.ended:
            current = _ended(current)
        try:
            changed = plan_account(self._instance, external_id, wanted, current, owners, self._by, writes)
        except Unavailable:
            raise
        except ServiceError as error:
            return line.refused(error)
        if changed == ():
            return line.answer("same")
        account_id = writes.accounts[-1][0].id if current is None else current.account.id
        decided.accounts[external_id] = account_id
        if current is not None:
            owners.pop(current.account.email, None)
            decided.emails[current.account.email] = None
        owners[str(wanted.email)] = account_id
        decided.emails[str(wanted.email)] = account_id
        return _made(line, changed)

    def _accounts(self, known: Mapping[str, HostAccount], apps: Mapping[str, AppLine]) -> dict[str, HostAccount]:
        """Return the accounts of applications as they are from now on."""
        found = {}
        for external_id in {str(one.account) for one in apps.values()}:
            one, made = known.get(external_id), self._decided.accounts.get(external_id)
            if one is None and made is not None:
                one = HostAccount(Account(made, "", "", 0, b"made", b"made", 0, external_id), 0, None)
            elif one is not None and made is not None:
                one = structs.replace(one, account=structs.replace(one.account, ended_at=None))
            elif one is not None and external_id in self._decided.ended:
                one = _ended(one)
            if one is not None:
                found[external_id] = one
        return found

    def _app(self, line: Line, wanted: AppLine, seen: Seen, writes: Writes) -> SyncAnswer:
        external_id = line.external_id or ""
        try:
            changed = plan_app(self._instance, external_id, wanted, seen, self._folders, self._by, writes)
        except Unavailable:
            raise
        except ServiceError as error:
            return line.refused(error)
        if changed == ():
            return line.answer("same")
        before = seen.apps.get(external_id)
        after = (writes.apps if before is None else writes.changed_apps)[-1][0]
        if before is not None:
            self._decided.names[before.app.account_id, before.app.name] = None
        self._decided.names[after.account_id, after.name] = after.id
        self._decided.ids.add(after.id)
        return _made(line, changed)

    # -- what ends --------------------------------------------------------------------------------------------------

    def ended(self, kind: str, missing: Sequence[tuple[str, str]]) -> list[SyncAnswer]:
        """End accounts or applications, as (external id, id), in one transaction; return the answers."""
        if self._is_dry:
            if kind == APP:
                for _, app_id in missing:
                    self._folders.leave(app_id)
            else:
                self._decided.ended.update(external_id for external_id, _ in missing)
        else:
            writes, external_ids = Writes(), [external_id for external_id, _ in missing]
            with self._instance.catalog.write() as connection:
                now_ns = self._instance.clock.now_ns()
                (self._end_apps if kind == APP else self._end_accounts)(connection, external_ids, now_ns, writes)
                writes.is_written(connection, now_ns)
            self.account_ids |= writes.account_ids
        return [SyncAnswer(line=None, type=kind_of(kind), external_id=one, result="ended") for one, _ in missing]

    def _end_apps(self, connection: Connection, external_ids: Collection[str], now_ns: int, writes: Writes) -> None:
        until = now_ns + KEEP_DAYS * DAY_NS
        for external_id, one in apps_by_external(connection, external_ids, are_held=True).items():
            if one.app.ended_at is None:
                after = structs.replace(one.app, ended_at=now_ns, keep_until=until)
                writes.changed_apps.append((after, NOTHING_DUE))
                writes.account_ids.add(after.account_id)
                data = {"external_id": external_id, "keep_until": iso(until, self._instance.zone)}
                writes.changes.append(Change(self._by, "app.ended", after.account_id, after.id, data=data))

    def _end_accounts(self, connection: Connection, external_ids: Collection[str], now_ns: int, writes: Writes) -> None:
        for external_id, one in accounts_by_external(connection, external_ids).items():
            if one.account.ended_at is None:
                writes.changed_accounts.append((one.id, {"ended_at": now_ns}))
                writes.account_ids.add(one.id)
                data = {"external_id": external_id, "erase_at": None}
                writes.changes.append(Change(self._by, "account.ended", one.id, data=data))


def kind_of(text: str) -> Literal["account", "app"]:
    """Return a kind as an answer has it."""
    return "app" if text == APP else "account"


def _has_apps(lines: Sequence[Line]) -> bool:
    return any(isinstance(line.wanted, AppLine) for line in lines)


def _with(found: dict[K, str], decided: Mapping[K, str | None], keys: Collection[K]) -> dict[K, str]:
    """Return whose something is, with what was decided since of some of it."""
    for key in keys:
        if key in decided:
            owner = decided[key]
            if owner is None:
                found.pop(key, None)
            else:
                found[key] = owner
    return found


def _ended(one: HostAccount) -> HostAccount:
    return structs.replace(one, account=structs.replace(one.account, ended_at=one.account.ended_at or 1))


def _made(line: Line, changed: tuple[str, ...] | None) -> SyncAnswer:
    return line.answer("created") if changed is None else line.answer("changed", changed=changed)


def _refused(line: Line) -> SyncAnswer:
    assert line.refusal is not None, "every line that is not refused was planned"
    return line.refused(line.refusal)
