"""Chromium: the machine's own, or Debian's package, unpacked into the checkout."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import pytest

from kit.servers.debian import libraries, unpacked

REQUIRED = "HOLDFAST_BROWSER"
"""An environment variable: with `required` a test fails where it would be skipped for want of a browser."""

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@cache
def chromium() -> tuple[Path, dict[str, str]]:
    """Return the program, and what its environment needs besides. Skips the test where none can be had."""
    for name in _NAMES:
        if (own := shutil.which(name)) is not None:
            return Path(own), {}
    try:
        root = unpacked("chromium", ["chromium"])
    except pytest.fail.Exception as failed:
        if os.environ.get(REQUIRED) == "required":
            raise
        pytest.skip(f"The pages are not looked at in a browser: {failed.msg}")
    found = libraries(root)
    return root / "usr" / "lib" / "chromium" / "chromium", {"LD_LIBRARY_PATH": found} if found else {}
