"""Which addresses a customer may have us connect to."""

from __future__ import annotations

import pytest

from holdfast.service.notify.egress import Egress, NotReachable, is_public, is_usual_port, system_resolve

PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.1.2.3 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1
100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:808:808:: fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1
3fff::1 5f00::1
"""
PUBLIC = (
    "1.1.1.1 8.8.8.8 93.184.215.14 172.32.0.1 100.128.0.1 2606:4700:4700::1111 2a00:1450:4001:80b::200e ::ffff:8.8.8.8"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_and_reserved_addresses_are_none_of_a_customers(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_ones_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "2130706433", "1.1.1.1/32"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "::1"])
def test_every_way_to_write_this_machine_is_refused(host: str) -> None:
    with pytest.raises(NotReachable, match="private or reserved"):
        Egress().addresses(host, 443)


def test_one_private_address_among_several_is_enough() -> None:
    egress = Egress(resolve=lambda host, port: ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(NotReachable, match="private"):
        egress.addresses("both.example.org", 443)
    assert Egress(True, egress.resolve).addresses("both.example.org", 443) == ["1.1.1.1", "10.0.0.1"]


def test_a_name_without_an_address_is_said_to_have_none() -> None:
    def none(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(NotReachable, match="has no address"):
        Egress(resolve=none).addresses("nowhere.example.org", 443)
    with pytest.raises(OSError, match=r"label|name|encoding"):
        system_resolve("x" * 64 + ".example.org", 443)


def test_ports_of_other_services_are_not_knocked_at() -> None:
    assert [port for port in (0, 22, 25, 80, 443, 445, 587, 1023, 1024, 8443, 65535, 65536) if is_usual_port(port)] == [
        *(25, 80, 443, 587, 1024, 8443, 65535)
    ]
    with pytest.raises(NotReachable, match="port 22"):
        Egress(resolve=lambda host, port: ["1.1.1.1"]).addresses("example.org", 22)
