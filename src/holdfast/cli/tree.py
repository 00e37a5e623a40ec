"""All commands by their words. A module is imported when one of its commands is asked for, or their help."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.cli.command_line.declared import Entry, Group
from holdfast.cli.command_line.parsing import summary_of

NAME = "holdfast"
DESCRIPTION = "Application backups that can be listed, downloaded, restored and trusted."
COMMANDS: Mapping[str, Entry] = {
    "init": Entry("server:init"),
    "serve": Entry("server:serve"),
    "demo": Entry("server:demo"),
    "account": Entry("accounts:app", "Accounts: the host's customers."),
    "app": Entry(
        "apps:app",
        "Applications: what is backed up.",
        {
            "ignore": Entry("ignore:ignore"),
            "ignored": Entry("ignore:show_ignored"),
            "hook": Entry("hooks:hook"),
            "schedule": Entry("schedule:schedule"),
            "days": Entry("days:days"),
            "source": Entry("sources:app", "Databases that belong to an application."),
        },
    ),
    "backup": Entry(
        "backups:app",
        "Backups: take, import, list, download, delete.",
        {
            "import": Entry("imports:import_archive"),
            "lock": Entry("locks:lock"),
            "unlock": Entry("locks:unlock"),
        },
    ),
    "files": Entry("browse:files"),
    "cat": Entry("browse:cat"),
    "diff": Entry("browse:diff"),
    "find": Entry("browse:find"),
    "restore": Entry("restore:restore"),
    "status": Entry("status:status"),
    "jobs": Entry("jobs:app", "What runs, waits and ended lately; cancel it."),
    "log": Entry("jobs:log"),
    "audit": Entry("audit:audit"),
    "doctor": Entry("doctor:doctor"),
    "check": Entry("check:check"),
    "prove": Entry("prove:prove"),
    "proof": Entry("prove:proof"),
    "retain": Entry("retain:retain"),
    "prune": Entry("maintenance:prune"),
    "rebuild": Entry("maintenance:rebuild"),
    "member": Entry("members:app", "Members: the people of an account."),
    "person": Entry("people:people", "People: who signs in."),
    "operator": Entry("operators:app", "Operators: who signs in to the instance itself."),
    "sign-in-link": Entry("members:sign_in_link"),
    "notice": Entry("notices:app", "Notices: whom to notify of events, and how."),
    "mail": Entry("people:mail", "Mail of the instance."),
    "key": Entry(
        "server:key_app",
        "The master key, and the keys of accounts.",
        {"add": Entry("keys:add"), "list": Entry("keys:list_all"), "end": Entry("keys:end")},
    ),
    "admin-key": Entry("admin_keys:app", "Keys for the host's panel and billing."),
}


Function = Callable[..., None]


class Found(NamedTuple):
    """A command, or a group of them. `path`: its words, the program's name before them.

    `function`: what it does; None for a group that does nothing itself. `commands`, `help`: of a group. `rest`: the
    words behind it.
    """

    path: str
    function: Function | None
    commands: Mapping[str, Entry | Function]
    rest: list[str]
    help: str = ""


def find(words: Sequence[str]) -> Found:
    """Return the command that words begin with."""
    found = Found(NAME, None, COMMANDS, list(words), DESCRIPTION)
    while found.rest and found.rest[0] in found.commands:
        word, *rest = found.rest
        one = found.commands[word]
        thing = _load(one)
        path = f"{found.path} {word}"
        if not isinstance(thing, Group):
            return Found(path, thing, {}, rest)
        more, text = (one.more, one.help) if isinstance(one, Entry) else ({}, "")
        found = Found(path, thing.alone, {**thing.commands, **more}, rest, text)
    return found


def summaries(group: Found) -> dict[str, str]:
    """Return the commands of a group, each with what it does."""
    return {
        name: one.help if isinstance(one, Entry) and one.help else summary_of(_load(one))
        for name, one in group.commands.items()
    }


def leaves(words: tuple[str, ...] = ()) -> Iterator[tuple[str, Function]]:
    """Yield all commands that do something, with their words."""
    found = find(words)
    if found.function is not None:
        yield " ".join(words), found.function
    for word in found.commands:
        yield from leaves((*words, word))


def _load(one: Entry | Function) -> Any:
    """Return what stands behind an entry: a group, or the function of a command."""
    if not isinstance(one, Entry):
        return one
    module, _, name = one.place.partition(":")
    return getattr(importlib.import_module(f"holdfast.cli.{module}"), name)
