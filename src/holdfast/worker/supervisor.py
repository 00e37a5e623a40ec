"""Start the jobs' process and keep it at work: started again when it dies, ended and started again when it hangs.

It hangs when no beat of its loop has come for `BEAT_SECONDS + LATE_SECONDS` (`service/jobs/heartbeat.py`). That time is
counted in short waits and not by a clock: when the whole machine stood still, both processes did.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from holdfast.isolation import ROOT, UMASK, isolated
from holdfast.service.jobs.heartbeat import BEAT_SECONDS, LATE_SECONDS
from holdfast.worker.process import READY

RESTART_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STOP_SECONDS = 20.0
SILENCE_SECONDS = 5.0
"""A wait for a beat."""

SILENCES_MAX = int((BEAT_SECONDS + LATE_SECONDS) // SILENCE_SECONDS)
"""After this many such times in a row the process is ended."""

_BEATS_BYTES_MAX = 4096


class WatchedJobs:
    """The jobs' process of one home, started again whenever it dies or hangs."""

    def __init__(self, home: Path, on_trouble: Callable[[str], None]) -> None:
        """`on_trouble` gets a sentence each time the process has to be started again."""
        self._home = home.absolute()
        self._on_trouble = on_trouble
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, name="watch-jobs", daemon=True)

    def start(self) -> None:
        """Start the process; returns at once."""
        self._thread.start()

    def wait_ready(self, seconds: float) -> bool:
        """Wait until it works; False when that took longer."""
        return self._ready.wait(seconds)

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._process.pid if self._process is not None else None

    def stop(self) -> None:
        """End the process; what it runs is cancelled and marked so."""
        self._stop.set()
        process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._thread.join(STOP_SECONDS)

    def _watch(self) -> None:
        failures = 0
        while not self._stop.is_set():
            process = subprocess.Popen(
                isolated("holdfast.worker.process", str(self._home)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                umask=UMASK,
                bufsize=0,  # what came behind the first line must not wait in a buffer
            )
            self._process = process
            assert process.stdout is not None
            hung = False
            if process.stdout.readline().endswith(READY):  # beats may come before it
                self._ready.set()
                failures = 0
                hung = self._hangs(process.stdout.fileno())
            if hung:
                process.kill()  # one that hangs need not heed anything else
            code = process.wait()
            self._ready.clear()
            process.stdout.close()
            if process.stdin is not None:
                process.stdin.close()
            if self._stop.is_set():
                return
            pause = RESTART_SECONDS[min(failures, len(RESTART_SECONDS) - 1)]
            failures += 1
            what = (
                f"did not work for {SILENCE_SECONDS * SILENCES_MAX:g} s and was ended"
                if hung
                else f"ended (code {code})"
            )
            self._on_trouble(f"The jobs' process {what}; it is started again in {pause:g} s.")
            self._stop.wait(pause)

    def _hangs(self, beats: int) -> bool:
        """Wait until the process has ended (False), or no beat has come for too long (True)."""
        silent = 0
        poll = select.poll()
        poll.register(beats, select.POLLIN)
        while silent < SILENCES_MAX:
            if not poll.poll(SILENCE_SECONDS * 1000):
                silent += 1
            elif os.read(beats, _BEATS_BYTES_MAX):
                silent = 0
            else:
                return False
        return not self._stop.is_set()
