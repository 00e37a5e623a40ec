"""Running a database's own client: with a clean environment, with time limits, ended with whoever started it.

The end of a client's standard error is kept, without the password, for the sentence about a failure.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast.isolation import ROOT, UMASK, isolated_file
from holdfast.sources.databases.errors import DumpFailed
from holdfast.sources.databases.passwords import scrubbed
from holdfast.vault.control import NEVER, Control

POLL_MILLISECONDS = 200
WORDS_BYTES_MAX = 4096
SHOWN_CHARACTERS_MAX = 300
OUTPUT_BYTES_MAX = 1024 * 1024
"""At most this many bytes of output from a client that answers a question instead of dumping."""

NOWHERE = "/nonexistent"
_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Patience:
    """The limits on a client's time, and the check for cancelling."""

    silence_seconds: float = 900.0
    """At most this long may a client deliver nothing of a dump before it is ended."""
    control: Control = NEVER
    clock: Callable[[], float] = time.monotonic


def environment(path: str, **values: str) -> dict[str, str]:
    """Return a client's environment: only these variables of ours, which may have the master key too."""
    return {
        "PATH": path,
        "HOME": os.environ.get("HOME", "/"),  # certificates of libpq are looked for there
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        **{name: value for name, value in values.items() if value},
    }


class Client:
    """One run of a client. Use as a context; leaving it ends the client and all that it started."""

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        password: str = "",
        patience: Patience | None = None,
        pass_fds: Sequence[int] = (),
        stdin: int = subprocess.DEVNULL,
        activity: Callable[[], int] = lambda: 0,
        merged: bool = False,
    ) -> None:
        """`activity`: any number that moves while the client works, where its output does not tell. `merged`: its
        standard output is messages too."""
        self.name = os.path.basename(program)
        self._password = password
        self._patience = patience or Patience()
        self._activity = activity
        self._seen = -1
        self._words = b""
        self._process = subprocess.Popen(
            isolated_file(str(_LAUNCH), str(os.getpid()), program, *arguments),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            env=dict(environ),
            pass_fds=tuple(pass_fds),
            cwd=ROOT,
            umask=UMASK,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout.fileno()
        self._err = self._out if merged else -1
        if self._process.stderr is not None:
            self._err = self._process.stderr.fileno()
        self._poll = select.poll()
        for fd in {self._out, self._err}:
            os.set_blocking(fd, False)
            self._poll.register(fd, select.POLLIN)
        self._open = {self._out, self._err}
        self._moved_at = self._patience.clock()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    @property
    def words(self) -> str:
        """Return the end of its standard error, on one short line, without the password."""
        text = scrubbed(self._words.decode(errors="replace"), self._password)
        line = " ".join(text.split())
        if len(line) > SHOWN_CHARACTERS_MAX:
            line = "..." + line[-SHOWN_CHARACTERS_MAX:]
        return line or "nothing"

    def read_into(self, view: memoryview) -> int:
        """Read some of its output; return 0 at its end. Raises Cancelled, DumpFailed (silent for too long)."""
        while self._out in self._open:
            if self._out in self._ready():
                got = os.readv(self._out, [view])
                if got:
                    self._moved_at = self._patience.clock()
                    return got
                self._drop(self._out)
        return 0

    def read_all(self) -> bytes:
        """Read all its output, at most OUTPUT_BYTES_MAX. Raises as `read_into`."""
        out, buffer = bytearray(), memoryview(bytearray(64 * 1024))
        while got := self.read_into(buffer):
            out += buffer[:got]
            if len(out) > OUTPUT_BYTES_MAX:
                raise DumpFailed(f"{self.name} gave more output than expected.")
        return bytes(out)

    def throw_away(self) -> None:
        """Read its output to the end and discard it. Raises as `read_into`."""
        buffer = memoryview(bytearray(1024 * 1024))
        while self.read_into(buffer):
            pass

    def finish(self) -> int:
        """Wait for its end; return its exit code. Raises as `read_into`."""
        buffer = memoryview(bytearray(64 * 1024))
        while self._out in self._open and self._err != self._out:
            if not self.read_into(buffer):
                break
        while self._open:
            self._ready()
            if self._process.poll() is not None and not self._poll.poll(0):
                break  # a child of its own may hold the pipe; it ends with `close`
        while self._process.poll() is None:
            self._check_progress()
            time.sleep(POLL_MILLISECONDS / 10_000)
        return self._process.returncode

    def ended(self) -> bool:
        """Return True if the client has ended; read its output meanwhile."""
        while self._open and self._poll.poll(0):
            self._ready()
        return self._process.poll() is not None

    def close(self) -> None:
        """Kill it and everything that it started, whatever they are doing."""
        if self._process.returncode is None:  # not waited for yet, so its group cannot be anybody else's
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._open = set()

    def _ready(self) -> list[int]:
        """Return the descriptors that can be read, after reading standard error; empty if there are none for a
        while."""
        events = self._poll.poll(POLL_MILLISECONDS)
        self._check_progress()
        ready = [fd for fd, _ in events]
        if self._err in ready:
            more = os.read(self._err, 64 * 1024)
            self._words = (self._words + more)[-WORDS_BYTES_MAX:]
            if not more:
                self._drop(self._err)
            ready.remove(self._err)
        return ready

    def _check_progress(self) -> None:
        """Raise Cancelled on a request to stop, DumpFailed when nothing moves."""
        self._patience.control.check("It was cancelled while a database's client was running.")
        now = self._patience.clock()
        activity = self._activity()
        if activity != self._seen:
            self._seen, self._moved_at = activity, now
        if now - self._moved_at > self._patience.silence_seconds:
            raise DumpFailed(
                f"{self.name} gave nothing for {self._patience.silence_seconds:.0f} seconds and was ended (perhaps it "
                f"waits for a lock in the database); its last message: {self.words}"
            )

    def _drop(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._open.discard(fd)
