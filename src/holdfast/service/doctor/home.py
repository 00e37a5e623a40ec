"""Checks of the home: permissions, the master key, the configuration."""

from __future__ import annotations

import ipaddress
import os
import pwd
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from holdfast.service.doctor.finding import Check, Finding, problem, warning
from holdfast.service.instance.config import CONFIG_NAME
from holdfast.service.instance.home import KEY_NAME, KEY_VARIABLE, Instance
from holdfast.service.instance.recovery_sheet import KEY_NEVER_EXPORTED, key_exported_at

_TLS_MODES = {"require", "verify-ca", "verify-full"}


def _permissions(instance: Instance) -> Iterator[Finding]:
    home = instance.home
    if home.stat().st_mode & 0o077:
        yield problem(f"Others can read {home}, which holds keys and backups.", f"chmod 700 {home}")
    for name in (KEY_NAME, CONFIG_NAME):
        path = home / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield problem(f"Others may read {path}; it holds secrets.", f"chmod 600 {path}")
    store = home / "store"
    real = store.resolve()
    if home.resolve() not in real.parents and real.stat().st_mode & 0o007:
        yield problem(f"Others can read the store {real}, which is not in the home.", f"chmod 700 {real}")


def _user(instance: Instance) -> Iterator[Finding]:
    owner = instance.home.stat().st_uid
    key = instance.home / KEY_NAME
    if key.exists() and key.stat().st_uid != owner:
        yield problem(
            f"{key} belongs to another user than the home; give it to {_name(owner)}.", f"chown {owner} {key}"
        )
    if os.geteuid() != owner:
        yield warning(
            f"The home belongs to {_name(owner)}, and this runs as {_name(os.geteuid())}; run Holdfast as one and the "
            "same user, or it makes files that the other can't use."
        )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _master_key(instance: Instance) -> Iterator[Finding]:
    path = instance.home / KEY_NAME
    given = os.environ.get(KEY_VARIABLE)
    if given and path.exists() and path.read_text(errors="replace").strip().lower() != given.strip().lower():
        yield problem(
            f"{KEY_VARIABLE} and {path} hold different keys; the environment's is used and fits, so a start without it "
            f"would fail. Remove the file, or write the right key into it."
        )
    if key_exported_at(instance) is None:
        yield warning(KEY_NEVER_EXPORTED[0].upper() + KEY_NEVER_EXPORTED[1:], "holdfast key export")


def _configuration(instance: Instance) -> Iterator[Finding]:
    config = instance.config
    addresses = {config.downloads_url: "backups_url", config.base_url.rstrip("/"): "base_url"}  # often the same
    for url, name in addresses.items():
        parts = urlsplit(url)
        if parts.scheme == "http" and not _is_private(parts.hostname or ""):
            yield warning(
                f"{name} is {url}: API keys and downloads go over the network in the clear; put a proxy with TLS "
                f"before Holdfast and set {name} to its https address."
            )
    if not config.trusted_proxies and urlsplit(config.base_url).scheme == "https":
        yield warning(
            "base_url is https, so a proxy stands before Holdfast, and trusted_proxies names none: all clients look "
            "like one, and share the caps of one address. Set it to the proxy's address, such as ['127.0.0.1']."
        )
    if config.catalog_url:
        parts = urlsplit(config.catalog_url)
        mode = parse_qs(parts.query).get("sslmode", [""])[0]
        if parts.hostname and not _is_private(parts.hostname) and mode not in _TLS_MODES:
            yield warning("The connection to the catalog may be in the clear; add sslmode=verify-full to catalog_url.")


def _is_private(host: str) -> bool:
    """True if a host is this machine or on a private network, as far as its name tells."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".internal", ".local", ".lan")) or "." not in host


HOME_CHECKS = (
    Check("permissions", "Only its owner can read the home.", _permissions),
    Check("user", "The home belongs to who runs this.", _user),
    Check("master key", "The master key fits, and was exported.", _master_key),
    Check("configuration", "The configuration holds nothing risky.", _configuration),
)
