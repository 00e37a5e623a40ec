"""Ignore patterns mean what they mean to git, whoever writes them; and nobody can make them slow."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.sources.directory.ignore import (
    FILE_BYTES_MAX,
    PATTERN_BYTES_MAX,
    PATTERNS_MAX,
    PatternsTooSlow,
    Rules,
    patterns_in,
    patterns_of,
)
from holdfast.sources.directory.source import DirectorySource
from holdfast.vault.source import Scan

GOLDEN = [
    # patterns, what stays, what is left out (a folder: with a slash)
    (["*.log"], ["a.txt", "log", "a.logs"], ["a.log", "sub/b.log", ".log"]),
    (["/a.log"], ["sub/a.log"], ["a.log"]),
    (["cache/"], ["cache"], ["cache/", "sub/cache/"]),
    (["sub/cache"], ["x/sub/cache"], ["sub/cache", "sub/cache/"]),
    (["*", "!keep.txt"], ["keep.txt"], ["other"]),
    (["data/", "!data/keep"], [], ["data/", "data/keep"]),  # nothing comes back below an ignored folder
    (["data/*", "!data/keep"], ["data/keep", "data/"], ["data/other"]),
    (["**/tmp"], [], ["tmp", "a/tmp", "a/b/tmp"]),
    (["tmp/**"], ["tmp/", "a/tmp/x"], ["tmp/a", "tmp/a/b"]),
    (["a/**/z"], ["az", "a/bz"], ["a/z", "a/b/z", "a/b/c/z"]),
    (["a*/z"], ["a/b/z", "ab/c/z"], ["a/z", "ab/z"]),
    (["x?z"], ["xz", "x/z"], ["xyz"]),
    (["[a-c]1", "[!a-c]2", "[^x]3"], ["d1", "a2", "x3"], ["a1", "c1", "d2", "y3"]),
    (["[[:digit:]]x", "[[:upper:][:space:]]y"], ["ax", "ay"], ["1x", "Ay", " y"]),
    (["[]-]q", "[a\\]]r"], ["aq", "br"], ["]q", "-q", "ar", "]r"]),
    (["open[", "wrong[[:nonsense:]]", "end\\"], ["open[", "wrong:", "end\\", "end"], []),
    (["\\#hash", "\\!bang", "#note"], ["#note"], ["#hash", "!bang"]),
    (["space\\ ", "cut   "], ["space", "cut   "], ["space ", "cut"]),
    (["\\*"], ["a"], ["*"]),
    (["größe", "*.ü"], ["grösse"], ["größe", "x.ü"]),
    (["a**b"], ["a/b"], ["ab", "axxb"]),
    (["!*.log", "*.log"], [], ["a.log"]),
    (["/"], ["a", "b/"], []),
    ([".backupignore", "*"], [".backupignore"], ["sub/.backupignore", ".backupignore/x"]),
    ([""], ["a"], []),
]


def tree(root: Path, paths: list[str]) -> None:
    for path in paths:
        place = root / path.rstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            place.mkdir(exist_ok=True)
        else:
            place.touch()


def walked(root: Path, patterns: list[str] | None = None) -> set[bytes]:
    scan = DirectorySource(root, (), tuple(patterns or ())).scan()
    return set(scan.paths)


@pytest.mark.parametrize(("patterns", "stays", "goes"), GOLDEN, ids=[" ".join(p) or "empty" for p, _, _ in GOLDEN])
def test_what_a_pattern_leaves_out(tmp_path: Path, patterns: list[str], stays: list[str], goes: list[str]) -> None:
    for number, path in enumerate([*stays, *goes]):
        root = tmp_path / str(number)
        root.mkdir()
        tree(root, [path])
        (root / ".git-is-not-special").touch()
        found = os.fsencode(path.rstrip("/")) in walked(root, patterns)
        assert found is (path in stays), path


def test_the_folders_own_file_has_the_last_word(tmp_path: Path) -> None:
    tree(tmp_path, ["a.log", "b.log", "c.tmp", "sub/.backupignore", "sub/d.txt"])
    (tmp_path / ".backupignore").write_text("# ours\n!b.log\n*.tmp\n.backupignore\n")
    (tmp_path / "sub" / ".backupignore").write_text("d.txt\n")
    assert walked(tmp_path, ["*.log"]) == {b".backupignore", b"b.log", b"sub", b"sub/d.txt"}
    scan = DirectorySource(tmp_path).scan()
    assert len(scan.kind) == 7, "without patterns of an application the file is one like any other"


def test_a_folder_that_is_left_out_is_not_looked_into(tmp_path: Path) -> None:
    tree(tmp_path, ["cache/x", "keep"])
    os.mkfifo(tmp_path / "cache" / "a pipe")
    os.mkfifo(tmp_path / "a pipe")
    scan = DirectorySource(tmp_path, (), ("cache/", "/a pipe")).scan()
    assert list(scan.paths) == [b"keep"]
    assert scan.notices == []


def test_a_link_as_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("*\n")
    root = tmp_path / "app"
    tree(root, ["a"])
    (root / ".backupignore").symlink_to(tmp_path / "secret")
    scan = DirectorySource(root, (), ()).scan()
    assert b"a" in list(scan.paths)
    assert [n.code for n in scan.notices] == ["IGNORE_FILE_UNREADABLE"]
    (root / ".backupignore").unlink()
    os.mkfifo(root / ".backupignore")
    assert "IGNORE_FILE_UNREADABLE" in [n.code for n in DirectorySource(root, (), ()).scan().notices]


def test_limits_are_said_and_the_rest_is_used() -> None:
    found, notices = patterns_in(b"a\n" + b"x" * (PATTERN_BYTES_MAX + 1) + b"\nb\n")
    assert [(p.text, p.line) for p in found] == [(b"a", 1), (b"b", 3)]
    assert [n.message for n in notices] == [
        "The file .backupignore has lines longer than 1024 bytes, which were not used: 2."
    ]
    found, notices = patterns_in(b"x\n" * (PATTERNS_MAX + 5))
    assert len(found) == PATTERNS_MAX
    assert "from line 1001 on" in notices[0].message
    found, notices = patterns_in(b"#" + b"-" * 1000 + b"\n" + b"y\n" + b"#\n" * FILE_BYTES_MAX)
    assert [p.text for p in found] == [b"y"]
    assert "larger than 64 KiB" in notices[0].message


def test_lines_are_read_as_git_reads_them() -> None:
    content = b"\xef\xbb\xbffirst\r\n\n#note\n \\#x\ncut  \r\nkept\\ \nz\0ero\nlast"
    assert [p.text for p in patterns_in(content)[0]] == [b"first", b" \\#x", b"cut", b"kept\\ ", b"z", b"last"]


def test_no_pattern_is_exponential() -> None:
    rules = Rules(patterns_of(["*a" * 400 + "b", "**/a" * 200 + "/**/b", "[a]*" * 200 + "c"]))
    scan = scan_of([b"a" * 250, *(b"/".join([b"a"] * n) for n in range(2, 200))])
    began = time.monotonic()
    assert rules.match(scan).tolist() == [-1] * 199
    assert time.monotonic() - began < 2


def test_patterns_made_to_be_slow_are_given_up_and_said(tmp_path: Path) -> None:
    names = ["a" * 120 + str(n) for n in range(500)]
    tree(tmp_path, [*names, "own.log"])
    (tmp_path / ".backupignore").write_text(("*a" * 80 + "[b]\n") * 390)
    began = time.monotonic()
    scan = DirectorySource(tmp_path, (), ("*.log",)).scan()
    assert time.monotonic() - began < 10
    found = list(scan.paths)
    assert os.fsencode(names[0]) in found
    assert b"own.log" not in found
    assert [n.code for n in scan.notices] == ["IGNORE_TOO_SLOW"]
    with pytest.raises(PatternsTooSlow):
        Rules(patterns_in((tmp_path / ".backupignore").read_bytes())[0]).match(scan)


def scan_of(paths: list[bytes]) -> Scan:
    import numpy as np

    from holdfast.vault.path_tree import PathTree
    from holdfast.vault.source import empty_scan

    scan = empty_scan()
    scan.kind = np.full(len(paths), 1, np.uint8)
    scan.paths = PathTree.of(paths)
    return scan


# What git says.

_NAMES = st.text("ab.*[]\\ -!#^1?é", min_size=1, max_size=4).filter(lambda n: n not in (".", ".."))
_TREES = st.recursive(st.just(None), lambda inner: st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12)
_PIECES = st.one_of(
    st.sampled_from(["a", "b", "ab", ".", "1", "é", "-", "!", "#", " ", "\\ ", "\r", "]", "[", "\\", "\\*", "\\/"]),
    st.sampled_from(["*", "**", "***", "?", "/", "/**/", "**/", "/**"]),
    st.sampled_from(["[ab]", "[!a]", "[^b-]", "[a-b1]", "[]a]", "[\\]]", "[a/b]", "[--/]", "[a-\\]]"]),
    st.sampled_from(["[[:alpha:]]", "[[:digit:][:punct:]]", "[[:bad:]]", "[[:alpha"]),
)
_LINES = st.builds(
    lambda front, pieces, end: front + "".join(pieces) + end,
    st.sampled_from(["", "", "", "!", "/", "!/"]),
    st.lists(_PIECES, min_size=1, max_size=5),
    st.sampled_from(["", "", "/", " "]),
)


def build(folder: Path, tree: object) -> None:
    for name, inner in tree.items() if isinstance(tree, dict) else ():
        if isinstance(inner, dict):
            (folder / name).mkdir()
            build(folder / name, inner)
        else:
            (folder / name).touch()


def git_leaves_out(root: Path, patterns: bytes, paths: list[bytes]) -> set[bytes]:
    """The paths that git ignores, by the patterns and nothing else of this machine."""
    (root / ".git" / "info" / "exclude").write_bytes(patterns)
    quiet = {"HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    told = subprocess.run(
        ["git", "-c", "core.ignorecase=false", "check-ignore", "--no-index", "--stdin", "-z", "-v", "-n"],
        cwd=root, env=quiet, input=b"".join(b"./" + p + b"\0" for p in paths), capture_output=True, check=False,
    )  # fmt: skip
    assert told.returncode in (0, 1), told.stderr
    fields = told.stdout.split(b"\0")[:-1]
    rows = [fields[i : i + 4] for i in range(0, len(fields), 4)]
    assert [row[3] for row in rows] == [b"./" + p for p in paths]
    return {row[3][2:] for row in rows if row[2] and not row[2].startswith(b"!")}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed (Debian: apt-get install git), so nothing was compared with it")
    root = tmp_path_factory.mktemp("checkout")
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=st.dictionaries(_NAMES, _TREES, max_size=5), lines=st.lists(_LINES, min_size=1, max_size=5))
def test_any_patterns_leave_out_what_git_leaves_out(checkout: Path, tree: object, lines: list[str]) -> None:
    for old in checkout.iterdir():
        if old.name == ".git":
            continue
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    build(checkout, tree)
    content = "\n".join(lines).encode()
    whole = DirectorySource(checkout, (b".git",)).scan()
    paths = list(whole.paths)
    expected = git_leaves_out(checkout, content, paths) if paths else set()
    rules = Rules(patterns_in(content)[0])
    assert {p for p, rule in zip(paths, rules.match(whole).tolist(), strict=True) if rule != -1} == expected
    from holdfast.sources.directory.walk import walk
    from holdfast.sources.reader import open_root

    fd = open_root(checkout)
    try:
        scan = walk(fd, (b".git",), rules)
    finally:
        os.close(fd)
    assert set(scan.paths) == set(paths) - expected
