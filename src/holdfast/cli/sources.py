"""`holdfast app source ...`: databases of an application."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from holdfast.cli.apps import AppName
from holdfast.cli.command_line.declared import Argument, Exit, Group, Option
from holdfast.cli.output import Json, print_json, print_table
from holdfast.cli.state import operator, state

if TYPE_CHECKING:
    from holdfast.schemas.commands import GoodDatabase

app = Group()

PasswordEnv = Annotated[
    str | None, Option("--password-env", metavar="VARIABLE", help="The environment variable with the password.")
]
PasswordFile = Annotated[
    Path | None, Option("--password-file", help="A file of mode 0600 with the password in its first line.")
]


@app.command("add")
def add(
    name: AppName,
    kind: Annotated[str, Argument(metavar="KIND", help="postgres, mariadb or redis.")],
    dsn: Annotated[str, Option("--dsn", help="Where it is: a URL without password.")],
    source: Annotated[str | None, Option("--name", help="Its name in backups (else the database's).")] = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    check: Annotated[bool, Option("--check/--no-check", help="See first whether it can be dumped.")] = True,
    json: Json = False,
) -> None:
    """Have a database in the backups of an application."""
    from holdfast.schemas.commands import NewDatabase, extended
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.databases import add_database, shown_database, spec_of

    with state.instance() as instance:
        found = find_app(instance, name)
        spec = spec_of(kind, dsn, name=source, password_env=password_env, password_file=password_file)
        checked = add_database(instance, found, spec, operator(), check=check)
        shown = shown_database(instance, found, spec)
    if json:
        print_json(extended(NewDatabase, shown, checked and checked.server, checked and checked.tool))
        return
    print(f"Backups of {found.name} have the database {spec.name} from now on, as {spec.path.decode()}.")
    if checked is not None:
        _print_checked(checked)


@app.command("list")
def list_all(name: AppName, json: Json = False) -> None:
    """List the databases of an application."""
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.databases import databases_of, shown_database

    with state.instance() as instance:
        found = find_app(instance, name)
        shown = [shown_database(instance, found, spec) for spec in databases_of(instance, found)]
    if json:
        print_json(shown)
    else:
        heads = ("NAME", "KIND", "PASSWORD", "FROM", "DSN")
        print_table(heads, [(one.name, one.kind, one.password, one.defined_in, one.dsn) for one in shown])


@app.command("check")
def check(name: AppName, json: Json = False) -> None:
    """Check that each database of an application can be reached and dumped."""
    from holdfast.schemas.commands import BadDatabase, CheckedDatabases
    from holdfast.service.errors import ServiceError
    from holdfast.service.registry.apps import find_app, require_here
    from holdfast.service.registry.databases import check_database, databases_of

    good, bad = [], []
    with state.instance() as instance:
        found = find_app(instance, name)
        require_here(instance, found)
        for spec in databases_of(instance, found):
            try:
                good.append(check_database(spec))
            except ServiceError as error:
                bad.append(BadDatabase(spec.name, error.code, error.message))
    if json:
        print_json(CheckedDatabases(good, bad))
    else:
        for one in good:
            _print_checked(one)
        for problem in bad:
            print(problem.message, file=sys.stderr)
        if not good and not bad:
            print(f"{found.name} has no databases; `holdfast app source add` makes one its source.")
    if bad:
        raise Exit(1)


@app.command("remove")
def remove(
    name: AppName,
    source: Annotated[str, Argument(metavar="NAME", help="The database's name, as `list` shows it.")],
    json: Json = False,
) -> None:
    """Leave a database out of later backups; those that have it keep it."""
    from holdfast.schemas.commands import RemovedDatabase
    from holdfast.service.registry.apps import find_app
    from holdfast.service.registry.databases import remove_database

    with state.instance() as instance:
        found = find_app(instance, name)
        remove_database(instance, found, source, operator())
    if json:
        print_json(RemovedDatabase(found.id, source))
    else:
        print(f"Later backups of {found.name} do not have the database {source} any more.")


def _print_checked(checked: GoodDatabase) -> None:
    print(f"{checked.name}: {checked.server}, can be dumped by {checked.tool}.")
    for note in checked.notes:
        print(f"Note: {note}")
