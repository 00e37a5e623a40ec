"""Starting processes of ours: nothing that lies in the caller's folder decides which code they run.

A command may be given in a folder that belongs to a tenant, with root's rights. So every program of ours runs isolated
(`-I`: neither the current folder nor `PYTHONPATH` is searched for modules), in `/`, and what it makes is its owner's
alone. The program that the shell starts cannot choose its interpreter's options; `leave_caller_folder` does the same
for it before anything but the standard library's core is imported.

This module stands below all floors and imports only what an interpreter has loaded when it starts.
"""

from __future__ import annotations

import os
import sys

ROOT = "/"
"""The working folder of every process that we start."""

UMASK = 0o077
"""Nobody but the owner reads what we write; what others are to read gets its mode explicitly."""


def isolated(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module of ours."""
    return [sys.executable, "-I", "-m", module, *arguments]


def isolated_file(program: str, *arguments: str) -> list[str]:
    """Return the command line that runs a file with Python's own library alone."""
    return [sys.executable, "-I", "-S", program, *arguments]


def search_path() -> str:
    """Return the folders in which programs are searched: those of PATH that do not depend on the current folder."""
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]
    return os.pathsep.join(folders) or os.defpath


def leave_caller_folder(path: list[str] | None = None) -> None:
    """Take the current folder off the module search path, unless our own installation lies there."""
    path = sys.path if path is None else path
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:
        here = ""  # it was removed; what is relative to it leads nowhere
    path[:] = [entry for entry in path if os.path.isabs(entry) and (os.path.realpath(entry) != here or _is_ours(here))]


def _is_ours(folder: str) -> bool:
    installed = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    return folder in (installed, os.path.dirname(os.path.realpath(os.__file__)))
