"""`holdfast backup import`: make an archive a backup."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Annotated, BinaryIO

from holdfast.cli.apps import AppName
from holdfast.cli.backups import print_taken
from holdfast.cli.command_line.declared import Argument, Exit, Option
from holdfast.cli.output import Json, fail
from holdfast.cli.progress import bytes_bar, progress_bar
from holdfast.cli.state import operator, state

if TYPE_CHECKING:
    from holdfast.catalog.records import Backup
    from holdfast.service.take.import_backup import Upload

_PIECE_BYTES = 1024 * 1024


def import_archive(
    name: AppName,
    file: Annotated[
        str, Argument(metavar="FILE", help="A zip, or a tar (also in gz, xz, bz2, zst); - for standard input.")
    ],
    called: Annotated[str | None, Option("--name", help="A name for the backup.")] = None,
    json: Json = False,
) -> None:
    """Make an archive a backup of an application, and wait until it is finished."""
    from holdfast.service.instance.locks import held
    from holdfast.service.registry.apps import find_app
    from holdfast.service.take.failing import recover_backups, take_lock
    from holdfast.service.take.import_backup import Upload
    from holdfast.service.take.run import run_backup

    with state.instance() as instance:
        found = find_app(instance, name)
        recover_backups(instance)
        try:
            opened = sys.stdin.buffer if file == "-" else open(file, "rb")  # noqa: SIM115
        except OSError as error:
            raise Exit(fail("INPUT", f"{file} cannot be read ({error.strerror}); name another file.")) from None
        with ExitStack() as own:
            with opened, Upload(instance, found.id, operator(), called) as upload:
                # Before anybody can see the backup: it is this process that runs it, and not the worker.
                own.enter_context(held(instance, take_lock(upload.backup_id)))
                backup = _queued(upload, opened, file)
            with progress_bar(f"Importing {file}") as control:
                done = run_backup(instance, backup.id, control=control, is_held=True)
        print_taken(instance, done, as_json=json)


def _queued(upload: Upload, opened: BinaryIO, file: str) -> Backup:
    size = 0
    with suppress(OSError):
        size = os.fstat(opened.fileno()).st_size
    with bytes_bar(f"Reading {file}", size) as count:
        while True:
            try:
                data = opened.read(_PIECE_BYTES)
            except OSError as error:
                raise Exit(fail("INPUT", f"{file} cannot be read ({error.strerror}); name another file.")) from None
            if not data:
                return upload.queue()
            upload.write(data)
            count(len(data))
