"""The tools in the comparison, each behind the same four operations: begin, take, stored, end.

A tool takes backups of one folder into a repository of its own. Beginning (making an empty repository, starting a
server) is never measured; taking is, from the command's start to its end.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Protocol

from bench.measure import Measured, measure_command, stored_bytes
from bench.peers import NotAvailable, Peer, Peers, Program
from bench.shell import run_quietly, user_environment

PASSWORD = "the benchmark's repositories are nobody's secret"


class ToolMissing(Exception):
    """A program of the tool is not available; the message says why."""


class Tool(Protocol):
    """A program that takes backups of one folder."""

    name: str

    def begin(self, folder: Path) -> None:
        """Start over with an empty repository for backups of `folder`."""

    def take(self) -> Measured:
        """Take one backup. Raises MeasuredCommandFailed."""

    def stored(self) -> int:
        """Return the bytes of the repository now."""

    def end(self) -> None:
        """Stop everything that was started and delete the repository."""


def program(peer: Peer) -> Program:
    """Return the program of a peer. Raises ToolMissing."""
    if isinstance(peer, NotAvailable):
        raise ToolMissing(peer.reason)
    return peer


class Restic:
    """restic with its default compression, into a local repository."""

    name = "restic"

    def __init__(self, peers: Peers, run: Path) -> None:
        self._path = program(peers.restic).path
        self._repository = run / "restic"
        self._environment = user_environment() | {
            "RESTIC_REPOSITORY": str(self._repository),
            "RESTIC_CACHE_DIR": str(run / "restic-cache"),
            "RESTIC_PASSWORD": PASSWORD,
        }
        self._folder = run

    def begin(self, folder: Path) -> None:
        self.end()
        self._folder = folder
        run_quietly([self._path, "init", "-q"], env=self._environment)

    def take(self) -> Measured:
        return measure_command([self._path, "backup", "-q", "."], cwd=self._folder, env=self._environment)

    def stored(self) -> int:
        return stored_bytes(self._repository)

    def restore(self, target: Path) -> Measured:
        """Return the whole newest backup into an empty folder."""
        return measure_command([self._path, "restore", "-q", "latest", "--target", str(target)], env=self._environment)

    def dump_zip(self) -> Measured:
        """Return the whole newest backup as a zip, written to nowhere."""
        line = f"{shlex.quote(self._path)} dump -q -a zip latest / > /dev/null"
        return measure_command(["sh", "-c", line], env=self._environment)

    def end(self) -> None:
        for path in (self._repository, Path(self._environment["RESTIC_CACHE_DIR"])):
            shutil.rmtree(path, ignore_errors=True)


class Borg:
    """borg with lz4, encrypted and authenticated with a key in the repository."""

    name = "borg lz4"

    def __init__(self, peers: Peers, run: Path) -> None:
        self._path = program(peers.borg).path
        self._base = run / "borg"
        self._repository = self._base / "repository"
        self._environment = user_environment() | {
            "BORG_BASE_DIR": str(self._base),
            "BORG_REPO": str(self._repository),
            "BORG_PASSPHRASE": PASSWORD,
        }
        self._folder = run
        self._taken = 0

    def begin(self, folder: Path) -> None:
        self.end()
        self._folder = folder
        self._taken = 0
        self._base.mkdir(parents=True)
        run_quietly([self._path, "init", "-e", "repokey"], env=self._environment)

    def take(self) -> Measured:
        self._taken += 1
        command = [self._path, "create", "-C", "lz4", f"::{self._taken}", "."]
        return measure_command(command, cwd=self._folder, env=self._environment)

    def stored(self) -> int:
        return stored_bytes(self._repository)

    def restore(self, target: Path) -> Measured:
        """Return the whole newest backup into an empty folder."""
        return measure_command([self._path, "extract", f"::{self._taken}"], cwd=target, env=self._environment)

    def export_tar(self) -> Measured:
        """Return the whole newest backup as a tar, to a pipe."""
        line = f"{shlex.quote(self._path)} export-tar ::{self._taken} - | cat > /dev/null"
        return measure_command(["bash", "-c", f"set -o pipefail; {line}"], env=self._environment)

    def end(self) -> None:
        shutil.rmtree(self._base, ignore_errors=True)


class TarPigz:
    """`tar | pigz -1` into one file: what the common app-host daemon does, all of it again at each backup."""

    name = "tar+pigz -1"

    def __init__(self, peers: Peers, run: Path) -> None:
        self._pigz = program(peers.pigz).path
        self._output = run / "backup.tar.gz"
        self._folder = run

    def begin(self, folder: Path) -> None:
        self._folder = folder
        self.end()

    def take(self) -> Measured:
        line = f"set -o pipefail; tar -cf - . | {shlex.quote(self._pigz)} -1 > {shlex.quote(str(self._output))}"
        return measure_command(["bash", "-c", line], cwd=self._folder)

    def stored(self) -> int:
        return self._output.stat().st_size if self._output.exists() else 0

    def end(self) -> None:
        self._output.unlink(missing_ok=True)
