"""Messages to people through apprise: e-mail, chat, push. The library itself runs in `apprise_process.py`.

Its URLs come from customers, and apprise has plugins that run programs, read files or connect to anything. So only
SERVICES are accepted, each with the few parameters that say where a message goes, and none that change its text or name
files; and whatever a plugin then does, its process connects only to addresses that `egress.is_public` allows.
"""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from holdfast.isolation import ROOT, UMASK, isolated
from holdfast.service.errors import Invalid
from holdfast.service.notify.egress import Egress, is_public, is_usual_port
from holdfast.service.notify.webhook import URL_CHARACTERS_MAX, Outcome

SECONDS_MAX = 30.0
AT_ONCE_MAX = 4
"""At most this many processes at once: each takes some 60 MB."""

Urgency = Literal["info", "success", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Service:
    """A service of apprise that may be used. `has_host`: its URL names the host that is connected to."""

    name: str
    parameters: frozenset[str]
    has_host: bool


def _services() -> dict[str, Service]:
    table: tuple[tuple[str, str, str, bool], ...] = (
        ("mailto mailtos", "E-mail", "to from name cc bcc reply smtp user pass mode", True),
        ("ntfy ntfys", "ntfy", "to priority token auth mode", True),
        ("gotify gotifys", "Gotify", "priority", True),
        ("matrix matrixs", "Matrix", "to token mode version", True),
        ("rocket rockets", "Rocket.Chat", "to mode", True),
        ("mmost mmosts", "Mattermost", "to channel channels", True),
        ("workflow workflows", "Microsoft Teams", "id sig route api-version ver", True),
        ("discord", "Discord", "thread", False),
        ("slack", "Slack", "to", False),
        ("tgram", "Telegram", "to topic thread silent", False),
        ("gchat", "Google Chat", "workspace key token thread", False),
        ("pover", "Pushover", "to priority sound", False),
        ("pbul", "Pushbullet", "to", False),
        ("zulip", "Zulip", "to", False),
    )
    return {
        scheme: Service(name, frozenset(parameters.split()), has_host)
        for schemes, name, parameters, has_host in table
        for scheme in schemes.split()
    }


SERVICES = _services()


class Order(msgspec.Struct, frozen=True):
    """The process's standard input, as JSON. `only_check`: build the service, and send nothing."""

    url: str
    title: str = ""
    body: str = ""
    urgency: str = "info"
    allow_private: bool = False
    only_check: bool = False


class Report(msgspec.Struct, frozen=True):
    """The process's standard output, as JSON. `refused`: a connection was not allowed; `refused_port`: for its port."""

    is_understood: bool
    is_sent: bool = False
    refused: bool = False
    refused_port: int = 0


_places = threading.BoundedSemaphore(AT_ONCE_MAX)


def check_url(url: str, egress: Egress) -> str:
    """Check an apprise URL and give what may be shown of it. Starts the process, sends nothing. Raises Invalid."""
    service, front, host = _taken_apart(url)
    if service.has_host and not egress.allow_private:
        for name, port in _hosts(url, front):
            if port is not None and not is_usual_port(port):
                raise Invalid("url", _port_refused(port))
            try:
                found = egress.resolve(name, port or 443)
            except OSError:
                found = []  # not every "host" is one: ntfy://topic
            if not all(is_public(address) for address in found):
                raise Invalid("url", "The host's address is private or reserved; only public addresses are allowed.")
    report = _run(Order(url, only_check=True, allow_private=egress.allow_private))
    if report is None or not report.is_understood:
        raise Invalid("url", f"This is not a complete URL of {service.name}; https://appriseit.com shows their form.")
    # With no dot it may be a topic or a token, which the URL has in the same place.
    is_host = service.has_host and (host == "localhost" or "." in host or ":" in host)
    return f"{service.name} ({host})" if is_host else service.name


def _port_refused(port: int) -> str:
    return f"The port {port} is not allowed; use the usual one, or one above 1023."


def send(url: str, title: str, body: str, urgency: Urgency, *, egress: Egress, seconds: float = SECONDS_MAX) -> Outcome:
    """Send a message once. Never raises for what the service does."""
    try:
        service, _, _ = _taken_apart(url)
    except Invalid as error:
        return Outcome(None, error.message)
    report = _run(Order(url, title, body, urgency, allow_private=egress.allow_private), seconds)
    if report is None:
        return Outcome(None, f"{service.name} took longer than {seconds:g} s.")
    if report.is_sent:
        return Outcome(None, None)
    if report.refused_port:
        return Outcome(None, _port_refused(report.refused_port))
    if report.refused:
        return Outcome(None, "The host's address is private or reserved; only public addresses are allowed.")
    return Outcome(None, f"{service.name} did not take the message; check the URL, its token and its rights.")


def _taken_apart(url: str) -> tuple[Service, str, str]:
    """Service, the URL before its parameters, and host. Raises Invalid (URL)."""
    if len(url) > URL_CHARACTERS_MAX:
        raise Invalid("url", f"url must have at most {URL_CHARACTERS_MAX} characters.")
    if not url.isprintable() or url != url.strip() or ";" in url or "\\" in url:
        raise Invalid("url", "url must have no control characters, blanks at its ends, `;` or `\\`.")
    scheme, _, rest = url.partition("://")
    service = SERVICES.get(scheme)
    if service is None or not rest:
        known = ", ".join(sorted(SERVICES))
        raise Invalid("url", f"url must begin with https:// or one of the schemes {known}.")
    front, _, query = url.partition("?")
    names = [unquote(pair.partition("=")[0]) for pair in query.split("&") if pair]
    if "?" in query or not service.parameters.issuperset(names):
        known = ", ".join(sorted(service.parameters))
        raise Invalid("url", f"url has a parameter that is not allowed; those of {service.name} are {known}.")
    if not service.has_host:
        return service, front, ""
    try:
        parts = urlsplit(front.partition("#")[0])
        _ = parts.port  # raises ValueError unless it is a port
        return service, front, parts.hostname or ""
    except ValueError:
        raise Invalid("url", f"This is not a URL of {service.name}; https://appriseit.com shows their form.") from None


def _hosts(url: str, front: str) -> list[tuple[str, int | None]]:
    """Hosts that a URL names, with their ports."""
    parts = urlsplit(front.partition("#")[0])
    found: list[tuple[str, int | None]] = [(parts.hostname, parts.port)] if parts.hostname else []
    for pair in url.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if unquote(name) == "smtp" and value:
            found.append((unquote(value).partition(":")[0], None))
    return found


def _run(order: Order, seconds: float = SECONDS_MAX) -> Report | None:
    """Run an order in the process; None when it took too long, or died."""
    kept = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    # Nothing else of our environment, which may have the master key in it; and no home, so no .netrc.
    environment = {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        **{name: os.environ[name] for name in kept if name in os.environ},
    }
    with _places:
        try:
            done = subprocess.run(
                isolated("holdfast.service.notify.apprise_process"),
                input=msgspec.json.encode(order),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                env=environment,
                cwd=ROOT,
                umask=UMASK,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    try:
        return msgspec.json.decode(done.stdout, type=Report)
    except msgspec.DecodeError:
        return None
