"""`holdfast init --from-store`: an instance on a new machine, from its store and its recovery sheet."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.command_line.declared import WrongUse
from holdfast.cli.maintenance import all_came_back, print_rebuilt
from holdfast.cli.output import print_json
from holdfast.cli.state import operator, state

if TYPE_CHECKING:
    from holdfast.service.instance.recovery_sheet import Sheet
    from holdfast.service.integrity.new_machine import BroughtBack, Settings

_SHEET_BYTES_MAX = 65_536
_FOLDERS_SHOWN_MAX = 20


def init_from_store(store: Path, sheet_file: Path | None, settings: Settings, *, json: bool) -> None:
    """Make the instance, and print what came back and what is left to do."""
    import msgspec

    from holdfast.schemas.commands import InstanceFromStore
    from holdfast.service.integrity import new_machine

    sheet = _read_sheet(sheet_file)
    done = new_machine.init_from_store(
        state.home,
        store,
        sheet,
        settings,
        operator(),
        on_account=lambda rebuilt: None if json else print_rebuilt(rebuilt),
    )
    if json:
        about = msgspec.to_builtins(done) | {"home": str(state.home), "store": str(store)}
        print_json(msgspec.convert(about, InstanceFromStore))
    else:
        _print(done, store)
    all_came_back(done.accounts)


def _read_sheet(path: Path | None) -> Sheet:
    from holdfast.service.instance.home import KEY_VARIABLE, parsed_key
    from holdfast.service.instance.recovery_sheet import Sheet, read_sheet

    if path is None:
        given = os.environ.get(KEY_VARIABLE)
        if not given:
            raise WrongUse("--from-store needs --key SHEET, the file with the recovery sheet")
        return Sheet(parsed_key(given, f"The environment variable {KEY_VARIABLE}"), KEY_VARIABLE, is_on_paper=False)
    if str(path) == "-":
        return read_sheet(sys.stdin.buffer.read(_SHEET_BYTES_MAX).decode(errors="replace"), "standard input")
    try:
        with path.open("rb") as file:
            text = file.read(_SHEET_BYTES_MAX).decode(errors="replace")
    except OSError as error:
        raise WrongUse(f"the file {str(path)!r} cannot be read ({error.strerror})") from None
    return read_sheet(text, f"the file {path}")


def _print(done: BroughtBack, store: Path) -> None:
    backups = sum(account.backups for account in done.accounts)
    print(f"Made an instance in {state.home} from the store {store}: {backups} backups are back.")
    print(
        f"It serves {done.base_url}, in the time zone {done.time_zone}, as the node {done.node}; its holdfast.toml has "
        "these and all other settings."
    )
    if done.other_nodes:
        print(
            f"The applications of {', '.join(done.other_nodes)} are not backed up by this node: set `node` in "
            "holdfast.toml to the one whose place this machine takes, or give it an application with `holdfast app "
            "set-path`."
        )
    print(
        "Not in a store, so put them back: plans and other settings of the old holdfast.toml, passwords of databases, "
        "and notices (`holdfast notice add`).\nNext:"
    )
    for missing in done.missing_folders[:_FOLDERS_SHOWN_MAX]:
        if missing.backup is None:
            print(f"  # {missing.app}: its folder {missing.path} is gone, and it has no backup")
        else:
            words = ("holdfast", "restore", missing.app, missing.backup)
            print(f"  {shlex.join(words)}   # to {missing.path}")
    if len(done.missing_folders) > _FOLDERS_SHOWN_MAX:
        print(f"  # and {len(done.missing_folders) - _FOLDERS_SHOWN_MAX} more, which `holdfast doctor` names")
    print("  holdfast doctor\n  holdfast serve")
