"""The master key opens what it sealed, for the same purpose, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.vault.errors import KeyMismatch
from holdfast.vault.pack.keys import KEY_BYTES, MasterKey, new_data_key

KEY = MasterKey(bytes(range(32)))
SEALED = "011ac21df810547b45f5ab7faae501235a43c49fbb591e67e857b4d224049e13a91224714c"
FINGERPRINT = "445e5f8cd2119884"

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
purposes = st.text(max_size=40)


@given(key=keys, plain=st.binary(max_size=200), purpose=purposes)
def test_what_is_sealed_opens_again(key: bytes, plain: bytes, purpose: str) -> None:
    sealed = MasterKey(key).wrap(plain, purpose)
    assert MasterKey(key).unwrap(sealed, purpose) == plain
    assert len(sealed) == 1 + 12 + len(plain) + 16
    assert sealed[0] == 1


@given(one=keys, other=keys, purpose=purposes)
def test_another_key_does_not_open_it(one: bytes, other: bytes, purpose: str) -> None:
    sealed = MasterKey(one).wrap(b"secret", purpose)
    if one == other:
        return
    assert MasterKey(one).fingerprint != MasterKey(other).fingerprint
    with pytest.raises(KeyMismatch):
        MasterKey(other).unwrap(sealed, purpose)


@given(one=purposes, other=purposes)
def test_another_purpose_does_not_open_it(one: str, other: str) -> None:
    sealed = KEY.wrap(b"secret", one)
    if one != other:
        with pytest.raises(KeyMismatch):
            KEY.unwrap(sealed, other)


@given(st.data())
def test_one_changed_or_missing_byte_is_seen(data: st.DataObject) -> None:
    sealed = KEY.wrap(new_data_key(), "data key:a")
    at = data.draw(st.integers(0, len(sealed) - 1))
    flip = data.draw(st.integers(1, 255))
    with pytest.raises(KeyMismatch):
        KEY.unwrap(sealed[:at] + bytes([sealed[at] ^ flip]) + sealed[at + 1 :], "data key:a")
    with pytest.raises(KeyMismatch):
        KEY.unwrap(sealed[:at], "data key:a")


def test_the_error_says_what_to_do_and_tells_no_account() -> None:
    with pytest.raises(KeyMismatch, match=r"\(data key\).*restore the master key.*recovery sheet") as caught:
        KEY.unwrap(b"", "data key:k3v9")
    assert "k3v9" not in str(caught.value)


def test_nothing_is_sealed_twice_alike() -> None:
    assert len({KEY.wrap(b"x", "p") for _ in range(200)}) == 200
    assert len({new_data_key() for _ in range(200)}) == 200


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_master_key_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey(bytes(size))


def test_what_it_shows_of_itself() -> None:
    assert KEY.hex() == bytes(range(32)).hex()
    assert KEY.hex() not in repr(KEY)
    assert KEY.fingerprint not in KEY.hex()
    assert MasterKey(bytes(range(32))).fingerprint == KEY.fingerprint
    assert len(KEY.fingerprint) == 16


def test_the_format_stays() -> None:
    """Sealed with version 1: what is in a catalog today opens with every later version."""
    sealed = bytes.fromhex(SEALED)
    assert KEY.unwrap(sealed, "data key:golden") == b"holdfast"
    assert KEY.fingerprint == FINGERPRINT
