"""Start the jobs' process and keep it alive."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from holdfast.isolation import ROOT, UMASK, isolated
from holdfast.worker.process import READY

RESTART_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STOP_SECONDS = 20.0


class WatchedJobs:
    """The jobs' process of one home, started again whenever it dies."""

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
            )
            self._process = process
            assert process.stdout is not None
            if process.stdout.readline() == READY:
                self._ready.set()
                failures = 0
            code = process.wait()
            self._ready.clear()
            process.stdout.close()
            if process.stdin is not None:
                process.stdin.close()
            if self._stop.is_set():
                return
            pause = RESTART_SECONDS[min(failures, len(RESTART_SECONDS) - 1)]
            failures += 1
            self._on_trouble(f"The jobs' process ended (code {code}); it is started again in {pause:g} s.")
            self._stop.wait(pause)
