"""Whose request it is: the client's address, also behind proxies that the operator trusts.

Terms: the *peer* is whoever opened the connection. A *capped* address is the one that caps and throttles count: an
IPv4 address, or the /64 of an IPv6 one, as one customer has all of it.

It must never believe a header that did not come through a trusted proxy, or count a trusted proxy itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from litestar.types import Scope

Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
"""The address of all whose trusted proxy forwarded something that is not one: they share their caps."""

_IPV6_BITS_OF_A_CUSTOMER = 64
_FORWARDING = frozenset(
    {b"x-forwarded-for", b"x-real-ip", b"forwarded", b"via", b"x-forwarded-host", b"x-forwarded-proto"}
)
"""Headers by which a proxy shows itself, also one that nobody said to trust."""


def peer_of(scope: Scope) -> str:
    """The address at the other end of the connection; empty when there is none."""
    client = scope.get("client")
    return client[0] if client else ""


class Addresses:
    """Tells clients by the networks of the proxies that are trusted, of which there may be none."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def client(self, scope: Scope) -> str:
        """The client's address as text: the right-most forwarded one that is not trusted, else the peer's."""
        return self._forwarded(scope) or peer_of(scope)

    def is_local(self, scope: Scope) -> bool:
        """True for a request from this machine itself, that no proxy passed on, trusted or not."""
        peer = _parsed(peer_of(scope))
        if peer is None or not peer.is_loopback or self._is_trusted(peer):
            return False
        return not any(name in _FORWARDING for name, _ in scope["headers"])

    def capped(self, scope: Scope) -> str | None:
        """The address that caps count for a request; None for one that a trusted proxy made itself."""
        return self._capped(self.client(scope))

    def capped_peer(self, peer: str) -> str | None:
        """The address that caps on connections count; None for a trusted proxy."""
        return self._capped(peer)

    def _forwarded(self, scope: Scope) -> str | None:
        if not self._trusted or not self._is_trusted(_parsed(peer_of(scope))):
            return None
        lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for text in reversed(",".join(lines).split(",")):
            address = _parsed(_without_port(text.strip()))
            if address is None:
                # The nearest hop that is not vouched for has no address: whatever stands left of it is hearsay.
                return UNKNOWN if text.strip() else None
            if not self._is_trusted(address):
                return str(address)
        return None

    def _capped(self, text: str) -> str | None:
        address = _parsed(text)
        if address is None:
            return text or None
        if self._is_trusted(address):
            return None
        if isinstance(address, IPv4Address):
            return str(address)
        host_bits = 128 - _IPV6_BITS_OF_A_CUSTOMER
        return f"{IPv6Address(int(address) >> host_bits << host_bits)}/{_IPV6_BITS_OF_A_CUSTOMER}"

    def _is_trusted(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address of a text, an IPv4 one also when it is written inside IPv6; None when it is not one."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    """A forwarded address without the port that some proxies add: `192.0.2.1:80`, `[2001:db8::1]:80`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
