"""The recovery sheet is read as printed and as people type it, and a wrong digit is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.service.instance.home import InstanceError, create_instance
from holdfast.service.instance.recovery_sheet import read_sheet, recovery_sheet

KEY = "00112233445566778899aabbccddeeff" * 2
GROUPS = " ".join(KEY[i : i + 8] for i in range(0, 64, 8))


def test_a_sheet_is_read_as_it_was_printed(tmp_path: Path) -> None:
    instance = create_instance(tmp_path / "home", base_url="https://a.example", time_zone="Asia/Tokyo")
    sheet = read_sheet(recovery_sheet(instance), "the sheet")
    assert sheet.key.hex() == instance.master_key.hex()
    assert (sheet.base_url, sheet.time_zone) == ("https://a.example", "Asia/Tokyo")
    instance.close()


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"{KEY.upper()}\n",
        f"\n  {GROUPS}\r\n",
        f"{KEY[:32]}\n{KEY[32:]}\n",
        f"Master key {KEY}",
        f"master key: {GROUPS}",
        f"Master key {KEY[:32]}\n           {KEY[32:]}\n\nWithout this key ...",
        f"the key of our backups:\n{KEY}\nkeep it!",
        f'{{"key_id": "0011223344556677", "master_key": "{KEY}"}}',
    ],
)
def test_the_key_alone_is_enough(text: str) -> None:
    assert read_sheet(text, "the sheet").key.hex() == KEY


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not a recovery sheet"),
        ("hello", "not a recovery sheet"),
        (f"{KEY}\n{KEY[::-1]}", "not a recovery sheet"),
        (KEY[:-1], "63 of 64 digits"),
        (f"Master key {KEY}0", "65 of 64 digits"),
        (f"Master key {KEY[:9]}O{KEY[10:]}", "Digit 10 of the master key"),
        (f"Key id     0000000000000000\nMaster key {KEY}", "does not fit its key id 0000000000000000"),
    ],
)
def test_what_is_not_a_key_is_said_without_showing_it(text: str, sentence: str) -> None:
    with pytest.raises(InstanceError, match=sentence) as refused:
        read_sheet(text, "the sheet")
    assert KEY[:8] not in str(refused.value)
