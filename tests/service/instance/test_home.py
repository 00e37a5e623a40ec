"""Making and opening instances, and every way in which that is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from holdfast.catalog.database.engine import CatalogError, CatalogNewer
from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.config import ConfigError
from holdfast.service.instance.home import InstanceError, create_instance, open_instance
from holdfast.service.instance.recovery_sheet import recovery_sheet
from holdfast.service.registry.accounts import add_account


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_instance(tmp_path / "home").close()
    return tmp_path / "home"


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()
    }


def test_a_new_instance_opens(home: Path) -> None:
    instance = open_instance(home)
    assert add_account(instance, "a@b.example", "Silver", SYSTEM).account.plan == "Silver"
    sheet = recovery_sheet(instance)
    assert (home / "master.key").read_text().strip() in sheet
    instance.close()
    assert stat.S_IMODE((home / "master.key").stat().st_mode) == 0o600


def test_a_home_that_is_taken_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match="already"):
        create_instance(home)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InstanceError, match="not empty"):
        create_instance(tmp_path / "full")


def test_no_instance(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match="init"):
        open_instance(tmp_path / "nowhere")


def test_a_newer_home_is_refused_untouched(home: Path) -> None:
    (home / "FORMAT").write_text("holdfast home 2\n")
    before = snapshot(home)
    with pytest.raises(InstanceError, match="use the newer Holdfast"):
        open_instance(home)
    assert snapshot(home) == before


def test_a_newer_catalog_is_refused(home: Path) -> None:
    import sqlite3

    with sqlite3.connect(home / "catalog.sqlite") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(CatalogNewer, match="newer"):
        open_instance(home)


def test_a_missing_catalog_is_not_made_anew(home: Path) -> None:
    (home / "catalog.sqlite").unlink()
    with pytest.raises(CatalogError, match="missing"):
        open_instance(home)
    assert not (home / "catalog.sqlite").exists()


def test_the_master_key_missing_odd_or_wrong(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (home / "master.key").read_text()
    (home / "master.key").unlink()
    with pytest.raises(InstanceError, match="recovery sheet"):
        open_instance(home)
    (home / "master.key").write_text("no key at all")
    with pytest.raises(InstanceError, match="64 hex digits"):
        open_instance(home)
    (home / "master.key").write_text(os.urandom(32).hex())
    with pytest.raises(InstanceError, match="does not belong to this instance"):
        open_instance(home)
    monkeypatch.setenv("HOLDFAST_MASTER_KEY", key)
    open_instance(home).close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base_url = 5", "base_url"),
        ('colour = "red"', "colour"),
        ("base_url = ", "TOML"),
        ('base_url = "ftp://x"', "https://host"),
        ('time_zone = "Mars/Base"', "Europe/Berlin"),
        ('level = "fastest"', "level"),
        ("[plans.Gold]\nrank = -1", "rank"),
    ],
)
def test_a_bad_configuration_is_named(home: Path, text: str, message: str) -> None:
    (home / "holdfast.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        open_instance(home)


def test_the_environment_overrides(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_BASE_URL", "https://api.example")
    monkeypatch.setenv("HOLDFAST_WORKERS", "7")
    instance = open_instance(home)
    assert (instance.config.base_url, instance.config.workers) == ("https://api.example", 7)
    instance.close()
