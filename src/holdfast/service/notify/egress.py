"""The addresses that a customer's URL may reach from here: those of the public internet, on the usual ports.

Customers supply URLs that this machine then connects to. So a name is resolved once, each of its addresses is checked,
and the connection is made to exactly that address (`webhook.py`); a library that opens its own connections is stopped
when it does (`apprise_sender.py`). It must never allow a connection to an address that was not checked, since
a name may have another address a moment later.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

Resolve = Callable[[str, int], list[str]]
"""From host and port to addresses. Raises OSError."""

PORTS_LOW = (25, 80, 443, 465, 587)
"""Of the ports below 1024, those of web and mail: no customer may have us knock at others."""

# Beside what `ipaddress` knows to be no public address: ways of writing or reaching an IPv4 address through IPv6
# (RFC 6052, 8215: NAT64; 3056: 6to4; 4291: IPv4-compatible), Teredo and other protocols' blocks (RFC 6890),
# site-local addresses, and the relays of 6to4.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
        *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16"),
        *("3fff::/20", "5f00::/16", "fec0::/10"),
    )
)


class NotReachable(Exception):
    """A host or an address that is not to be reached; the message is one sentence for a person."""


def is_public(address: str) -> bool:
    """True if an address is one of the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return False
    return not any(ip in network for network in _NOT_PUBLIC)


def is_usual_port(port: int) -> bool:
    """True if a customer may name this port."""
    return port in PORTS_LOW or 1024 <= port <= 65535


def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system's resolver gives them. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that cannot be a name
        raise OSError(str(error)) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Egress:
    """Which addresses may be reached. `allow_private`: all of them, as the operator says so."""

    allow_private: bool = False
    resolve: Resolve = system_resolve

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of them good to connect to. Raises NotReachable."""
        if not is_usual_port(port):
            raise NotReachable(f"The port {port} is not allowed; use 443, 80 or one above 1023.")
        try:
            found = self.resolve(host, port)
        except OSError:
            found = []
        if not found:
            raise NotReachable("The host's name has no address; check its spelling, or its DNS.")
        if not self.allow_private and not all(is_public(address) for address in found):
            raise NotReachable("The host's address is private or reserved; only public addresses are allowed.")
        return found
