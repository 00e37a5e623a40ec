"""The report: tables in Markdown with padded columns, readable as they are in a terminal and in docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.book import Book, Quantity
from bench.targets import API, BALANCED, CLI, Target, Unit, all_targets

BEGIN = "<!-- figures: begin (written by `make bench`) -->"
END = "<!-- figures: end -->"
NOT_AVAILABLE = "not available"

WORKS = (
    ("a", ("first", "unchanged", "changed")),
    ("b", ("first", "unchanged", "changed")),
    ("c", ("first", "unchanged", "cs", "cu")),
    ("d", ("first", "unchanged", "changed")),
)
TOOLS = (API, CLI, BALANCED, "restic", "borg lz4", "tar+pigz -1")
RESTORERS = (CLI, "restic", "borg lz4")


class MarkersMissing(Exception):
    """The page has lost the lines between which the figures belong."""


def report(book: Book, facts: Sequence[tuple[str, str]]) -> str:
    """Return the whole report."""
    parts = [
        "### What must be reached\n\n" + _targets(all_targets(book)),
        "### Taking backups: seconds (peak memory in MB)\n\n" + _takes(book, "seconds"),
        "### Taking backups: MB stored after the first backup, MB added by the others\n\n" + _takes(book, "stored"),
        "### Restoring into an empty folder: seconds (peak memory in MB)\n\n" + _restores(book),
        "### Downloading a whole backup\n\n" + _downloads(book),
        "### The run\n\n" + table(("", ""), facts),
    ]
    if book.remarks:
        parts.insert(0, "\n".join(f"- **{remark}**" for remark in book.remarks))
    return "\n\n".join(parts) + "\n"


def write_between_markers(page: Path, text: str) -> None:
    """Replace the text between the markers of a page. Raises MarkersMissing."""
    old = page.read_text()
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise MarkersMissing(f"{page} must have the lines {BEGIN!r} and {END!r}; the figures go between them.")
    page.write_text(f"{head}{begin}\n{text}{end}{tail}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with columns of even width."""
    widths = [max(3, *(len(row[i]) for row in [head, *rows])) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def _targets(targets: Sequence[Target]) -> str:
    head = ("figure", "data", "holdfast API", "holdfast CLI", "first release", "reached", "then", "reached")
    rows = []
    for target in targets:
        values = dict(target.values)
        cli = values.get(CLI, values.get(BALANCED))
        sign = "≥" if target.at_least else "≤"
        then = "" if target.then is None else f"{sign} {_value(target.then, target.unit)}"
        rows.append(
            (
                target.what,
                target.dataset,
                _value(values[API], target.unit) if API in values else "",
                _value(cli, target.unit) if CLI in values or BALANCED in values else "",
                f"{sign} {_value(target.first_release, target.unit)}",
                target.reached(target.first_release),
                then,
                "" if target.then is None else target.reached(target.then),
            )
        )
    return table(head, rows)


def _value(value: float | None, unit: Unit) -> str:
    if value is None:
        return NOT_AVAILABLE
    if unit == "share":
        return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
    if unit == "times":
        return f"{value:.0f} x" if value >= 10 else f"{value:.1f} x"
    if unit == "per second":
        return f"{value:,.0f} /s"
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def _takes(book: Book, quantity: Quantity) -> str:
    rows = []
    for dataset, works in WORKS:
        for work in works:
            if any(book.get(work, dataset, tool, "seconds") is not None for tool in TOOLS):
                cells = [_take(book, work, dataset, tool, quantity) for tool in TOOLS]
                rows.append((f"{dataset} {work}" if work not in ("cs", "cu") else work, *cells))
    return table(("", *TOOLS), rows)


def _take(book: Book, work: str, dataset: str, tool: str, quantity: Quantity) -> str:
    missing = "" if tool in book.tools() else NOT_AVAILABLE
    if quantity == "seconds":
        seconds, peak = book.get(work, dataset, tool, "seconds"), book.get(work, dataset, tool, "peak")
        if seconds is None or peak is None:
            return missing
        return f"{seconds:.2f} ({peak / 1e6:.0f})"
    value = book.get(work, dataset, tool, "stored" if work == "first" or tool.startswith("tar") else "added")
    if value is None:
        return missing
    return f"{value / 1e6:,.1f}"


def _restores(book: Book) -> str:
    rows = [
        (dataset, *(_take(book, "restore", dataset, tool, "seconds") for tool in RESTORERS))
        for dataset in "abcd"
        if book.get("restore", dataset, CLI, "seconds") is not None
    ]
    return table(("", *RESTORERS), rows)


def _downloads(book: Book) -> str:
    head = ("", "seconds", "MB/s", "first byte, ms", "memory, MB")
    rows = []
    for dataset in "abcd":
        for work, tool in (
            ("download zip", "holdfast"),
            ("download zip", "nginx"),
            ("download zip", "restic"),
            ("download tar.gz", "holdfast"),
            ("export tar", "borg lz4"),
        ):
            seconds = book.get(work, dataset, tool, "seconds")
            if seconds is None:
                if book.get("download zip", dataset, "holdfast", "seconds") is not None:
                    rows.append((f"{dataset} {work}, {tool}", NOT_AVAILABLE, "", "", ""))
                continue
            size, first = book.get(work, dataset, tool, "bytes"), book.get(work, dataset, tool, "first_byte")
            peak = book.get(work, dataset, tool, "peak")
            rows.append(
                (
                    f"{dataset} {work}, {tool}",
                    f"{seconds:.2f}",
                    "" if size is None else f"{size / seconds / 1e6:,.0f}",
                    "" if first is None else f"{first * 1000:.1f}",
                    "" if peak is None else f"{peak / 1e6:.0f}",
                )
            )
        cold = book.get("download zip, after a start", dataset, "holdfast", "first_byte")
        if cold is not None:
            rows.append((f"{dataset} download zip, first one after a start", "", "", f"{cold * 1000:.1f}", ""))
    return table(head, rows)
