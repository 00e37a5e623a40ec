"""The sum of the fault points, as `make faults` prints it."""

from __future__ import annotations

import pytest
from kit.fault_operations import POINTS_TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the points of each case and of all, with the number of cases in which something was lost."""
    total = 0
    for report in sorted(terminalreporter.getreports("passed"), key=lambda one: one.nodeid):
        for points in (value for name, value in report.user_properties if name == POINTS_TRIED):
            terminalreporter.write_line(f"{report.nodeid.partition('[')[2].rstrip(']')}: {points} points tried, 0 lost")
            total += points
    lost = len(terminalreporter.getreports("failed"))
    if total:
        terminalreporter.write_line(f"{total} points tried, {lost} cases lost something or said nothing useful")
