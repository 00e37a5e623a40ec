"""Whose request it is, with and without proxies that are trusted."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from kit.site import Site
from litestar.types import Scope

from holdfast.web.http.addresses import UNKNOWN, Addresses

TRUSTED = [ip_network("127.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48")]


def scope_of(peer: str, *forwarded: str) -> Scope:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"type": "http", "client": (peer, 40000), "headers": headers}  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client", "capped"),
    [
        ("192.0.2.9", (), "192.0.2.9", "192.0.2.9"),
        ("192.0.2.9", ("203.0.113.1",), "192.0.2.9", "192.0.2.9"),  # forged
        ("127.0.0.1", ("203.0.113.1",), "203.0.113.1", "203.0.113.1"),
        ("127.0.0.1", ("198.51.100.7, 203.0.113.1",), "203.0.113.1", "203.0.113.1"),  # the left one is hearsay
        ("127.0.0.1", ("198.51.100.7, 203.0.113.1, 10.1.2.3",), "203.0.113.1", "203.0.113.1"),
        ("127.0.0.1", ("198.51.100.7", "203.0.113.1", "10.1.2.3"), "203.0.113.1", "203.0.113.1"),  # one list
        ("127.0.0.1", ("10.2.0.1, 10.1.2.3",), "10.2.0.1", "10.2.0.1"),
        ("127.0.0.1", ("203.0.113.1:4711",), "203.0.113.1", "203.0.113.1"),
        ("127.0.0.1", ("[2001:db8::5]:80",), "2001:db8::5", "2001:db8::/64"),
        ("127.0.0.1", ("2001:db8:1::9, 2001:db8:0:0:1:2:3:4",), "2001:db8::1:2:3:4", "2001:db8::/64"),
        ("127.0.0.1", ("::ffff:203.0.113.1",), "203.0.113.1", "203.0.113.1"),
        ("127.0.0.1", ("203.0.113.1, rubbish",), UNKNOWN, UNKNOWN),
        ("::ffff:127.0.0.1", ("203.0.113.1",), "203.0.113.1", "203.0.113.1"),
        # What the proxy itself asks, or does not say for whom, is in no cap.
        ("127.0.0.1", (), "127.0.0.1", None),
        ("127.0.0.1", ("",), "127.0.0.1", None),
        ("127.0.0.1", ("10.1.2.3, 127.0.0.1",), "127.0.0.1", None),
        ("2001:db8::1", (), "2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", (), "fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_right_most_forwarded_address_that_is_not_trusted(
    peer: str, forwarded: tuple[str, ...], client: str, capped: str | None
) -> None:
    addresses = Addresses(TRUSTED)
    scope = scope_of(peer, *forwarded)
    assert (addresses.client(scope), addresses.capped(scope)) == (client, capped)


def test_without_trusted_proxies_no_header_counts() -> None:
    addresses = Addresses([])
    for peer in ("127.0.0.1", "10.1.2.3", "192.0.2.9"):
        scope = scope_of(peer, "203.0.113.1")
        assert (addresses.client(scope), addresses.capped(scope), addresses.capped_peer(peer)) == (peer,) * 3


def test_a_throttle_counts_by_the_forwarded_address_only_behind_a_trusted_proxy(site: Site) -> None:
    """The throttle of wrong keys, as all that goes by address: 100 at once."""
    context = site.front.context

    def refused(forwarded: str) -> int:
        """How many of 101 wrong keys were held back; one place comes back every second."""
        headers = {"Authorization": "hf_wrong", "X-Forwarded-For": forwarded}
        with site.client() as client:
            return [client.get("/v3/account", headers=headers).status_code for _ in range(101)].count(429)

    assert refused("203.0.113.1") <= 1
    assert refused("203.0.113.2") > 90, "a forged header made it somebody else"
    context.addresses = Addresses([ip_network("127.0.0.1")])
    assert refused("203.0.113.1") <= 1
    assert refused("9.9.9.9, 203.0.113.1") > 90
    assert refused("203.0.113.2") <= 1
    assert refused("127.0.0.1") == 0, "the proxy itself was held back"
