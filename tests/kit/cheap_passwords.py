"""Passwords that are hashed in a millisecond: a real hash takes a tenth of a second and 64 MiB, as it must."""

from __future__ import annotations

from argon2 import PasswordHasher

from holdfast.service.credentials import passwords

REAL = passwords._hasher


def cheapen() -> None:
    """Have this process hash passwords cheaply."""
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    passwords._HASH_OF_NOBODY = passwords._hasher.hash("of a password that nobody has")
