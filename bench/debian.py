"""Packages of the Debian that the benchmark runs on: fetched and unpacked into its own folder, never installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.shell import run_quietly


class PackageNotAvailable(Exception):
    """This machine's package sources don't have the package (or it is not a Debian)."""


def fetch_package(downloads: Path, name: str) -> Path:
    """The `.deb` of the candidate version of `name`, downloaded once into `downloads`."""
    found = sorted(downloads.glob(f"{name}_*.deb"))
    if found:
        return found[-1]
    try:
        run_quietly(["apt-get", "download", name], cwd=downloads)
    except (OSError, subprocess.CalledProcessError) as error:
        sentence = f"The package {name} can't be had: `apt-get download {name}` failed (try `apt-get update` first)."
        raise PackageNotAvailable(sentence) from error
    return sorted(downloads.glob(f"{name}_*.deb"))[-1]


def unpack_package(package: Path, folder: Path) -> None:
    """Unpacks the files of a `.deb` below `folder`; runs none of its scripts."""
    folder.mkdir(parents=True, exist_ok=True)
    run_quietly(["dpkg-deb", "-x", str(package), str(folder)])
