"""Making an instance: refused before anything is there, and gone on with where it was cut off."""

from __future__ import annotations

import itertools
import os
import signal
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdfast.catalog.database.engine import CatalogUnreachable, open_catalog, sqlite_url
from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.config import ConfigError
from holdfast.service.instance.home import InstanceError, create_instance, open_instance
from holdfast.service.instance.recovery_sheet import recovery_sheet
from holdfast.service.registry.accounts import add_account


@pytest.mark.parametrize(
    ("variable", "value", "arguments", "error"),
    [
        ("HOLDFAST_MASTER_KEY", "no key", {}, InstanceError),
        ("HOLDFAST_MASTER_KEY", "00" * 31, {}, InstanceError),
        ("HOLDFAST_LEVEL", "fastest", {}, ConfigError),
        ("UNUSED", "", {"base_url": "ftp://host"}, ConfigError),
        ("UNUSED", "", {"backups_url": "host"}, ConfigError),
        ("UNUSED", "", {"time_zone": "Mars/Base"}, ConfigError),
    ],
)
def test_what_cannot_be_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    arguments: dict[str, Any],
    error: type[Exception],
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(error):
        create_instance(tmp_path / "home", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_not_there_can_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    with monkeypatch.context() as patched:
        patched.setenv("HOLDFAST_CATALOG_URL", sqlite_url(tmp_path / "elsewhere" / "c"))
        with pytest.raises(CatalogUnreachable):
            create_instance(home)
        with pytest.raises(InstanceError, match="No Holdfast instance"):
            open_instance(home)
        key = (home / "master.key").read_text()
        (tmp_path / "elsewhere").mkdir()
        create_instance(home).close()
        open_instance(home).close()
    assert (home / "master.key").read_text() == key


def test_another_instances_catalog_keeps_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_CATALOG_URL", sqlite_url(tmp_path / "shared"))
    create_instance(tmp_path / "one").close()
    with pytest.raises(InstanceError, match="does not belong to this instance"):
        create_instance(tmp_path / "two")
    open_instance(tmp_path / "one").close()
    monkeypatch.setenv("HOLDFAST_MASTER_KEY", (tmp_path / "one" / "master.key").read_text())
    with pytest.raises(InstanceError, match="belongs to another store"):
        create_instance(tmp_path / "three")
    assert not (tmp_path / "three" / "store").exists()


def test_a_key_from_the_environment_is_not_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = os.urandom(32).hex()
    monkeypatch.setenv("HOLDFAST_MASTER_KEY", key)
    instance = create_instance(tmp_path / "home")
    assert key in recovery_sheet(instance)
    instance.close()
    assert not (tmp_path / "home" / "master.key").exists()
    for path in (tmp_path / "home").rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes()
    open_instance(tmp_path / "home").close()
    monkeypatch.delenv("HOLDFAST_MASTER_KEY")
    with pytest.raises(InstanceError, match="master key is missing"):
        open_instance(tmp_path / "home")


def test_the_home_is_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b" / "home"
    create_instance(home).close()
    for path, mode in ((home, 0o700), (home / "store", 0o700), (home / "master.key", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert sorted(p.name for p in home.iterdir()) == [
        "FORMAT",
        "catalog.sqlite",
        "holdfast.toml",
        "master.key",
        "run",
        "store",
    ]


def test_a_home_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InstanceError, match="cannot be made"):
            create_instance(home)
        with pytest.raises(InstanceError, match="No Holdfast instance"):
            open_instance(home)


@pytest.mark.parametrize(
    "text", ["", "holdfast home", "holdfast home x", "holdfast home ²", "holdfast home 1 2", "\xff"]
)
def test_a_damaged_format_file(tmp_path: Path, text: str) -> None:
    create_instance(tmp_path / "home").close()
    (tmp_path / "home" / "FORMAT").write_bytes(text.encode("latin-1"))
    with pytest.raises(InstanceError, match="is damaged"):
        open_instance(tmp_path / "home")


def test_a_lost_format_file_does_not_make_a_new_instance(tmp_path: Path) -> None:
    home = tmp_path / "home"
    instance = create_instance(home)
    account = add_account(instance, "ana@example.com", "Silver", SYSTEM).account
    instance.vault_store(account.id).put("backups/x", b"x")
    instance.close()
    (home / "FORMAT").unlink()
    before = (home / "holdfast.toml").stat()
    with pytest.raises(InstanceError, match="FORMAT is gone"):
        create_instance(home, base_url="http://new.example")
    assert (home / "holdfast.toml").stat() == before


def in_a_child(operation: Callable[[], None]) -> int:
    """Start a process that does it; gives its id. Forked, as a new interpreter would take a second to import all."""
    pid = os.fork()
    if pid == 0:
        code = 3
        try:
            operation()
            code = 0
        except InstanceError as error:
            code = 1 if "There is an instance in" in str(error) else 2
        finally:
            os._exit(code)
    return pid


def outcome(pid: int) -> int:
    """Its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_killed_at_any_step_it_is_made_the_next_time(tmp_path: Path, step: str) -> None:
    real = getattr(os, step)

    def make_and_die(home: Path, nth: int) -> None:
        steps = itertools.count(1)

        def die(*arguments: Any) -> None:
            if next(steps) == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            real(*arguments)

        setattr(os, step, die)
        create_instance(home)

    for nth in range(1, 30):
        home = tmp_path / f"home{nth}"
        code = outcome(in_a_child(partial(make_and_die, home, nth)))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        key = (home / "master.key").read_text() if (home / "master.key").exists() else None
        if not (home / "FORMAT").exists():
            create_instance(home).close()
        assert key in (None, (home / "master.key").read_text())
        opened = open_instance(home)
        add_account(opened, "ana@example.com", "Silver", SYSTEM)
        opened.close()
    assert nth > 3


def test_of_many_that_make_it_at_once_one_does(tmp_path: Path) -> None:
    home = tmp_path / "home"
    makers = [in_a_child(lambda: create_instance(home).close()) for _ in range(6)]
    assert sorted(outcome(pid) for pid in makers) == [0, 1, 1, 1, 1, 1]
    instance = open_instance(home)
    assert instance.catalog.fact("master key fingerprint") == instance.master_key.fingerprint
    instance.close()


def test_a_wrong_key_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    home = tmp_path / "home"
    create_instance(home).close()
    right = (home / "master.key").read_text()
    (home / "master.key").write_text("11" * 32)
    with pytest.raises(InstanceError) as caught:
        open_instance(home)
    message = str(caught.value)
    assert message.startswith("The master key does not belong to this instance")
    assert "recovery sheet" in message
    assert right.strip() not in message
    assert "11" * 32 not in message
    (home / "master.key").write_text("  " + right.strip().upper() + "\n\n")
    open_instance(home).close()
    open_catalog(sqlite_url(home / "catalog.sqlite")).close()
