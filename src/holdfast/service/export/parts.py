"""The parts of an export: what the API shows of an account, page by page, whatever its number of rows.

It must never hold a secret, or what the caller may not read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from holdfast.catalog.records import App, AuditFilter, Backup
from holdfast.schemas import links as links_shown
from holdfast.schemas.account import account_of
from holdfast.schemas.times import iso_or_none
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.lifecycle import shown_job
from holdfast.service.jobs.work import account_work
from holdfast.service.notify.endpoints import list_endpoints, shown_endpoints
from holdfast.service.people import audit, keys, links, members
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.policy import limits
from holdfast.service.registry.accounts import plan_of
from holdfast.service.registry.apps import list_apps, shown_apps
from holdfast.service.registry.backups import full_objects, list_account_backups
from holdfast.service.registry.trash import list_trash
from holdfast.service.retention.erasure import erase_at_of
from holdfast.service.take.schedule import schedule_of

T = TypeVar("T")

ROWS = 500
"""Rows of a page: one query or two, and what is in memory at once."""

_SECRET = ("key", "url", "kept_by")
"""Fields of a backup that an export lacks: two open its download; the third is of the moment."""
_TABLE = ("id", "app_id", "name", "state", "origin", "created_at", "modified", "size", "files", "content_size")
_TABLE_MORE = ("stored_size", "is_locked", "locked_until", "verified_at", "restore_proved_at", "note", "deleted_at")


@dataclass(frozen=True, slots=True)
class Part:
    """One file. `texts`: its content in pieces, made while they are read, once."""

    name: str
    texts: Iterable[str]


@dataclass(frozen=True, slots=True)
class _Source:
    """A part that needs a right. `objects`: what stands in its list."""

    name: str
    right: Right
    objects: Callable[[Instance, Caller], Iterable[Any]]


def parts(instance: Instance, caller: Caller, explained: str) -> Iterator[Part]:
    """Return the parts that a caller may read. `explained`: the text that comes first."""
    yield Part("README.txt", [explained])
    yield Part("account.json", [_json(_account(instance, caller)), "\n"])
    for source in _SOURCES:
        if caller.grant.allows(source.right):
            yield Part(source.name, _json_list(source.objects(instance, caller)))
    if caller.grant.allows(Right.BACKUPS_READ):
        yield Part("backups.csv", _table(instance, caller))
    if caller.grant.allows(Right.AUDIT_READ):
        yield Part("audit.csv", _audit_table(instance, caller))


def left_out(caller: Caller) -> list[str]:
    """Return the rights that the caller lacks, and for which parts are left out."""
    needed = dict.fromkeys(source.right for source in _SOURCES)
    return [str(right) for right in needed if not caller.grant.allows(right)]


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def _json_list(objects: Iterable[Any]) -> Iterator[str]:
    """A list, one object a line, so that a program need not read all of it to read one."""
    opening = "[\n"
    for one in objects:
        yield opening + msgspec.json.encode(one).decode()
        opening = ",\n"
    yield "\n]\n" if opening != "[\n" else "[]\n"


def _account(instance: Instance, caller: Caller) -> Any:
    account = caller.account
    running = [app for app in list_apps(instance, account.id) if app.ended_at is None]
    usage = limits.shown_usage(instance, account, len(running))
    shown = limits.shown_limits(plan_of(instance, account))
    plain = msgspec.to_builtins(account_of(account, usage, shown, erase_at_of(instance, account), instance.zone))
    return {**plain, "name": account.name, "external_id": account.external_id, "is_suspended": account.is_suspended}


def _paged(page: Callable[[T | None], list[T]]) -> Iterator[T]:
    """All rows, a page behind the other. `page`: that behind a row."""
    last: T | None = None
    while found := page(last):
        yield from found
        if len(found) < ROWS:
            return
        last = found[-1]


def _people(instance: Instance, caller: Caller) -> Iterator[Any]:
    return (members.shown_member(instance, one) for one in members.list_members(instance, caller.account.id))


def _keys(instance: Instance, caller: Caller) -> Iterator[Any]:
    return (keys.shown_key(instance, one) for one in keys.list_keys(instance, caller.account.id))


def _apps(instance: Instance, caller: Caller) -> Iterator[Any]:
    found = list_apps(instance, caller.account.id)
    for start in range(0, len(found), ROWS):
        yield from shown_apps(instance, found[start : start + ROWS])


def _schedules(instance: Instance, caller: Caller) -> Iterator[Any]:
    return (_schedule(instance, app) for app in list_apps(instance, caller.account.id))


def _schedule(instance: Instance, app: App) -> dict[str, Any]:
    values = msgspec.to_builtins(schedule_of(app))
    return {"app_id": app.id, "app": app.name, **values, "ended_at": iso_or_none(app.ended_at, instance.zone)}


def _backup_pages(instance: Instance, caller: Caller) -> Iterator[list[Backup]]:
    """The backups of the account, newest first, then those in the trash of each application."""
    account_id, last = caller.account.id, None
    while found := list_account_backups(instance, account_id, ROWS, last):
        yield found
        last = found[-1].id
    for app in list_apps(instance, account_id):
        last = None
        while found := list_trash(instance, app.id, ROWS, last):
            yield found
            last = found[-1].id


def _backups(instance: Instance, caller: Caller) -> Iterator[dict[str, Any]]:
    for page in _backup_pages(instance, caller):
        for shown in full_objects(instance, page, with_keys=False, kept={}):
            yield {name: value for name, value in structs.asdict(shown).items() if name not in _SECRET}


def _jobs(instance: Instance, caller: Caller) -> Iterator[Any]:
    found = _paged(lambda last: account_work(instance, caller.account.id, ROWS, last.id if last else None))
    return (shown_job(instance, work) for work in found)


def _notices(instance: Instance, caller: Caller) -> Iterator[Any]:
    yield from shown_endpoints(instance, list_endpoints(instance, caller.account.id))


def _links(instance: Instance, caller: Caller) -> Iterator[Any]:
    return (links_shown.link_of(link, instance.zone) for link in links.list_links(instance, caller.account.id))


def _audit_entries(instance: Instance, caller: Caller) -> Iterator[list[Any]]:
    wanted, last = AuditFilter(caller.account.id), None
    while found := audit.entries(instance, wanted, ROWS, last):
        yield audit.shown_entries(instance, found)
        last = found[-1].seq


def _audit(instance: Instance, caller: Caller) -> Iterator[Any]:
    for page in _audit_entries(instance, caller):
        yield from page


def _audit_table(instance: Instance, caller: Caller) -> Iterator[str]:
    yield audit.as_csv([])
    heads = len(audit.as_csv([]))
    for page in _audit_entries(instance, caller):
        yield audit.as_csv(page)[heads:]


def _table(instance: Instance, caller: Caller) -> Iterator[str]:
    columns = (*_TABLE, *_TABLE_MORE)
    yield ",".join(columns) + "\r\n"
    for page in _backup_pages(instance, caller):
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\r\n")
        for shown in full_objects(instance, page, with_keys=False, kept={}):
            rows.writerow([audit.safe_cell(_plain(getattr(shown, name))) for name in columns])
        yield text.getvalue()


def _plain(value: object) -> str | int | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str | int) or value is None else str(value)


_SOURCES = (
    _Source("people.json", Right.MEMBERS_READ, _people),
    _Source("keys.json", Right.KEYS_READ, _keys),
    _Source("applications.json", Right.BACKUPS_READ, _apps),
    _Source("schedules.json", Right.SCHEDULE_READ, _schedules),
    _Source("backups.json", Right.BACKUPS_READ, _backups),
    _Source("jobs.json", Right.BACKUPS_READ, _jobs),
    _Source("notices.json", Right.WEBHOOKS_READ, _notices),
    _Source("links.json", Right.BACKUPS_DOWNLOAD, _links),
    _Source("audit.json", Right.AUDIT_READ, _audit),
)
