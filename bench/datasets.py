"""The datasets of the figures: made once into `.bench/data`, from packages and seeds, the same on every machine.

*a* the kernel's source as Debian packs it, *b* a hosted app's folder, *c* a bot's SQLite database with its two changed
forms *cs* and *cu*, *d* files that don't shrink. The quick form has a tenth of them.

A dataset is whole or absent: it is made under another name, then renamed; its recipe stands beside it, and when the
recipe changes it is made again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import bot_database
from bench.debian import fetch_package
from bench.hosted_app import AS_OF, MEDIA_PACKAGES, NODE_PACKAGES, PYTHON_PACKAGES, make_hosted_app
from bench.mutate import regular_files
from bench.shell import run_quietly
from bench.workplace import Size, Workplace

KERNEL_PACKAGE = "linux-source-6.1"
QUICK_FILES = 8_000
QUICK_SHARE = 0.14
"""Of c and d: about 150 MB each."""

BIG_FILES_MB = (320, 200, 160, 120, 80, 50, 30, 12, 5, 2, 1)
DATABASE_NAME = "bot.sqlite"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Datasets:
    """Folders of the datasets. `cs` and `cu` have a changed form of the one file of `c`."""

    a: Path
    b: Path
    c: Path
    cs: Path
    cu: Path
    d: Path


def make_datasets(place: Workplace, size: Size, say: Say) -> Datasets:
    """Make the missing datasets. The first time it downloads about 0.9 GB and takes some minutes."""
    if size == "full":
        return _make_full(place, say)
    full = place.data("full")
    a = _kernel(place, full, say)
    b = _app(place, full, say)
    folder = place.data("quick")
    recipe = f"every n-th of {QUICK_FILES} files, 1"
    return Datasets(
        a=_made(folder / "a", recipe, lambda path: _take_sample(a, path), say),
        b=_made(folder / "b", recipe, lambda path: _take_sample(b, path), say),
        c=_database(folder, QUICK_SHARE, say),
        cs=folder / "cs",
        cu=folder / "cu",
        d=_incompressible(folder, QUICK_SHARE, say),
    )


def _make_full(place: Workplace, say: Say) -> Datasets:
    folder = place.data("full")
    return Datasets(
        a=_kernel(place, folder, say),
        b=_app(place, folder, say),
        c=_database(folder, 1.0, say),
        cs=folder / "cs",
        cu=folder / "cu",
        d=_incompressible(folder, 1.0, say),
    )


def _kernel(place: Workplace, folder: Path, say: Say) -> Path:
    return _made(folder / "a", f"{KERNEL_PACKAGE} 1", lambda path: _unpack_kernel(place, path), say)


def _app(place: Workplace, folder: Path, say: Say) -> Path:
    recipe = " ".join((AS_OF, *NODE_PACKAGES, *PYTHON_PACKAGES, *MEDIA_PACKAGES))
    return _made(folder / "b", recipe, lambda path: make_hosted_app(place, path), say)


def _database(folder: Path, share: float, say: Say) -> Path:
    messages = round(bot_database.MESSAGES_FULL * share)
    recipe = f"{messages} messages 4"
    c = _made(folder / "c", recipe, lambda path: bot_database.make_database(path / DATABASE_NAME, messages), say)
    _made(folder / "cs", recipe, lambda path: bot_database.change_newest(_copied(c, path)), say)
    _made(folder / "cu", recipe, lambda path: bot_database.change_uniformly(_copied(c, path)), say)
    return c


def _copied(source: Path, folder: Path) -> Path:
    return Path(shutil.copyfile(source / DATABASE_NAME, folder / DATABASE_NAME))


def _incompressible(folder: Path, share: float, say: Say) -> Path:
    return _made(folder / "d", f"{BIG_FILES_MB} {share}", lambda path: _write_noise(path, share), say)


def _made(folder: Path, recipe: str, make: Callable[[Path], None], say: Say) -> Path:
    """Return the dataset's folder, made by `make` when it is missing or of another recipe."""
    note = folder.with_name(folder.name + ".recipe")
    if folder.exists() and note.exists() and note.read_text() == recipe:
        return folder
    say(f"making dataset {folder.name} ...")
    started = time.monotonic()
    part = folder.with_name(folder.name + ".part")
    for old in (part, folder):
        if old.exists():
            shutil.rmtree(old)
    part.mkdir()
    make(part)
    os.rename(part, folder)
    note.write_text(recipe)
    files = regular_files(folder)
    total = sum(path.stat().st_size for path in files)
    say(f"  {len(files):,} files, {total / 1e6:,.0f} MB, {time.monotonic() - started:.0f} s")
    return folder


def _unpack_kernel(place: Workplace, folder: Path) -> None:
    package = fetch_package(place.downloads, KERNEL_PACKAGE)
    inner = f"./usr/src/{KERNEL_PACKAGE}.tar.xz"
    outer = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    taken = subprocess.Popen(["tar", "-xO", inner], stdin=outer.stdout, stdout=subprocess.PIPE)
    run = subprocess.run(["tar", "-xJ", "-C", str(folder)], stdin=taken.stdout)
    for process in (taken, outer):
        if process.stdout is not None:
            process.stdout.close()
        process.wait()
    if run.returncode or taken.returncode:
        raise SystemExit(f"The package {package} could not be unpacked; delete it and run again.")


def _take_sample(source: Path, folder: Path) -> None:
    """Every n-th file of a tree, with its folders and times."""
    files = regular_files(source)
    step = max(1, len(files) // QUICK_FILES)
    listing = "\0".join(str(path.relative_to(source)) for path in files[::step][:QUICK_FILES])
    names = folder.with_name(folder.name + ".names")
    names.write_text(listing)
    pipe = f"tar -C '{source}' --null -T '{names}' -c | tar -C '{folder}' -x"
    run_quietly(["bash", "-c", f"set -o pipefail; {pipe}"])
    names.unlink()


def _write_noise(folder: Path, share: float) -> None:
    random = np.random.default_rng(7)
    for number, megabytes in enumerate(BIG_FILES_MB):
        left = round(megabytes * 1_000_000 * share)
        with (folder / f"archive-{number:02}.bin").open("wb") as file:
            while left:
                block = min(left, 4 << 20)
                file.write(random.bytes(block))
                left -= block
