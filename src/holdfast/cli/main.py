"""The program `holdfast`: all commands put together, and every error as one sentence.

Exit codes: 0 done, 1 failed, 2 wrong use, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli import (
    accounts,
    admin_keys,
    apps,
    audit,
    backups,
    browse,
    check,
    days,
    doctor,
    hooks,
    ignore,
    imports,
    jobs,
    keys,
    locks,
    maintenance,
    members,
    notices,
    operators,
    people,
    prove,
    restore,
    retain,
    schedule,
    server,
    sources,
    status,
)
from holdfast.cli.output import Failure, fail, known_failure
from holdfast.cli.state import HOME_VARIABLE, default_home, state
from holdfast.cli.terminal import OutputFailed, guard

app = typer.Typer(
    name="holdfast",
    help="Application backups that can be listed, downloaded, restored and trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(accounts.app, name="account", help="Accounts: the host's customers.")
apps.app.command("ignore")(ignore.ignore)
apps.app.command("ignored")(ignore.show_ignored)
apps.app.command("hook")(hooks.hook)
apps.app.add_typer(sources.app, name="source", help="Databases that belong to an application.")
apps.app.command("schedule")(schedule.schedule)
apps.app.command("days")(days.days)
app.add_typer(apps.app, name="app", help="Applications: what is backed up.")
backups.app.command("import")(imports.import_archive)
backups.app.command("lock")(locks.lock)
backups.app.command("unlock")(locks.unlock)
app.add_typer(backups.app, name="backup", help="Backups: take, import, list, download, delete.")
app.add_typer(people.people, name="person", help="People: who signs in.")
app.add_typer(people.mail, name="mail", help="Mail of the instance.")
app.add_typer(operators.app, name="operator", help="Operators: who signs in to the instance itself.")
app.add_typer(notices.app, name="notice", help="Notices: whom to notify of events, and how.")
server.key_app.command("add")(keys.add)
server.key_app.command("list")(keys.list_all)
server.key_app.command("end")(keys.end)
app.add_typer(server.key_app, name="key", help="The master key, and the keys of accounts.")
app.add_typer(admin_keys.app, name="admin-key", help="Keys for the host's panel and billing.")
app.add_typer(members.app, name="member", help="Members: the people of an account.")
app.command("sign-in-link")(members.sign_in_link)
app.add_typer(jobs.app, name="jobs", help="What runs, waits and ended lately; cancel it.")
app.command("log")(jobs.log)
app.command("audit")(audit.audit)
app.command("init")(server.init)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.command("status")(status.status)
app.command("files")(browse.files)
app.command("cat")(browse.cat)
app.command("diff")(browse.diff)
app.command("find")(browse.find)
app.command("restore")(restore.restore)
app.command("prove")(prove.prove)
app.command("proof")(prove.proof)
app.command("prune")(maintenance.prune)
app.command("retain")(retain.retain)
app.command("rebuild")(maintenance.rebuild)
app.command("serve")(server.serve)
app.command("demo")(server.demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("holdfast"))
        raise typer.Exit


@app.callback()
def choose_home(
    home: Annotated[
        Path | None,
        typer.Option("--home", envvar=HOME_VARIABLE, help="The instance's folder (default: ~/.local/share/holdfast)."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Application backups that can be listed, downloaded, restored and trusted."""
    state.home = (home or default_home()).absolute()


def _home_first(arguments: list[str]) -> list[str]:
    """`--home DIR` may stand anywhere; the parser wants it before the command."""
    front, rest = [], []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--home":
            front += [word, *([value] if (value := next(words, None)) is not None else [])]
        elif word.startswith("--home="):
            front.append(word)
        else:
            rest.append(word)
    return front + rest


def _leave(*_: object) -> None:
    """End as with Ctrl-C: running work is put in order on the way out."""
    raise SystemExit(128 + signal.SIGTERM)


def main() -> None:
    """Run the program and leave with its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    guard()
    try:
        try:
            app(_home_first(sys.argv[1:]), prog_name="holdfast")
        finally:
            sys.stdout.flush()  # an error of the last bytes is one of the command
    except BrokenPipeError:
        _drop_output()  # who read our output has gone; nothing more to say to them
        sys.exit(1)
    except OutputFailed as error:
        _drop_output()
        sys.exit(fail("OUTPUT", str(error)))
    except Exception as error:
        sys.exit(fail(*(known_failure(error) or _unexpected())))


def _drop_output() -> None:
    """Discard what is still buffered, so that the exit of the process does not try to write it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _unexpected() -> Failure:
    """Save the traceback for a bug report, and say where it is."""
    run = state.home / "run"
    path = (run if run.is_dir() else Path.cwd()) / f"crash-{os.getpid()}.log"
    try:
        path.write_text(traceback.format_exc())
        where = f"the details are in {path}"
    except OSError:
        where = "the details could not be written anywhere"
    return Failure("INTERNAL_ERROR", f"An unexpected error occurred; {where}; please report it.")


if __name__ == "__main__":
    main()
