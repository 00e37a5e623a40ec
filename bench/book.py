"""The book of a run: every measured value by work, dataset and tool.

Several turns of the same measure stand side by side; what is shown is their median (of memory: the highest).
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Quantity = Literal["seconds", "peak", "stored", "added", "bytes", "first_byte", "rate", "p99_ms"]
"""seconds; peak: bytes of memory; stored, added: bytes of the repository; bytes: of a download; first_byte: seconds;
rate: requests a second."""


@dataclass(slots=True)
class Book:
    """Values by (work, dataset, tool, quantity), each a list in the order of the turns."""

    values: dict[tuple[str, str, str, Quantity], list[float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    """Sentences for the report: the measures that failed, and why."""

    def note(self, work: str, dataset: str, tool: str, quantity: Quantity, value: float) -> None:
        self.values.setdefault((work, dataset, tool, quantity), []).append(value)

    def get(self, work: str, dataset: str, tool: str, quantity: Quantity) -> float | None:
        """Return the value to show; None when it was not measured."""
        found = self.values.get((work, dataset, tool, quantity))
        if not found:
            return None
        return max(found) if quantity == "peak" else statistics.median(found)

    def tools(self) -> set[str]:
        """Tools with any value."""
        return {tool for _, _, tool, _ in self.values}

    def write(self, path: Path) -> None:
        """All single values as JSON, for a closer look."""
        rows = [
            {"work": work, "dataset": dataset, "tool": tool, "quantity": quantity, "turns": turns}
            for (work, dataset, tool, quantity), turns in self.values.items()
        ]
        path.write_text(json.dumps({"remarks": self.remarks, "values": rows}, indent=1) + "\n")
