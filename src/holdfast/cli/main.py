"""The program `holdfast`: all commands put together, and every error as one sentence.

Exit codes: 0 done, 1 failed, 2 wrong use, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import difflib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from holdfast.cli.command_line.declared import Exit, WrongUse
from holdfast.cli.command_line.parsing import CommandLine, command_list, group_page, group_usage
from holdfast.cli.output import WRONG_USE, Failure, fail, known_failure
from holdfast.cli.state import HOME_VARIABLE, default_home, state
from holdfast.cli.terminal import OutputFailed, escaped, guard
from holdfast.cli.tree import NAME, Found, find, summaries

_STOPPED = 130
_HELP = ("-h", "--help")


def run(words: Sequence[str]) -> None:
    """Run the command that words mean. Raises Exit with its code, and what the operations raise."""
    state.json = False
    home, words = _home_apart(words)
    state.home = (home or default_home()).absolute()
    found = find(words)
    if found.path == NAME and "--version" in found.rest[:1]:
        from importlib.metadata import version

        print(version(NAME))
        return
    line = CommandLine(found.path, found.function) if found.function is not None else None
    try:
        if line is None:
            _explain(found)
            return
        values = line.values(_known(found))
        if values is None:
            print(line.page + (command_list(summaries(found)) if found.commands else ""), end="")
            return
        line.function(**values)
    except WrongUse as error:
        usage = group_usage(found.path) if line is None else line.usage
        print(f"{usage}Try '{found.path} --help' for help.\n\nError: {escaped(str(error))}", file=sys.stderr)
        raise Exit(WRONG_USE) from None


def _explain(group: Found) -> None:
    """Print the page of a group, which does nothing itself. Raises WrongUse; Exit, when no command was given."""
    words = _known(group)
    if words and words[0] not in _HELP:
        raise WrongUse(f"No such option: {words[0]}")
    page = group_page(group.path, group.help, summaries(group))
    print(page, end="", file=sys.stdout if words else sys.stderr)
    if not words:
        raise Exit(WRONG_USE)


def _known(found: Found) -> list[str]:
    """Return the words behind a command, or behind a group's name. Raises WrongUse for a command that it lacks."""
    if found.commands and found.rest and not found.rest[0].startswith("-"):
        near = difflib.get_close_matches(found.rest[0], found.commands)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise WrongUse(f"No such command '{found.rest[0]}'.{hint}")
    return found.rest


def _home_apart(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Return what `--home`, which may stand anywhere, or the environment says, and the other words."""
    home = os.environ.get(HOME_VARIABLE) or None
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word == "--home":
            home = next(left, home)
        elif word.startswith("--home="):
            home = word.removeprefix("--home=")
        else:
            rest.append(word)
    return None if home is None else Path(home), rest


def _leave(*_: object) -> None:
    """End as with Ctrl-C: running work is put in order on the way out."""
    raise SystemExit(128 + signal.SIGTERM)


def main() -> None:
    """Run the program and leave with its exit code."""
    signal.signal(signal.SIGTERM, _leave)
    guard()
    try:
        try:
            run(sys.argv[1:])
        finally:
            sys.stdout.flush()  # an error of the last bytes is one of the command
    except Exit as ended:
        sys.exit(ended.code)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(_STOPPED)
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
