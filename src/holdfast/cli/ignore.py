"""`holdfast app ignore` and `holdfast app ignored`: what an application's backups leave out."""

from __future__ import annotations

import sys
from typing import Annotated

from holdfast.cli.apps import AppName
from holdfast.cli.command_line.declared import Argument, Option, WrongUse
from holdfast.cli.output import Json, print_json, print_table, warn
from holdfast.cli.state import operator, state
from holdfast.units import size_text


def ignore(
    name: AppName,
    patterns: Annotated[
        list[str] | None,
        Argument(metavar="[PATTERN]...", help="Like '*.log', '/cache/' or '!keep.log', as in a .gitignore."),
    ] = None,
    add: Annotated[bool, Option("--add", help="Add the patterns after the others (the default).")] = False,
    remove: Annotated[bool, Option("--remove", help="Take the patterns out.")] = False,
    replace: Annotated[bool, Option("--set", help="Replace all patterns by these.")] = False,
    clear: Annotated[bool, Option("--clear", help="Have none.")] = False,
    json: Json = False,
) -> None:
    """Show or change the patterns of what backups leave out; `.backupignore` in the folder adds to them.

    The last pattern that fits decides. See what they match with `holdfast app ignored`.
    """
    from holdfast.schemas.commands import IgnorePatterns
    from holdfast.service.registry.apps import find_app
    from holdfast.service.take import ignore_patterns as ignored

    given = patterns or []
    if add + remove + replace + clear > 1:
        raise WrongUse("Give one of --add, --remove, --set and --clear.")
    if (add or remove or replace) and not given:
        raise WrongUse("Name at least one pattern; quote it, so that the shell leaves it alone.")
    if clear and given:
        raise WrongUse("--clear takes no pattern.")
    with state.instance() as instance:
        found = find_app(instance, name)
        if remove:
            found = ignored.remove_patterns(instance, found, given, operator())
        elif replace or clear:
            found = ignored.set_patterns(instance, found, given, operator())
        elif given:
            found = ignored.add_patterns(instance, found, given, operator())
    if json:
        print_json(IgnorePatterns(found.id, found.settings.ignore))
        return
    for pattern in found.settings.ignore:
        print(pattern)
    if not found.settings.ignore:
        print(f"{found.name} has no ignore patterns in its settings.", file=sys.stderr)


def show_ignored(
    name: AppName,
    pattern: Annotated[
        list[str] | None,
        Option("--pattern", help="Try this one instead of the settings' patterns; may be given several times."),
    ] = None,
    top: Annotated[int, Option("--top", min=1, max=100, help="How many of the largest paths to show.")] = 20,
    json: Json = False,
) -> None:
    """Show what the next backup would leave out, and how much that is."""

    from holdfast.service.preview.apart import ignored_apart
    from holdfast.service.registry.apps import find_app, require_here

    with state.instance() as instance:
        app = find_app(instance, name)
        require_here(instance, app)
        found = ignored_apart(instance, app, pattern or None)
    for notice in found.notices:
        warn(notice)
    if json:
        print_json(found)
        return
    if not found.patterns:
        print("There are no ignore patterns, so backups have everything.")
        return
    print_table(
        ("SIZE", "FILES", "FROM", "PATTERN"),
        [
            (
                size_text(p.bytes),
                str(p.files),
                p.source if p.source == "settings" else f"{p.source}:{p.line}",
                p.pattern,
            )
            for p in found.patterns
        ],
    )
    if found.paths:
        print()
        rows = [
            (size_text(p.bytes), str(p.files), p.path + ("/" if p.kind == "folder" else ""), p.pattern)
            for p in found.paths[:top]
        ]
        rest, size, files = found.paths[top:], found.more_bytes, found.more_files
        if rest or found.more_paths:
            size, files = size + sum(p.bytes for p in rest), files + sum(p.files for p in rest)
            rows.append((size_text(size), str(files), f"... {len(rest) + found.more_paths} more", ""))
        print_table(("SIZE", "FILES", "PATH", "PATTERN"), rows)
    print(
        f"\nLeft out: {found.files} of {found.total_files} files, "
        f"{size_text(found.bytes)} of {size_text(found.total_bytes)}."
    )
