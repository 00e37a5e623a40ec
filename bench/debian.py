"""Packages of Debian: fetched and unpacked into the benchmark's own folder, never installed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.shell import run_quietly

MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class PackageNotAvailable(Exception):
    """The package sources don't have the package (or this machine is not a Debian)."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A release of Debian other than the machine's; its lists are kept apart from the machine's own."""

    name: str

    def options(self, folder: Path) -> list[str]:
        """apt's options to look only at this suite, with everything that apt writes below `folder`."""
        source = folder / f"{self.name}.list"
        if not source.exists():
            (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            source.write_text(f"deb [signed-by={KEYRING}] {MIRROR} {self.name} main\n")
        return [
            f"-oDir::Etc::sourcelist={source}",
            "-oDir::Etc::sourceparts=-",
            f"-oDir::State::lists={folder}/lists",
            f"-oDir::Cache={folder}",
            "-oDir::State::status=/dev/null",
        ]


def fetch_package(downloads: Path, name: str, suite: Suite | None = None) -> Path:
    """Return the `.deb` of `name`, downloaded once into `downloads`: the candidate of this machine, or of `suite`."""
    folder = downloads if suite is None else downloads / suite.name
    folder.mkdir(exist_ok=True)
    found = sorted(folder.glob(f"{name}_*.deb"))
    if found:
        return found[-1]
    options = [] if suite is None else suite.options(folder)
    try:
        if suite is not None:
            run_quietly(["apt-get", "-q", *options, "update"])
        run_quietly(["apt-get", "-q", *options, "download", name], cwd=folder)
    except (OSError, subprocess.CalledProcessError) as error:
        sentence = f"The package {name} is missing: `apt-get download {name}` failed (try `apt-get update` first)."
        raise PackageNotAvailable(sentence) from error
    return sorted(folder.glob(f"{name}_*.deb"))[-1]


def unpack_package(package: Path, folder: Path) -> None:
    """Unpack the files of a `.deb` below `folder`; run none of its scripts."""
    folder.mkdir(parents=True, exist_ok=True)
    run_quietly(["dpkg-deb", "-x", str(package), str(folder)])
