"""Hashes of passwords cost what makes guessing dear."""

from __future__ import annotations

from kit.cheap_passwords import REAL


def test_a_hash_takes_time_and_memory() -> None:
    assert REAL.hash("seven rare otters sing").startswith("$argon2id$v=19$m=65536,t=2,p=1$")
    assert not REAL.check_needs_rehash(REAL.hash("seven rare otters sing"))
