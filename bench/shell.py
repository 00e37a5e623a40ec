"""Commands that are not measured, their output shown only when they fail; and everyone's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

OWN_SETTINGS = ("PYTHON", "HOLDFAST_", "RESTIC_", "BORG_")
"""Settings of the user who runs the benchmark that would change the figures, such as PYTHONDONTWRITEBYTECODE, which
makes every start of a Python program compile it anew."""


def user_environment() -> dict[str, str]:
    """Return the environment in which every tool runs: this process's, without settings of the tools and of Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)}


def run_quietly(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return its standard output. Raises CalledProcessError after printing its output."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        sys.stderr.write(f"$ {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}\n")
        raise subprocess.CalledProcessError(done.returncode, list(command), done.stdout, done.stderr)
    return done.stdout
