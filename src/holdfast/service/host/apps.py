"""Applications under the host's own ids: put, shown, ended. The same twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from holdfast.catalog.events.audit import Change
from holdfast.catalog.host import apps as rows
from holdfast.catalog.host.batch import Writes
from holdfast.catalog.host.records import HostApp
from holdfast.catalog.host.seen import seen_around
from holdfast.catalog.records import Actor
from holdfast.catalog.standing.kinds import may_stand
from holdfast.schemas.host import apps as schemas
from holdfast.schemas.host.apps import AppPut
from holdfast.schemas.times import iso
from holdfast.service.errors import Conflict, app_not_found
from holdfast.service.host.accounts import check_external_id
from holdfast.service.host.folders import Folders, folders_held
from holdfast.service.host.standing import page_of_kind
from holdfast.service.host.wanted_apps import named_in, plan_app, require_body
from holdfast.service.instance.home import Instance
from holdfast.service.policy.standing import Kind
from holdfast.service.registry.account_record import store_record
from holdfast.service.standing.gather import gather, standings
from holdfast.service.standing.shown import shown_standing
from holdfast.units import DAY_NS

KEEP_DAYS = 7
KEEP_DAYS_MAX = 3650
TRIES = 3
"""Another server may make the same application, or one of its name, between the look and the writing."""


class Page(msgspec.Struct, frozen=True):
    """Applications in the order of their ids. `next_after`: the id after which the next page begins; None: no more."""

    apps: Sequence[schemas.HostApp]
    next_after: str | None


def app_by_external_id(instance: Instance, external_id: str) -> HostApp:
    """Return an application of the host. Raises Invalid (EXTERNAL_ID), NotFound."""
    check_external_id(external_id)
    found = rows.app_by_external(instance.catalog, external_id)
    if found is None:
        raise app_not_found()
    return found


def put_app(instance: Instance, external_id: str, wanted: AppPut, by: Actor) -> tuple[schemas.HostApp, bool]:
    """Make an application of the host, or bring it to what is wanted; return it, and True if it is new.

    One that had ended goes on; another folder is a move. Raises Invalid (EXTERNAL_ID), and as `require_body` and
    `plan_app` do.
    """
    check_external_id(external_id)
    require_body(wanted)
    for _ in range(TRIES):
        writes = Writes()
        with _folders_for(instance, external_id, wanted) as folders, instance.catalog.write() as connection:
            seen = seen_around(connection, named_in({external_id: wanted}))
            changed = plan_app(instance, external_id, wanted, seen, folders, by, writes)
            is_written = writes.is_written(connection, instance.clock.now_ns())
        if is_written:
            for account_id in writes.account_ids:
                store_record(instance, account_id)
            return shown_app(instance, app_by_external_id(instance, external_id)), changed is None
    raise Conflict("APP_NAME_TAKEN", "Other applications were given the name again and again meanwhile; try again.")


@contextmanager
def _folders_for(instance: Instance, external_id: str, wanted: AppPut) -> Iterator[Folders]:
    """The folders, held and read before the catalog is, unless the application has the folder already."""
    known = rows.app_by_external(instance.catalog, external_id)
    if known is not None and known.app.ended_at is None and known.app.path == wanted.path:
        yield Folders(instance)
        return
    with folders_held(instance) as folders:
        folders.read()
        yield folders


def end_app(instance: Instance, external_id: str, by: Actor, keep_days: int | None = None) -> schemas.HostApp:
    """End an application of the host; its backups can be listed, downloaded and restored elsewhere for `keep_days`.

    Then it is erased; a PUT undoes it until then. `keep_days`: None for KEEP_DAYS, and for no change of one that has
    ended. Raises Invalid (EXTERNAL_ID), NotFound.
    """
    app = app_by_external_id(instance, external_id).app
    now_ns, kept_ns = instance.clock.now_ns(), (KEEP_DAYS if keep_days is None else keep_days) * DAY_NS
    data = {"external_id": external_id, "keep_until": iso((app.ended_at or now_ns) + kept_ns, instance.zone)}
    change = Change(by, "app.ended", app.account_id, app.id, data=data)
    if rows.end_app(instance.catalog, app.id, now_ns, kept_ns, change, moves=keep_days is not None):
        store_record(instance, app.account_id)
    return shown_app(instance, app_by_external_id(instance, external_id))


def page_of_apps(
    instance: Instance, after: str, limit: int, updated_after: int | None = None, standing: Kind | None = None
) -> Page:
    """Return applications with ids above `after`; `standing`: only those that have it.

    `updated_after`: only those that were changed later, nanoseconds.
    """

    def fetch(after: str, limit: int) -> list[HostApp]:
        likely = None if standing is None else may_stand(standing, instance.clock.now_ns())
        return rows.host_apps(instance.catalog, after, limit, updated_after, likely)

    def kinds(some: Sequence[HostApp]) -> dict[str, Kind | None]:
        now = standings(instance, [one.app for one in some])
        return {one.id: now[one.id].kind for one in some}

    if standing is not None:
        found, next_after = page_of_kind(fetch, kinds, standing, after, limit)
    else:
        found = fetch(after, limit + 1)
        next_after = found[limit - 1].id if len(found) > limit else None
    return Page(shown_apps(instance, found[:limit]), next_after)


def shown_app(instance: Instance, found: HostApp) -> schemas.HostApp:
    """Return an application as its host sees it."""
    return shown_apps(instance, [found])[0]


def shown_apps(instance: Instance, found: Sequence[HostApp]) -> list[schemas.HostApp]:
    """Return applications as their host sees them, in their order: a fixed number of queries for a thousand of them."""
    now = gather(instance, [one.app for one in found])
    shown = []
    for one in found:
        standing = shown_standing(instance, now[one.app.id].standing, for_operator=True)
        shown.append(schemas.host_app_of(one, now[one.app.id].stored_bytes, standing, instance.zone))
    return shown
