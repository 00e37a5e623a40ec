"""Commands that are not measured: run to their end, their output shown only when they fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_quietly(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs a command and returns its standard output. Raises CalledProcessError after showing what it said."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        sys.stderr.write(f"$ {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}\n")
        raise subprocess.CalledProcessError(done.returncode, list(command), done.stdout, done.stderr)
    return done.stdout
