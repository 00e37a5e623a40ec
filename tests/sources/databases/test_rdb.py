"""Whether an RDB file is whole."""

from __future__ import annotations

from pathlib import Path

import anycrc
import pytest

from holdfast.sources.databases.rdb import problem_of

CRC64 = anycrc.Model("CRC64-REDIS")


def whole(body: bytes = b"\xfa\x09redis-ver\x057.0.0") -> bytes:
    """A file with a right checksum."""
    covered = b"REDIS0010" + body + b"\xff"
    checksum: int = CRC64.calc(covered)
    return covered + checksum.to_bytes(8, "little")


def test_the_checksum_is_that_of_redis() -> None:
    assert CRC64.calc(b"123456789") == 0xE9C6D914C4B8D9CA
    text = bytes(range(256)) * 9
    for cut in (0, 1, 7, 8, 9, 1000):
        assert CRC64.calc(text[cut:], CRC64.calc(text[:cut])) == CRC64.calc(text)


def test_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    for data in (whole(), whole(bytes(3_000_000)), whole()[:-8] + bytes(8), b"REDIS0003" + b"\xff"):
        path.write_bytes(data)
        assert problem_of(path) is None


@pytest.mark.parametrize("cut", [0, 5, 9, 10, 20, len(whole()) - 9, len(whole()) - 8, len(whole()) - 1])
def test_every_cut_is_found(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "dump"
    path.write_bytes(whole()[:cut])
    assert problem_of(path) is not None


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    data = bytearray(whole(bytes(100)))
    data[50] ^= 1
    path.write_bytes(data)
    assert problem_of(path) == "its checksum does not match"
