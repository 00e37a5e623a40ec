"""The programs that holdfast is compared with: found on the machine or fetched into `.bench/peers`, never installed.

A missing program is a `NotAvailable` with one sentence; its columns then say "not available", and no figure
is invented for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.debian import PackageNotAvailable, Suite, fetch_package, unpack_package
from bench.shell import run_quietly
from bench.workplace import Workplace

BORG = "borgbackup==1.4.5"
BORG_HEADERS = ("libacl1-dev", "libattr1-dev", "liblz4-dev", "libzstd-dev", "libxxhash-dev", "libssl-dev")
BORG_LIBRARIES = ("libacl1", "liblz4-1", "libzstd1", "libxxhash0", "libssl3")
RESTIC_SUITE = Suite("trixie")
"""Debian 13: the first with restic 0.18, which the targets were measured against; it needs only an older libc6."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be run: its path, its version as it says it, and where it came from."""

    path: str
    version: str
    origin: str


@dataclass(frozen=True, slots=True)
class NotAvailable:
    """The reason that a program is not available, in one sentence."""

    reason: str


Peer = Program | NotAvailable


@dataclass(frozen=True, slots=True)
class Peers:
    restic: Peer
    borg: Peer
    pigz: Peer
    nginx: Peer
    wrk: Peer


def find_peers(place: Workplace, say: Callable[[str], None]) -> Peers:
    """Find or fetch every peer and print the result."""
    peers = Peers(
        restic=_tried(lambda: _restic(place)),
        borg=_tried(lambda: _borg(place)),
        pigz=_tried(lambda: _debian_program(place, "pigz", "pigz", ["--version"])),
        nginx=_tried(lambda: _debian_program(place, "nginx", "nginx", ["-v"])),
        wrk=_tried(lambda: _debian_program(place, "wrk", "wrk", ["--version"], "libluajit-5.1-2")),
    )
    for name in Peers.__dataclass_fields__:
        peer = getattr(peers, name)
        say(f"  {name}: " + (f"{peer.version} ({peer.origin})" if isinstance(peer, Program) else peer.reason))
    return peers


def _tried(find: Callable[[], Program]) -> Peer:
    try:
        return find()
    except PackageNotAvailable as error:
        return NotAvailable(str(error))
    except (OSError, subprocess.CalledProcessError) as error:
        return NotAvailable(f"It could not be made to run here: {error}.")


def _restic(place: Workplace) -> Program:
    folder = place.peers / "restic"
    program = folder / "usr" / "bin" / "restic"
    if not program.exists():
        try:
            unpack_package(fetch_package(place.downloads, "restic", RESTIC_SUITE), folder)
            _version(str(program), ["version"])
        except (PackageNotAvailable, OSError, subprocess.CalledProcessError):
            shutil.rmtree(folder, ignore_errors=True)
            return _debian_program(place, "restic", "restic", ["version"])
    return Program(str(program), _version(str(program), ["version"]), f"Debian {RESTIC_SUITE.name}")


def _borg(place: Workplace) -> Program:
    """From PyPI, built here; the headers that it needs come from Debian packages that are unpacked beside it."""
    folder = place.peers / "borg"
    program = folder / "bin" / "borg"
    if not program.exists():
        headers = place.peers / "borg-headers"
        for name in (*BORG_HEADERS, *BORG_LIBRARIES):
            unpack_package(fetch_package(place.downloads, name), headers)
        libraries = next(path.parent for path in headers.glob("usr/lib/*/pkgconfig"))
        triplet = libraries.name
        environment = os.environ | {
            "PKG_CONFIG_SYSROOT_DIR": str(headers),
            "PKG_CONFIG_LIBDIR": str(libraries / "pkgconfig"),
            "CFLAGS": f"-O2 -I{headers}/usr/include -I{headers}/usr/include/{triplet}",
            "LDFLAGS": f"-L{libraries}",
        }
        run_quietly([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        run_quietly([*pip, "--cache-dir", str(place.caches / "pip"), BORG], env=environment)
    return Program(str(program), _version(str(program), ["--version"]), "PyPI, built here")


def _debian_program(place: Workplace, name: str, package: str, version: list[str], *libraries: str) -> Program:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    if found is not None:
        return Program(found, _version(found, version), "of this machine")
    folder = place.peers / name
    for each in (package, *libraries):
        unpack_package(fetch_package(place.downloads, each), folder)
    program = next(folder.glob(f"usr/*bin/{name}"))
    if libraries:
        program = _with_libraries(program, folder)
    return Program(str(program), _version(str(program), version), "Debian, unpacked here")


def _with_libraries(program: Path, folder: Path) -> Path:
    """Return a small script that runs the program with the libraries that were unpacked beside it."""
    library = next(folder.glob("usr/lib/*/*.so*")).parent
    script = folder / f"{program.name}.sh"
    script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{library}" exec "{program}" "$@"\n')
    script.chmod(0o755)
    return script


def _version(program: str, arguments: list[str]) -> str:
    """Return the first line that a program says about its version; wrk says it with exit code 1, nginx on stderr."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    said = (done.stdout or done.stderr).strip().splitlines()
    if not said or done.returncode not in (0, 1):
        raise subprocess.CalledProcessError(done.returncode, [program, *arguments], done.stdout, done.stderr)
    return said[0].split(" Copyright")[0]
