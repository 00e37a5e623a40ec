"""How much of an exhaustive test runs: all of it in `make test-whole`, which `.ci/run` calls; less in `make test`."""

from __future__ import annotations

import os

IS_WHOLE = os.environ.get("HOLDFAST_TESTS") == "whole"


def sized(whole: int, short: int) -> int:
    """The number for the form of the tests that runs."""
    return whole if IS_WHOLE else short
