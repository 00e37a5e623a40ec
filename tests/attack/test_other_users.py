"""Another user of the machine: what a home gives away that was there, open to all, before there was an instance."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.command import PROGRAM, Server

from holdfast.service.instance.home import InstanceError, create_instance

OTHER = 65534
"""nobody, who owns nothing here."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home that a package made: mode 0755, with a usual umask around."""
    made = tmp_path / "home"
    made.mkdir()
    made.chmod(0o755)
    before = os.umask(0o022)
    yield made
    os.umask(before)


def holdfast(home: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, "--home", str(home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def open_to_others(home: Path) -> list[str]:
    """All that has any right for others, the home itself among it."""
    return [str(p) for p in (home, *home.rglob("*")) if not p.is_symlink() and p.stat().st_mode & 0o077]


def test_init_closes_a_home_that_was_there(home: Path) -> None:
    holdfast(home, "init", "--time-zone", "UTC")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert open_to_others(home) == []


def test_serve_closes_a_home_of_before(home: Path, free_port: int) -> None:
    holdfast(home, "init", "--time-zone", "UTC")
    for path in (home, home / "run", home / "store"):
        path.chmod(0o755)
    (home / "catalog.sqlite").chmod(0o644)
    server = Server(home, free_port)
    try:
        assert open_to_others(home) == []
    finally:
        server.stop()


def test_a_home_that_cannot_be_closed_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_ours(fd: int, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", not_ours)
    with pytest.raises(InstanceError, match=r"can look into .* run `chmod 700"):
        create_instance(home)
    assert list(home.iterdir()) == []


@needs_root
def test_another_user_reads_nothing(home: Path) -> None:
    holdfast(home, "init", "--time-zone", "UTC")
    for folder in home.parents[:-1]:
        folder.chmod(folder.stat().st_mode | 0o011)  # pytest's own folders are closed too
    for name in ("catalog.sqlite", "master.key", "FORMAT"):
        read = subprocess.run(
            ["/bin/cat", home / name], user=OTHER, group=OTHER, extra_groups=[], capture_output=True, check=False
        )
        assert read.stdout == b""
        assert b"Permission denied" in read.stderr


@needs_root
@pytest.mark.parametrize(
    "command", [["backup", "create", "bot"], ["backup", "list", "bot"], ["serve"], ["rebuild"], ["prune"]]
)
def test_root_leaves_the_home_of_another_user_alone(home: Path, command: list[str]) -> None:
    create_instance(home).close()
    give_to_other(home)
    before = owners(home)
    done = holdfast(home, *command, code=1)
    assert f"sudo -u {pwd.getpwuid(OTHER).pw_name}" in done.stderr
    assert owners(home) == before


@needs_root
def test_root_makes_no_instance_in_the_folder_of_another_user(home: Path) -> None:
    give_to_other(home)
    assert "belongs to" in holdfast(home, "init", code=1).stderr
    assert list(home.iterdir()) == []


def give_to_other(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        os.chown(path, OTHER, OTHER, follow_symlinks=False)


def owners(home: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_uid for path in (home, *home.rglob("*"))}
