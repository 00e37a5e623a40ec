"""Debian packages, downloaded once into `.servers/` of the checkout and unpacked there; nothing is installed.

Everything that apt writes lies there too, its lists of packages included, so the machine's own state is not touched and
need not be there.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
LISTS_SECONDS = 24 * 3600
_INST = re.compile(r"^Inst (\S+)", re.MULTILINE)


def cache() -> Path:
    """The folder of packages. A server that must not be root has to reach it, so not below a closed home."""
    place = CHECKOUT / ".servers"
    closed = any(not folder.stat().st_mode & 0o001 for folder in (CHECKOUT, *CHECKOUT.parents))
    if os.geteuid() == 0 and closed:
        place = Path(tempfile.gettempdir()) / "holdfast-servers-0"
    place.mkdir(mode=0o755, exist_ok=True)
    if place.stat().st_uid != os.geteuid():
        pytest.fail(f"{place} belongs to somebody else; remove it.", pytrace=False)
    return place


def unpacked(name: str, packages: Sequence[str]) -> Path:
    """The root folder of some packages and of what they need that the machine does not have."""
    place = cache()
    root = place / name
    with _alone(place):
        whole = root / ".whole"
        if not whole.exists() or whole.read_text().split() != list(packages):
            shutil.rmtree(root, ignore_errors=True)
            try:
                _fetch(place, root, packages)
            except (OSError, subprocess.SubprocessError, IndexError) as error:
                said = getattr(error, "stderr", None) or str(error)
                why = " ".join(str(said).split())[-300:]
                pytest.fail(
                    f"The tests of {name} need the Debian packages {' '.join(packages)}: install them, or make apt-get "
                    f"able to download them ({why}).",
                    pytrace=False,
                )
            whole.write_text(" ".join(packages))
    return root


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Of several test processes one fetches, and the others wait for it."""
    with (place / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(place: Path, root: Path, packages: Sequence[str]) -> None:
    apt = place / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    options = [f"-oDir::State::lists={apt}/lists", f"-oDir::Cache={apt}", "-oAPT::Sandbox::User=root"]
    stamp = apt / "updated"
    if not stamp.exists() or time.time() - stamp.stat().st_mtime > LISTS_SECONDS:
        _run(["apt-get", "-q", *options, "update"])
        stamp.touch()
    planned = _run(["apt-get", "-q", "-s", *options, "--no-install-recommends", "install", *packages])
    wanted = sorted({*_INST.findall(planned), *packages})
    downloads = root / ".packages"
    downloads.mkdir(parents=True)
    _run(["apt-get", "-q", *options, "download", *wanted], cwd=downloads)
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(root)])
    shutil.rmtree(downloads)


def _run(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        raise subprocess.SubprocessError(f"`{' '.join(command[:2])}` said: {done.stderr[-300:]}")
    return done.stdout


def libraries(root: Path) -> str:
    """LD_LIBRARY_PATH for programs below `root`."""
    shared = [path for path in sorted(root.glob("usr/lib/*-linux-gnu*")) if path.is_dir()]
    # Libraries that only one other uses lie a folder below, which Debian's packages name by its path on a whole system.
    own = sorted({file.parent for folder in shared for file in folder.glob("*/lib*.so*")})
    return os.pathsep.join(str(path) for path in [*shared, *own])


def programs(root: Path, names: Sequence[str], folders: Sequence[str] = ("usr/bin", "usr/sbin")) -> Path:
    """A folder with those programs of `root`, made to find their libraries."""
    folder = root / "wrapped"
    folder.mkdir(exist_ok=True)
    for name in names:
        real = next(path for path in (root / folder / name for folder in folders) if path.exists())
        script = folder / name
        unfinished = folder / f"{name}.{os.getpid()}"
        unfinished.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{libraries(root)}" exec "{real}" "$@"\n')
        unfinished.chmod(0o755)
        unfinished.rename(script)
    return folder
