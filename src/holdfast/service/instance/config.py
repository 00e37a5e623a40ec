"""The configuration of an instance: `holdfast.toml` in its home, with the environment on top.

Unknown keys and wrong types are refused, and the message names them. `HOLDFAST_BASE_URL`, `HOLDFAST_BACKUPS_URL`,
`HOLDFAST_TIME_ZONE`, `HOLDFAST_LEVEL`, `HOLDFAST_WORKERS`, `HOLDFAST_NODE`, `HOLDFAST_CATALOG_URL`,
`HOLDFAST_METRICS_TOKEN`, `HOLDFAST_LOG_LEVEL` and `HOLDFAST_LOG_FORMAT` override the file; an empty one counts as not
set.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from holdfast.catalog.records import Hook
from holdfast.service.instance.plans import DEFAULT_PLANS, PricePlan
from holdfast.service.instance.sign_in.providers import ConfiguredSignIn, check_sign_in
from holdfast.sources.databases.address import address_of
from holdfast.sources.databases.errors import DsnRefused
from holdfast.sources.databases.spec import DatabaseSpec
from holdfast.sources.directory.bounds import BOUNDS, TreeBounds
from holdfast.units import GIB

CONFIG_NAME = "holdfast.toml"
DEFAULT_PORT = 8420

PlanName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
HooksName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]
NodeName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]


class ConfigError(Exception):
    """The configuration cannot be used; the message is one sentence for a person."""


class ConfiguredDatabase(DatabaseSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A database as the file has it. `app`: the id of its application, as names are not unique.

    Empty: it is that of the applications for which the host names it.
    """

    app: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?\Z")] = ""

    @property
    def spec(self) -> DatabaseSpec:
        """The same as the application's settings would have it."""
        return DatabaseSpec(**{name: getattr(self, name) for name in DatabaseSpec.__struct_fields__})


class ConfiguredHooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Commands that the host may name for an application. Empty: none."""

    before: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    after: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60

    def hook(self, command: str) -> Hook | None:
        """Return one of the commands as an application's settings would have it; None for an empty one."""
        return Hook(command, self.timeout_seconds) if command.strip() else None


class ConfiguredMail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The server for mail of the instance itself. `port` 0: the usual one; `user` empty: it asks for no password."""

    host: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,253}\Z")]
    sender: Annotated[str, msgspec.Meta(pattern=r"^[!-~]+@[!-~]+\Z", max_length=320)] = msgspec.field(name="from")
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    user: Annotated[str, msgspec.Meta(max_length=320)] = ""
    password_file: str = ""
    tls: Literal["starttls", "tls", "none"] = "starttls"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings of an instance."""

    base_url: str = f"http://127.0.0.1:{DEFAULT_PORT}"
    """The URL of the API and the dashboard."""
    backups_url: str = ""
    """The URL of downloads; empty: as `base_url`."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of the proxies whose `X-Forwarded-For` is believed; none: the header never counts."""
    connections_max: Annotated[int, msgspec.Meta(ge=16, le=65_536)] = 1000
    """Connections that the server has at once; fewer where its descriptors allow no more."""
    connections_per_address_max: Annotated[int, msgspec.Meta(ge=1)] = 100
    downloads_max: Annotated[int, msgspec.Meta(ge=4, le=4096)] = 100
    """Downloads that run at once, of all accounts; each takes about a megabyte of memory."""
    downloads_per_address_max: Annotated[int, msgspec.Meta(ge=1)] = 16
    """Of one address, without an API key."""
    time_zone: str = "UTC"
    level: Literal["fast", "balanced", "small"] = "fast"
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 2
    """Worker processes of one backup; 0 does all in one."""
    node: NodeName = "main"
    """Name of this machine among the instance's."""
    import_bytes_max: Annotated[int, msgspec.Meta(ge=1)] = 64 * GIB
    """Unpacked bytes of one imported archive, whatever the plan allows."""
    safety_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 7
    """Days for which the safety backup of a restore is kept, whatever the rules and the plan say."""
    prune_seconds_max: Annotated[int, msgspec.Meta(ge=1)] = 900
    """At most this long one run of prune starts new work."""
    prune_bytes_max: Annotated[int, msgspec.Meta(ge=64 * 1024**2)] = 4 * GIB
    """At most this much is copied in one run of prune."""
    tree_entries_max: Annotated[int, msgspec.Meta(ge=1000, le=2**31 - 1)] = BOUNDS.entries
    """Files and folders of one application; one with more is not backed up."""
    tree_name_bytes_max: Annotated[int, msgspec.Meta(ge=64 * 1024)] = BOUNDS.name_bytes
    """Bytes of the names of those, and of the targets of links."""
    tree_file_bytes_max: Annotated[int, msgspec.Meta(ge=1024**2)] = BOUNDS.file_bytes
    """Size of one file, holes included."""
    tree_bytes_max: Annotated[int, msgspec.Meta(ge=1024**2)] = BOUNDS.content_bytes
    """Size of all files of one application, holes included."""
    preview_memory_max: Annotated[int, msgspec.Meta(ge=256 * 1024**2)] = GIB
    """Memory of the process that looks through a folder for a preview; two of them run at once."""
    sqlite_wait_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 30
    """Patience with an SQLite database that an application keeps locked."""
    database_silence_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 900
    """A database client that sends nothing for this long is ended, and the backup fails."""
    databases: tuple[ConfiguredDatabase, ...] = ()
    """Databases of applications, besides those of their settings; and those that the host may name for one."""
    hooks: dict[HooksName, ConfiguredHooks] = {}
    """Commands before and after the copy that the host may name for an application."""
    app_roots: tuple[str, ...] = ()
    """Folders below which the host may register applications; none: it registers no application."""
    read_back_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 30
    """The whole store is read back once in this many days; 0: never by itself."""
    read_back_bytes_per_second: Annotated[int, msgspec.Meta(ge=64 * 1024)] = 16 * 1024**2
    """Never faster than this."""
    prove_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 7
    """Each application gets a test restore every this many days; 0: never by itself."""
    prove_bytes_max: Annotated[int, msgspec.Meta(ge=1024**2)] = 16 * GIB
    """Of a backup with more content than this, a test restore brings some files back, as they fall."""
    scratch: str = ""
    """The folder for test restores; empty: the home's `run`."""
    takes_at_once: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Backups and other jobs that this node runs at once."""
    schedule_jitter_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 300
    """Scheduled backups start at most this much later, so that those of one time do not all start at once."""
    overdue_grace_seconds: Annotated[int, msgspec.Meta(ge=60, le=86_400)] = 600
    """An application counts as overdue at the earliest this long after a good backup was due."""
    catalog_url: str = ""
    """Empty: SQLite in the home; else a PostgreSQL URL."""
    mail_url: str = ""
    """The mail server that invitations are sent by, as `mailtos://user:password@host?from=...`; empty: none are."""
    mail: ConfiguredMail | None = None
    """The same, part by part."""
    sign_in: ConfiguredSignIn = ConfiguredSignIn()
    """Other sites that sign people in."""
    operators_view_accounts: bool = True
    """Operators may be shown the pages of an account as its people see them; each time is in its audit."""
    metrics_token: Annotated[str, msgspec.Meta(pattern=r"^([!-~]{16,200})?\Z")] = ""
    """The token that lets a monitoring system read `/metrics`; empty: see `web/api/metrics.py`."""
    metrics_apps_max: Annotated[int, msgspec.Meta(ge=0)] = 10_000
    """Of more applications (or accounts) than this, `/metrics` has only the sums; 0: never more than those."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    notices_allow_private: bool = False
    """True allows customers' notices to private addresses, and webhooks over plain HTTP."""
    plans: Annotated[dict[PlanName, PricePlan], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_PLANS)
    )

    @property
    def downloads_url(self) -> str:
        """Start of every download's URL."""
        return (self.backups_url or self.base_url).rstrip("/")

    @property
    def proxy_networks(self) -> list[IPv4Network | IPv6Network]:
        """The networks of `trusted_proxies`. Raises ValueError for one that is not a network."""
        return [ip_network(text) for text in self.trusted_proxies]

    @property
    def tree_bounds(self) -> TreeBounds:
        """The bounds on an application's folder."""
        return TreeBounds(
            self.tree_entries_max, self.tree_name_bytes_max, self.tree_file_bytes_max, self.tree_bytes_max
        )

    @property
    def zone(self) -> tzinfo:
        """The instance's time zone."""
        return ZoneInfo(self.time_zone)


_DIGITS = re.compile("[0-9]{1,9}")
OVERRIDES = (
    "base_url",
    "backups_url",
    "time_zone",
    "level",
    "workers",
    "node",
    "catalog_url",
    "metrics_token",
    "log_level",
    "log_format",
)


def read_config(home: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration of a home. Raises ConfigError."""
    path = home / CONFIG_NAME
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; run `holdfast init` for a new instance, or put the file back.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); fix its permissions.") from None
    return overridden_config(values, str(path), environment)


def overridden_config(values: dict[str, Any], where: str, environment: Mapping[str, str] = os.environ) -> Config:
    """A configuration from plain values, with the environment on top. Raises ConfigError that names the setting."""
    checked_config(values, where)
    given: dict[str, Any] = {}
    for name in OVERRIDES:
        value = environment.get(f"HOLDFAST_{name.upper()}")
        if value:
            given[name] = int(value) if name == "workers" and _DIGITS.fullmatch(value) else value
    return checked_config({**values, **given}, f"{where} and the environment (HOLDFAST_...)")


def checked_config(values: dict[str, Any], where: str) -> Config:
    """A configuration from plain values. Raises ConfigError that names the setting."""
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}{_plan_at_fault(values)}.") from None
    for name, url in (("base_url", config.base_url), ("backups_url", config.backups_url or config.base_url)):
        if not is_origin(url):
            raise ConfigError(f"{where}: {name} must be like https://host or http://host:port, and is {url!r}.")
    for text in config.trusted_proxies:
        try:
            ip_network(text)
        except ValueError:
            raise ConfigError(
                f"{where}: trusted_proxies must be a list of networks like 127.0.0.1 or 10.1.0.0/16, and has {text!r}."
            ) from None
    _check_databases(config, where)
    _check_of_the_host(config, where)
    if config.mail_url and not config.mail_url.startswith(("mailto://", "mailtos://")):
        raise ConfigError(f"{where}: mail_url must begin with mailto:// or mailtos://.")
    _check_mail(config.mail, config.mail_url, where)
    try:
        check_sign_in(config.sign_in)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    if config.scratch and not Path(config.scratch).is_absolute():
        raise ConfigError(f"{where}: scratch must be an absolute path, and is {config.scratch!r}.")
    if not is_time_zone(config.time_zone):
        raise ConfigError(f"{where}: time_zone must be a name like Europe/Berlin, not {config.time_zone!r}.")
    return config


def _check_mail(mail: ConfiguredMail | None, url: str, where: str) -> None:
    if mail is None:
        return
    if url:
        raise ConfigError(f"{where}: it has both mail_url and [mail]; keep only one.")
    if bool(mail.user) != bool(mail.password_file):
        raise ConfigError(f"{where}: [mail] needs user and password_file together, or neither.")
    if mail.password_file and not Path(mail.password_file).is_absolute():
        raise ConfigError(f"{where}: password_file of [mail] must be an absolute path, and is {mail.password_file!r}.")
    if mail.user and mail.tls == "none" and mail.host not in ("localhost", "127.0.0.1"):
        raise ConfigError(f"{where}: [mail] would send its password unencrypted; set tls to starttls or tls.")


def _check_databases(config: Config, where: str) -> None:
    seen = set()
    for database in config.databases:
        owner = f" of {database.app}" if database.app else ""
        if (database.app, database.name) in seen:
            has = f"the application {database.app} has" if database.app else "of no application there are"
            raise ConfigError(f"{where}: {has} two databases named {database.name!r}.")
        seen.add((database.app, database.name))
        try:
            address_of(database.kind, database.dsn)
        except DsnRefused as error:
            raise ConfigError(f"{where}: the database {database.name!r}{owner}: {error}") from None
        if database.password_env and database.password_file:
            raise ConfigError(f"{where}: {database.name!r} has both password_env and password_file; keep only one.")


def _check_of_the_host(config: Config, where: str) -> None:
    for root in config.app_roots:
        if not root.startswith("/") or "\0" in root or os.path.normpath(root).strip("/") == "":
            raise ConfigError(f"{where}: app_roots must be absolute paths other than /, and has {root!r}.")
    for name, hooks in config.hooks.items():
        if "\0" in hooks.before + hooks.after or not (hooks.before + hooks.after).strip():
            raise ConfigError(f"{where}: the hooks {name} need a command before or after, without zero bytes.")


def _plan_at_fault(values: dict[str, Any]) -> str:
    """Return the plan that an error is about: the error itself does not name it."""
    plans = values.get("plans")
    for name, plan in plans.items() if isinstance(plans, dict) else ():
        try:
            msgspec.convert({name: plan}, dict[PlanName, PricePlan])
        except msgspec.ValidationError:
            return f" (plan {name!r})"
    return ""


def is_time_zone(name: str) -> bool:
    """True if the machine knows a time zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def is_origin(url: str) -> bool:
    """True if it consists of scheme, host and at most a port."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0  # raises ValueError unless it is a port
            and "@" not in parts.netloc
            and not (parts.path.strip("/") or "?" in url or "#" in url)
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        return False


def config_text(config: Config) -> str:
    """A fresh `holdfast.toml` with what was chosen at `init`; everything else stands as a comment."""
    lines = [
        "# Holdfast's configuration. docs/operating.md explains each setting.",
        f"base_url = {_quoted(config.base_url)}",
        f"backups_url = {_quoted(config.backups_url)}" if config.backups_url else '# backups_url = ""',
        f"time_zone = {_quoted(config.time_zone)}",
        f"node = {_quoted(config.node)}" if config.node != Config().node else f"# node = {_quoted(config.node)}",
        '# level = "fast"       # fast, balanced or small',
        "# workers = 2",
        f"# import_bytes_max = {64 * GIB}",
        "# Further settings go here: what stands below a line in brackets belongs to that plan.",
        "# safety_days = 7",
        '# log_level = "info"   # debug, info, warning or error',
        '# metrics_token = ""   # lets a monitoring system to /metrics',
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
    return name if name and is_time_zone(name) else "UTC"
