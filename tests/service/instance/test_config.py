"""The configuration: strict, with the place of every fault; the environment on top."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.service.instance.config import (
    CONFIG_NAME,
    Config,
    ConfigError,
    ConfiguredDatabase,
    ConfiguredHooks,
    checked_config,
    config_text,
    overridden_config,
    read_config,
    system_time_zone,
)
from holdfast.service.instance.plans import DEFAULT_PLANS, PricePlan
from holdfast.service.instance.sign_in.providers import ConfiguredSignIn

counts = st.integers(0, 2**53)
plans = st.builds(
    PricePlan,
    rank=counts,
    api_backups=st.booleans(),
    backups_per_app=counts,
    backups_per_day=counts,
    storage_bytes=counts,
    cooldown_seconds=counts,
)
hosts = st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z]{2,5}){0,2}", fullmatch=True)
origins = st.builds(
    lambda scheme, host, port: f"{scheme}://{host}{'' if port is None else f':{port}'}",
    st.sampled_from(["http", "https"]),
    hosts,
    st.none() | st.integers(1, 65535),
)
configs = st.builds(
    Config,
    base_url=origins,
    backups_url=st.just("") | origins,
    time_zone=st.sampled_from(sorted(available_timezones())[::40]),
    plans=st.just(DEFAULT_PLANS)
    | st.dictionaries(st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), plans, min_size=1),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


def written(folder: Path, text: str) -> Path:
    (folder / CONFIG_NAME).write_text(text, encoding="utf-8")
    return folder


def database(**values: str) -> str:
    """A database of an application, as the file has it."""
    given = {"app": "0" * 32, "name": "shop", "kind": "postgres", "dsn": "postgresql://h/shop", **values}
    return "[[databases]]\n" + "".join(f"{name} = {value!r}\n" for name, value in given.items())


@given(configs)
def test_what_init_writes_is_read_back(config: Config) -> None:
    assert checked_config(tomllib.loads(config_text(config)), "it") == config


def outcome(values: dict[str, Any], environment: dict[str, str]) -> Config | str:
    """A configuration, or the sentence that says why not."""
    try:
        return overridden_config(values, "it", environment)
    except ConfigError as error:
        return str(error)


@given(st.sampled_from(Config.__struct_fields__), anything)
def test_no_value_makes_anything_but_a_configuration_or_a_sentence(name: str, value: object) -> None:
    config = outcome({name: value}, {})
    if isinstance(config, str):
        assert config.startswith("it: ")
        assert config.endswith(".")
    else:
        read: dict[str, Any] = {
            "plans": dict[str, PricePlan],
            "databases": tuple[ConfiguredDatabase, ...],
            "trusted_proxies": tuple[str, ...],
            "app_roots": tuple[str, ...],
            "hooks": dict[str, ConfiguredHooks],
            "sign_in": ConfiguredSignIn,
        }
        assert getattr(config, name) == (msgspec.convert(value, read[name]) if name in read else value)
        assert config.downloads_url.startswith("http")
        assert config.zone is not None


@given(st.sampled_from(["BASE_URL", "BACKUPS_URL", "TIME_ZONE", "LEVEL", "WORKERS", "NODE"]), st.text(max_size=40))
def test_no_environment_makes_anything_else_either(name: str, value: str) -> None:
    config = outcome({}, {f"HOLDFAST_{name}": value})
    assert isinstance(config, Config) or "environment" in config


def test_without_settings(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, ""), {})
    assert config == Config()
    assert list(config.plans) == ["Bronze", "Silver", "Titanium", "Essential"]
    assert [plan.rank for plan in config.plans.values()] == [1, 2, 3, 4]
    assert [plan.api_backups for plan in config.plans.values()] == [False, True, True, True]
    assert config.downloads_url == config.base_url


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    written(tmp_path, 'base_url = "http://file.example"\nworkers = 1\nlevel = "small"\n')
    environment = {
        "HOLDFAST_BASE_URL": "https://env.example",
        "HOLDFAST_BACKUPS_URL": "https://backups.env.example/",
        "HOLDFAST_TIME_ZONE": "Asia/Kathmandu",
        "HOLDFAST_WORKERS": "0",
        "HOLDFAST_NODE": "node-7",
        "HOLDFAST_CATALOG_URL": "postgresql://db/holdfast",
        "HOLDFAST_LEVEL": "",
    }
    config = read_config(tmp_path, environment)
    assert (config.base_url, config.workers, config.node) == ("https://env.example", 0, "node-7")
    assert config.downloads_url == "https://backups.env.example"
    assert config.zone == ZoneInfo("Asia/Kathmandu")
    assert config.catalog_url == "postgresql://db/holdfast"
    assert config.level == "small", "an empty variable is not set"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bse_url = 'http://x'", "unknown field `bse_url`"),
        ("workers = '2'", "`$.workers`"),
        ("workers = 65", "`$.workers`"),
        ("workers = true", "`$.workers`"),
        ("node = 'a b'", "`$.node`"),
        ("node = ''", "`$.node`"),
        ("base_url = ''", "base_url must be like https://host"),
        ("base_url = 'http://'", "base_url must be like https://host"),
        ("base_url = 'http://[x'", "base_url must be like https://host"),
        ("base_url = 'http://host:port'", "base_url must be like https://host"),
        ("base_url = 'http://host:99999'", "base_url must be like https://host"),
        ("base_url = 'http://user:secret@host'", "base_url must be like https://host"),
        ("base_url = 'http://host/path'", "base_url must be like https://host"),
        ("backups_url = 'http://host?x'", "backups_url must be like https://host"),
        ("time_zone = ''", "time_zone must be a name like Europe/Berlin"),
        ("time_zone = '../../etc/passwd'", "time_zone must be a name like Europe/Berlin"),
        ("app_roots = ['apps']", "app_roots must be absolute paths other than /"),
        ("app_roots = ['/..']", "app_roots must be absolute paths other than /"),
        ("[hooks.'a b']\nbefore = 'true'", "`$.hooks`"),
        ("[hooks.a]\ntimeout_seconds = 5", "need a command before or after"),
        ("[hooks.a]\nbefore = 'true'\ntimeout_seconds = 0", "timeout_seconds"),
        ("[plans]", "`$.plans`"),
        ("[plans.Gold]\nrank = 1\n[plans.Iron]\nrank = 'x'", "plan 'Iron'"),
        ("[plans.Gold]\nrank = 1\nbackup_per_day = 2", "unknown field `backup_per_day`"),
        ("[plans.Gold]\napi_backups = true", "missing required field `rank`"),
        ("[plans.Gold]\nrank = 1\nstorage_bytes = -1", "plan 'Gold'"),
        (database(dsn="postgresql://ana:hunter2@h/shop"), "must not contain a password"),
        (database(dsn="h"), "must be a URL like postgresql://"),
        (database(app="bot"), "`$.databases[0].app`"),
        (database(kind="oracle"), "`$.databases[0].kind`"),
        (database() + database(), "two databases named 'shop'"),
        (database(password_env="A", password_file="b"), "keep only one"),
        ("[[", "not valid TOML"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(written(tmp_path, text), {})
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert str(tmp_path / CONFIG_NAME) in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing; run `holdfast init`"):
        read_config(tmp_path, {})
    (tmp_path / CONFIG_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_config(tmp_path, {})
    (tmp_path / CONFIG_NAME).unlink()
    (tmp_path / CONFIG_NAME).mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path, {})


@pytest.mark.parametrize("value", ["Europe/Berlin", "Nowhere/At all", "/etc/passwd", ":UTC"])
def test_the_machines_time_zone_is_one_that_we_know(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", value)
    assert system_time_zone() == (value if value == "Europe/Berlin" else "UTC")
    monkeypatch.delenv("TZ")
    monkeypatch.setattr(os, "readlink", lambda path: "../usr/share/zoneinfo/Asia/Tokyo")
    assert system_time_zone() == "Asia/Tokyo"
