"""Paths as text: what is shown anywhere is found again."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from kit.world import World

from holdfast.service.access.browse import list_folder
from holdfast.service.registry.paths import paths_of
from holdfast.vault.paths import shown

NAMES = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.text(min_size=1, max_size=8).map(lambda text: text.encode(errors="replace")),
    st.lists(
        st.sampled_from([b"%", b"%25", b"%FF", b"\xff", b"\xed\xa0\x80", "ü".encode(), b"a", b" "]), min_size=1
    ).map(b"".join),
).filter(lambda name: not {0, ord("/")} & set(name) and name not in (b".", b".."))


@given(st.lists(NAMES, min_size=1, max_size=4).map(b"/".join))
def test_a_path_that_was_shown_is_read_back(path: bytes) -> None:
    assert path in paths_of(shown(path))


def test_one_rule_shows_paths() -> None:
    source = Path(__file__).parents[3] / "src"
    terminal = source / "holdfast" / "cli" / "terminal.py"  # characters that a terminal cannot show, in any text
    assert not [p for p in source.rglob("*.py") if "backslashreplace" in p.read_text() and p != terminal]


def test_what_a_warning_says_is_what_the_list_of_files_says(world: World) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.fsencode(world.root) + b"/bad\xff.sock")
    database = os.fsencode(world.root) + b"/odd\xfe.sqlite"
    with closing(sqlite3.connect(world.root / "whole.sqlite")) as made, made:
        made.execute("CREATE TABLE t (a)")
        made.execute("INSERT INTO t VALUES (zeroblob(20000))")
    made.close()
    whole = world.root / "whole.sqlite"
    with open(database, "wb") as damaged:
        data = whole.read_bytes()
        damaged.write(data[:100] + b"\xee" * (len(data) - 100))
    whole.unlink()

    backup = world.take()

    by_code = {w.code: w for w in backup.warnings}
    assert {code: w.path for code, w in by_code.items()} == {
        "SPECIAL_FILE": "bad%FF.sock",
        "DATABASE_DAMAGED": "odd%FE.sqlite",
    }
    assert all(w.path in w.message for w in backup.warnings)
    listed, _ = list_folder(world.instance, backup, by_code["DATABASE_DAMAGED"].path)
    assert [one.path for one in listed] == ["odd%FE.sqlite"]
