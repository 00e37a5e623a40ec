"""How paths become names in the zip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.blocks import block_of
from kit.layouts import Maker, folder

from holdfast.vault.layout.names import NAME_BYTES_MAX, zip_name, zip_name_lengths, zip_names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"plain.txt", b"plain.txt"),
        (b"100%FF", b"100%FF"),
        ("名前/😀".encode(), "名前/😀".encode()),
        (b"\xff", b"%FF"),
        (b"a\xc3b\xa9", b"a%C3b%A9"),
        (b"\xe4\xb8", b"%E4%B8"),
        (b"caf\xe9/caf\xc3\xa9", b"caf%E9/caf\xc3\xa9"),
        (b"\xed\xa0\x80", b"%ED%A0%80"),
        (b"\xc0\xaf", b"%C0%AF"),
        (b"\xf4\x90\x80\x80", b"%F4%90%80%80"),
        (b"new\nline\\", b"new\nline\\"),
    ],
)
def test_rule(path: bytes, name: bytes) -> None:
    assert zip_name(path) == name


@given(st.binary(min_size=1, max_size=300))
def test_names_are_utf8_and_valid_ones_stay(path: bytes) -> None:
    name = zip_name(path)
    text = name.decode()
    assert zip_name(name) == name
    try:
        path.decode()
    except UnicodeDecodeError:
        assert "%" in text
    else:
        assert name == path


def test_too_long_names_are_cut_at_a_character() -> None:
    assert zip_name(b"x" * 65_535) == b"x" * NAME_BYTES_MAX
    assert zip_name("é".encode() * 32_767) == "é".encode() * (NAME_BYTES_MAX // 2)
    assert zip_name(b"x" + "é".encode() * 32_767) == b"x" + "é".encode() * (NAME_BYTES_MAX // 2 - 1)
    assert len(zip_name(b"\xff" * 65_535)) == NAME_BYTES_MAX


@pytest.mark.parametrize(
    "paths", [[b"a", b"b"], [b"a", b"\xff\xfe", "名".encode()], [b"a\xe4", b"\xb8\x80", b"x" * 65_535]]
)
def test_columns_agree_with_the_rule(paths: list[bytes]) -> None:
    maker = Maker()
    block = block_of(
        [*(maker.file(path) for path in paths), *(folder(path + b"d") for path in paths if len(path) < 99)]
    )
    wanted = [zip_name(e.path) + (b"/" if e.kind == 2 else b"") for e in block.entries()]
    assert zip_names(block) == wanted
    assert zip_name_lengths(block).tolist() == [len(name) for name in wanted]
