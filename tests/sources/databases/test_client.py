"""Running a client: it does not outlive who started it, and what it says is told without the password."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kit.stage import ends

from holdfast.sources.databases.client import Client, Patience, environment
from holdfast.sources.databases.errors import DumpFailed
from holdfast.vault.control import Control
from holdfast.vault.errors import Cancelled

SHELL = "/bin/sh"


def script(text: str, **how: Any) -> Client:
    return Client(SHELL, ["-c", text], environment("/usr/bin:/bin"), **how)


def test_output_and_words_and_code() -> None:
    with script("echo out; echo 'wrong: geheim' >&2; exit 3", password="geheim") as client:
        assert client.read_all() == b"out\n"
        assert client.finish() == 3
        assert client.words == "wrong: ***"


def test_much_on_standard_error_blocks_nothing() -> None:
    with script("head -c 2000000 /dev/zero | tr '\\0' x >&2; echo end >&2; echo out") as client:
        assert client.read_all() == b"out\n"
        assert client.finish() == 0
        assert client.words.endswith("xxend")
        assert len(client.words) < 400


def test_leaving_it_ends_all_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with script(f"sleep 600 & echo $! > {pid}; echo started; wait") as client:
        assert client.read_into(memoryview(bytearray(10)))
    child = int(pid.read_text())
    assert ends(child)


def test_it_can_be_cancelled_and_may_not_be_silent_for_ever() -> None:
    with script("sleep 600", patience=Patience(control=Control(lambda: True))) as client, pytest.raises(Cancelled):
        client.read_all()
    with script("echo why >&2; sleep 600", patience=Patience(0.3)) as client, pytest.raises(DumpFailed, match="why"):
        client.read_all()


def test_it_ends_with_who_started_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = (
        "from holdfast.sources.databases.client import Client, environment\n"
        f"script = 'echo $$ > {pid}; echo ready; exec sleep 600'\n"
        "client = Client('/bin/sh', ['-c', script], environment('/usr/bin:/bin'))\n"
        "client.read_into(memoryview(bytearray(9)))\n"
        "print('ready', flush=True)\n"
        "client.read_all()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"ready\n"
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    child = int(pid.read_text())
    assert ends(child)
