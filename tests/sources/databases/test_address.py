"""DSNs taken apart, and those that are refused."""

from __future__ import annotations

import pytest

from holdfast.sources.databases.address import address_of
from holdfast.sources.databases.errors import DsnRefused
from holdfast.sources.databases.spec import Kind


def test_what_stands_in_a_dsn() -> None:
    found = address_of("mariadb", "mariadb://ana%40x@db.example:3307/shop?ssl-ca=/etc/ca.pem")
    assert (found.host, found.port, found.user, found.database, found.is_tls) == (
        "db.example",
        3307,
        "ana@x",
        "shop",
        True,
    )
    found = address_of("postgres", "postgresql://ana@/shop?host=/run/postgresql&sslmode=disable")
    assert (found.host, found.port, found.database) == ("", 5432, "shop")
    found = address_of("redis", "rediss://backup@cache:6380/0")
    assert (found.host, found.port, found.user, found.is_tls) == ("cache", 6380, "backup", True)
    assert address_of("redis", "unix:///run/redis/redis.sock").socket == "/run/redis/redis.sock"
    assert address_of("redis", "redis://[::1]").host == "::1"


@pytest.mark.parametrize(
    ("kind", "dsn"),
    [
        ("postgres", "postgresql://ana:hunter2@host/shop"),
        ("postgres", "postgresql://host/shop?password=hunter2"),
        ("postgres", "postgresql://host/shop?user=ana&passfile=/hunter2"),
        ("postgres", "postgresql://host/shop?sslpassword=hunter2"),
        ("mariadb", "mysql://ana:hunter2@host/shop"),
        ("redis", "redis://:hunter2@host"),
        ("redis", "redis://host?password=hunter2"),
    ],
)
def test_a_password_is_refused_and_not_repeated(kind: Kind, dsn: str) -> None:
    with pytest.raises(DsnRefused, match="--password-env") as refused:
        address_of(kind, dsn)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "dsn"),
    [
        ("postgres", "host=db dbname=shop"),
        ("postgres", "mysql://host/shop"),
        ("postgres", "postgresql://host"),
        ("postgres", "postgresql://host/a/b"),
        ("postgres", "postgresql://a:1,b:2/shop"),
        ("mariadb", "mariadb://host"),
        ("mariadb", "mariadb://host/--result-file=x"),
        ("mariadb", "mariadb://host/shop?init-command=x"),
        ("mariadb", "mariadb://host:port/shop"),
        ("mariadb", "mariadb://host/shop%0Ax"),
        ("redis", "redis://host/3"),
        ("redis", "redis://-x@host"),
        ("redis", "http://host"),
        ("redis", "redis://ho st"),
    ],
)
def test_what_is_no_dsn(kind: Kind, dsn: str) -> None:
    with pytest.raises(DsnRefused):
        address_of(kind, dsn)
