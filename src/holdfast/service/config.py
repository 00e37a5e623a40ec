"""The configuration of an instance: `holdfast.toml` in its home, with the environment on top.

Unknown keys and wrong types are refused with their place. `HOLDFAST_BASE_URL`, `HOLDFAST_BACKUPS_URL`,
`HOLDFAST_TIME_ZONE`, `HOLDFAST_LEVEL`, `HOLDFAST_WORKERS` and `HOLDFAST_CATALOG_URL` override the file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

CONFIG_NAME = "holdfast.toml"
DEFAULT_PORT = 8420

Count = Annotated[int, msgspec.Meta(ge=0)]


class ConfigError(Exception):
    """The configuration cannot be used; the message is one sentence for a person."""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an account may do. Limits of 0 mean: none."""

    rank: Count
    api_backups: bool = True
    backups_per_app: Count = 0
    backups_per_day: Count = 0
    storage_bytes: Count = 0
    cooldown_seconds: Count = 0


_GIB = 1024**3
DEFAULT_PLANS: dict[str, Plan] = {
    "Bronze": Plan(
        rank=1, api_backups=False, backups_per_app=3, backups_per_day=2, storage_bytes=5 * _GIB, cooldown_seconds=60
    ),
    "Silver": Plan(rank=2, backups_per_app=30, backups_per_day=12, storage_bytes=50 * _GIB, cooldown_seconds=60),
    "Titanium": Plan(rank=3, backups_per_app=100, backups_per_day=48, storage_bytes=250 * _GIB, cooldown_seconds=30),
    "Essential": Plan(rank=4, backups_per_app=365, backups_per_day=96, storage_bytes=1000 * _GIB, cooldown_seconds=10),
}


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings of an instance."""

    base_url: str = f"http://127.0.0.1:{DEFAULT_PORT}"
    """Where the API and the dashboard are reached."""
    backups_url: str = ""
    """Where downloads are reached; empty: as `base_url`."""
    time_zone: str = "UTC"
    level: Literal["fast", "balanced", "small"] = "fast"
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 2
    """Worker processes of one backup; 0 does all in one."""
    node: str = "main"
    """Name of this machine among the instance's."""
    catalog_url: str = ""
    """Empty: SQLite in the home; else a PostgreSQL URL."""
    plans: dict[str, Plan] = msgspec.field(default_factory=lambda: dict(DEFAULT_PLANS))

    @property
    def downloads_url(self) -> str:
        """Start of every download's URL."""
        return (self.backups_url or self.base_url).rstrip("/")

    @property
    def zone(self) -> tzinfo:
        """The instance's time zone."""
        return ZoneInfo(self.time_zone)


_OVERRIDES = ("base_url", "backups_url", "time_zone", "level", "workers", "node", "catalog_url")


def read_config(home: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration of a home. Raises ConfigError."""
    path = home / CONFIG_NAME
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; run `holdfast init` for a new instance, or put the file back.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    for name in _OVERRIDES:
        value = environment.get(f"HOLDFAST_{name.upper()}")
        if value is not None:
            values[name] = int(value) if name == "workers" and value.isdigit() else value
    return checked_config(values, str(path))


def checked_config(values: dict[str, Any], where: str) -> Config:
    """A configuration from plain values. Raises ConfigError that names the setting."""
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}.") from None
    for name in ("base_url", "backups_url"):
        url = getattr(config, name)
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/")):
            raise ConfigError(f"{where}: {name} must be like https://host or http://host:port, and is {url!r}.")
    try:
        _ = config.zone
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"{where}: time_zone must be a name like Europe/Berlin, not {config.time_zone!r}.") from None
    return config


def config_text(config: Config) -> str:
    """A fresh `holdfast.toml` with what was chosen at `init`; everything else stands as a comment."""
    lines = [
        "# Holdfast's configuration. docs/operating.md explains each setting.",
        f"base_url = {_quoted(config.base_url)}",
        f"backups_url = {_quoted(config.backups_url)}" if config.backups_url else '# backups_url = ""',
        f"time_zone = {_quoted(config.time_zone)}",
        '# level = "fast"       # fast, balanced or small',
        "# workers = 2",
        "",
    ]
    for name, plan in config.plans.items():
        lines.append(f"[plans.{name}]")
        for field in plan.__struct_fields__:
            value = getattr(plan, field)
            lines.append(f"{field} = {str(value).lower() if isinstance(value, bool) else value}")
        lines.append("")
    return "\n".join(lines)


def _quoted(value: str) -> str:
    return msgspec.json.encode(value).decode()


def system_time_zone() -> str:
    """The machine's time zone by name; UTC when it has none."""
    name = os.environ.get("TZ", "")
    if not name:
        try:
            target = os.readlink("/etc/localtime")
            name = target.partition("zoneinfo/")[2]
        except OSError:
            name = ""
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
    return name or "UTC"
