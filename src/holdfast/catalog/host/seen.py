"""The rows around applications that the host wants, as one transaction sees them: those to change, those in the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection as Connection

from holdfast.catalog.database.leases import known_nodes
from holdfast.catalog.host.accounts import accounts_by_external
from holdfast.catalog.host.apps import apps_by_external, busy_apps, existing_ids, owners_of_names
from holdfast.catalog.host.records import HostAccount, HostApp


@dataclass(frozen=True, slots=True)
class Named:
    """All that is named of the applications that are wanted.

    `names`: (external id of the account, name); `app_ids`: those that external ids stand for.
    """

    external_ids: Collection[str]
    names: Collection[tuple[str, str]]
    app_ids: Collection[str]
    nodes: Collection[str]


@dataclass
class Seen:
    """The rows that there are of it.

    `accounts`, `apps`: by external id; `ids`: those of the ids that applications have; `names`: whose a name is, by (id
    of the account, name); `busy`: `backup` or `restore`, by the id of the application; `nodes`: those that exist.
    """

    accounts: Mapping[str, HostAccount]
    apps: Mapping[str, HostApp]
    ids: set[str]
    names: dict[tuple[str, str], str]
    busy: Mapping[str, str]
    nodes: set[str]


def seen_around(
    connection: Connection,
    named: Named,
    accounts: Mapping[str, HostAccount] | None = None,
    *,
    are_held: bool = True,
) -> Seen:
    """Return what there is of what is named; the applications are held until the transaction ends.

    `accounts`: those of the applications, by external id, where the caller knows them; `are_held` False: only to look.
    """
    if accounts is None:
        accounts = accounts_by_external(connection, {account for account, _ in named.names})
    known = {(accounts[account].account.id, name) for account, name in named.names if account in accounts}
    nodes = known_nodes(connection, named.nodes)
    # Before the applications: one that is made meanwhile is then seen as itself, and not as another in its own way.
    ids, names = existing_ids(connection, named.app_ids), owners_of_names(connection, known)
    apps = apps_by_external(connection, named.external_ids, are_held=are_held)
    busy = busy_apps(connection, [one.app.id for one in apps.values()])
    return Seen(accounts, apps, ids, names, busy, nodes)
