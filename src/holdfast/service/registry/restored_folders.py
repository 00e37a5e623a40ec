"""Folders that restores put beside an application's data, which its backups leave out.

A restore with `into` makes a new folder, marks it (an extended attribute, `MARK`) and enters its path and mark in the
application's settings. It is left out while a folder with that mark is at that path, and no longer: a folder that was
renamed, and another one that somebody made under the name of one that was deleted, are the application's own and backed
up. It is left out by a pattern before all others, so that a pattern of the settings or of `.backupignore` (`!/name/`)
takes it back in.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.records import SYSTEM, App, AppSettings, RestoredFolder
from holdfast.schemas.jobs import INTO_CHARACTERS_MAX, INTO_PATTERN, NOT_INTO_PATTERN
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import store_record
from holdfast.sources.reader import DirectoryReader, SourceFileRefused

MARK = b"user.holdfast.restore"
"""The extended attribute of such a folder; its value is the id of the restore's job."""

FOLDERS_MAX = 100

_SPECIAL = re.compile(r"[\\*?\[]")


def checked_into(text: str) -> str:
    """Return the path of a folder to restore into, relative to the application's. Raises Invalid (INTO)."""
    is_path = re.search(INTO_PATTERN, text) and not text.endswith("\n") and len(text) <= INTO_CHARACTERS_MAX
    if not is_path or any(0xD800 <= ord(c) < 0xE000 for c in text):
        raise Invalid(
            "into",
            f"into must be the path of a new folder below the application's own, of at most {INTO_CHARACTERS_MAX} "
            "characters, as restored or data/restored.",
        )
    if re.search(NOT_INTO_PATTERN, text):
        raise Invalid("into", "into must not lead out of the application's folder, nor be a name that Holdfast uses.")
    return text


def require_free(root: Path, into: str) -> None:
    """See that a folder can be made below `root`. Raises NotFound (PATH_NOT_FOUND), Conflict (TARGET_IN_THE_WAY)."""
    above, _, name = os.fsencode(into).rpartition(b"/")
    try:
        reader = DirectoryReader(root)
    except OSError:
        raise NotFound(
            "PATH_NOT_FOUND", "The application's folder is not there, so nothing can be put into it; leave out into."
        ) from None
    try:
        folder = reader.open_folder(above)
    except FileNotFoundError:
        raise NotFound(
            "PATH_NOT_FOUND",
            f"The application has no folder '{os.fsdecode(above)}' to make '{into}' in; make it first.",
        ) from None
    except (SourceFileRefused, NotADirectoryError):
        raise Conflict(
            "TARGET_IN_THE_WAY", f"A link or a file is in the way to '{into}'; name another folder."
        ) from None
    finally:
        reader.close()
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    finally:
        os.close(folder)
    raise Conflict("TARGET_IN_THE_WAY", f"The application's folder has '{into}' already; name another folder.")


def leave_out(instance: Instance, app: App, into: str, mark: str) -> None:
    """Enter a folder that a restore is about to make, so that backups leave it out from the start.

    Those that are gone by now are taken out. Raises Conflict (TARGET_IN_THE_WAY) when there are too many, StoreError.
    """
    there = {one.mark for one in _there(app)}

    def changed(settings: AppSettings) -> AppSettings:
        kept = tuple(one for one in settings.restored if one.mark in there)
        if len(kept) >= FOLDERS_MAX:
            raise Conflict(
                "TARGET_IN_THE_WAY", f"{FOLDERS_MAX} folders of earlier restores are still there; remove some of them."
            )
        return msgspec.structs.replace(settings, restored=(*kept, RestoredFolder(into, mark)))

    change_settings(instance.catalog, app.id, changed, instance.clock.now_ns(), SYSTEM, "restore.left_out")
    store_record(instance, app.account_id)


def left_out(app: App) -> tuple[str, ...]:
    """Return the patterns that leave out the folders of restores that are still there."""
    return tuple(f"/{_SPECIAL.sub(_escaped, one.path)}/" for one in _there(app))


def _there(app: App) -> list[RestoredFolder]:
    """The application's folders of restores that are where they were made, with their marks."""
    if not app.settings.restored:
        return []
    try:
        reader = DirectoryReader(Path(app.path))
    except OSError:
        return []
    try:
        return [
            one
            for one in app.settings.restored
            if (MARK, one.mark.encode()) in reader.folder_xattrs(os.fsencode(one.path))
        ]
    finally:
        reader.close()


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"
