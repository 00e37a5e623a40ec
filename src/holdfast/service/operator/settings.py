"""The settings of an instance as its operator is shown them: each with where it comes from, without secrets."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from holdfast.service.instance.config import CONFIG_NAME, OVERRIDES, Config
from holdfast.service.instance.home import Instance

MASKED = "(set, not shown)"
_SECRETS = frozenset({"metrics_token", "mail_url"})
_NAMED_ONLY = frozenset({"plans", "hooks", "databases"})
"""Settings of several parts, which may hold commands and passwords: their names are shown."""


class Source(StrEnum):
    """The origin of a value."""

    FILE = "file"
    ENVIRONMENT = "environment"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting. `variable`: of the environment that it comes from, empty for none."""

    name: str
    value: str
    source: Source
    variable: str
    default: str


def settings(instance: Instance, environment: Mapping[str, str] = os.environ) -> list[Setting]:
    """Return all settings in the order of the configuration; the value is the one that this process uses."""
    try:
        in_file = tomllib.loads((instance.home / CONFIG_NAME).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        in_file = {}  # the server that runs does not need it any more
    default = Config()
    found = []
    for name in Config.__struct_fields__:
        variable = f"HOLDFAST_{name.upper()}"
        is_overridden = name in OVERRIDES and bool(environment.get(variable))
        source = Source.ENVIRONMENT if is_overridden else Source.FILE if name in in_file else Source.DEFAULT
        value, usual = (shown(name, getattr(one, name)) for one in (instance.config, default))
        found.append(Setting(name, value, source, variable if is_overridden else "", usual))
    return found


def shown(name: str, value: object) -> str:
    """Return a value as it may be shown: of a secret only that there is one."""
    if name in _SECRETS or isinstance(value, msgspec.Struct):  # of several parts, which may be secrets
        return MASKED if value else ""
    if name == "catalog_url":
        return _without_password(str(value))
    if name in _NAMED_ONLY:
        return ", ".join(_names(value))
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return msgspec.json.encode(value).decode()


def _names(value: object) -> list[str]:
    if isinstance(value, dict):
        return list(value)
    return [str(one.name) for one in value] if isinstance(value, tuple) else []


def _without_password(url: str) -> str:
    """Return a URL up to its host: user, password and options may hold secrets."""
    if not url:
        return ""
    parts = urlsplit(url)
    try:
        host = parts.hostname or ""
    except ValueError:
        host = ""
    return f"{parts.scheme}://{'...@' if '@' in parts.netloc else ''}{host}{parts.path}"
