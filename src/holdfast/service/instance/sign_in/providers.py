"""Providers in the configuration: `[[sign_in.oidc]]` and `[sign_in.discord]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Protocol
from urllib.parse import urlsplit

import msgspec

from holdfast.service.instance.sign_in.hand_over import ConfiguredHandOver, check_hand_over

ProviderName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,255}\Z")]


class Provider(Protocol):
    """The settings that providers of every kind have."""

    @property
    def name(self) -> str:
        """Its name in our addresses."""

    @property
    def label(self) -> str:
        """Its name for people."""

    @property
    def issuer(self) -> str:
        """The URL under which it names itself; its people's ids belong to that."""

    @property
    def client_id(self) -> str:
        """Our id there."""

    @property
    def client_secret_file(self) -> str:
        """The file with our secret there; empty: none."""

    @property
    def allow_private(self) -> bool:
        """True if it may be at a private address, and without TLS."""


class ConfiguredOidc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A provider that speaks OpenID Connect."""

    name: ProviderName
    issuer: Annotated[str, msgspec.Meta(max_length=500)]
    client_id: ClientId
    label: Label = ""
    client_secret_file: str = ""
    allow_private: bool = False


class ConfiguredDiscord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Discord, or a server that speaks as it does: OAuth 2 without ID tokens."""

    client_id: ClientId
    client_secret_file: str
    label: Label = "Discord"
    name: ProviderName = "discord"
    url: Annotated[str, msgspec.Meta(max_length=500)] = "https://discord.com"
    allow_private: bool = False

    @property
    def issuer(self) -> str:
        """It names itself nowhere: its URL."""
        return self.url


class ConfiguredSignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All sites that sign people in."""

    oidc: tuple[ConfiguredOidc, ...] = ()
    discord: ConfiguredDiscord | None = None
    hand_over: tuple[ConfiguredHandOver, ...] = ()

    @property
    def providers(self) -> tuple[ConfiguredOidc | ConfiguredDiscord, ...]:
        """All providers, as they stand in the file; Discord last."""
        return self.oidc if self.discord is None else (*self.oidc, self.discord)


def check_sign_in(sign_in: ConfiguredSignIn) -> None:
    """Raise ValueError, with a sentence that names the setting, for settings that cannot be used."""
    seen: set[str] = set()
    for one in sign_in.providers:
        if one.name in seen:
            raise ValueError(f"[sign_in] has two providers named {one.name!r}; give each a name of its own.")
        seen.add(one.name)
        field = "url" if isinstance(one, ConfiguredDiscord) else "issuer"
        if not is_issuer(one.issuer, allow_http=one.allow_private):
            raise ValueError(
                f"{field} of the provider {one.name!r} must be like https://host/path, without a query or a slash at "
                f"a host's end, and is {one.issuer!r}; plain http needs allow_private = true."
            )
        if one.client_secret_file and not Path(one.client_secret_file).is_absolute():
            raise ValueError(f"client_secret_file of the provider {one.name!r} must be an absolute path.")
    if len({one.issuer for one in sign_in.providers}) != len(sign_in.providers):
        raise ValueError("[sign_in] has two providers with the same issuer; keep only one.")
    check_hand_over(sign_in.hand_over)


def is_issuer(url: str, *, allow_http: bool) -> bool:
    """Return True for a URL that an issuer may have: nothing but scheme, host, port and path."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0  # raises ValueError unless it is a port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and not any(c in url for c in ' \\?#"<>') and "@" not in parts.netloc
    return has_host and is_plain and parts.scheme in (("https", "http") if allow_http else ("https",))
