"""The address in a DSN: the place of a database, and the user who connects. It never holds a password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from holdfast.sources.databases.errors import DsnRefused
from holdfast.sources.databases.spec import Kind

_SCHEMES: Mapping[Kind, tuple[str, ...]] = {
    "postgres": ("postgresql", "postgres"),
    "mariadb": ("mariadb", "mysql"),
    "redis": ("redis", "rediss", "unix"),
}
_EXAMPLES: Mapping[Kind, str] = {
    "postgres": "postgresql://user@host:5432/name",
    "mariadb": "mariadb://user@host:3306/name",
    "redis": "redis://host:6379",
}
_PORTS: Mapping[Kind, int] = {"postgres": 5432, "mariadb": 3306, "redis": 6379}
_OPTIONS: Mapping[Kind, frozenset[str]] = {
    "postgres": frozenset(),  # libpq knows its own
    "mariadb": frozenset({"socket", "ssl-ca", "ssl-cert", "ssl-key"}),
    "redis": frozenset({"cacert"}),
}
_SECRET = re.compile(r"pass|secret|token", re.IGNORECASE)
"""Options with such names are refused in a DSN: they would appear in a command line."""


@dataclass(frozen=True, slots=True)
class Address:
    """The place of a database. `socket`: path of a Unix socket; then host and port are unused."""

    host: str
    port: int
    user: str
    database: str
    socket: str = ""
    is_tls: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


def address_of(kind: Kind, dsn: str) -> Address:
    """Parse a DSN. Raises DsnRefused; its message does not repeat the DSN, which may contain a password."""
    example = _EXAMPLES[kind]
    try:
        parts = urlsplit(dsn)
        port = parts.port
        given = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        if kind != "postgres" or "," not in dsn:
            raise DsnRefused(f"The DSN is not a URL; write it like {example}.") from None
        raise DsnRefused("A DSN with several hosts is not supported; name the server that is to be dumped.") from None
    if parts.scheme not in _SCHEMES[kind] or not dsn.isprintable() or any(c.isspace() for c in dsn) or parts.fragment:
        raise DsnRefused(f"The DSN of a {kind} database must be a URL like {example}.")
    if parts.password is not None or any(_SECRET.search(name) for name in given):
        raise DsnRefused(
            "A DSN must not contain a password, as others could see it; leave it out and give its place with "
            "--password-env VARIABLE or --password-file FILE."
        )
    unknown = sorted(given.keys() - _OPTIONS[kind]) if kind != "postgres" else []
    if unknown:
        known = ", ".join(sorted(_OPTIONS[kind]))
        raise DsnRefused(f"The DSN has an unknown option {unknown[0]!r}; {kind} has {known}.")
    return _checked(kind, parts, port or _PORTS[kind], given)


def _checked(kind: Kind, parts: SplitResult, port: int, given: Mapping[str, str]) -> Address:
    user, path = unquote(parts.username or ""), unquote(parts.path).lstrip("/")
    host, socket = parts.hostname or "", given.get("socket", "")
    if kind == "redis":
        if parts.scheme == "unix":
            socket, path = "/" + path, ""
        if path not in ("", "0"):
            raise DsnRefused("A dump of Redis always contains all databases of a server; omit the number from the DSN.")
        path = ""
    elif not path or "/" in path:
        raise DsnRefused(f"The DSN must name one database, like {_EXAMPLES[kind]}.")
    if any(word.startswith("-") or "\0" in word or "\n" in word for word in (host, user, path, socket)):
        raise DsnRefused("A name in the DSN starts with '-' or contains a control character; correct the DSN.")
    is_tls = parts.scheme == "rediss" or "ssl-ca" in given
    return Address(host or ("" if kind == "postgres" else "127.0.0.1"), port, user, path, socket, is_tls, dict(given))
