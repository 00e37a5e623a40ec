"""The targets: the table of the project's figures, each line computed from a book.

A share is our value over the peer's in the same run. Where holdfast was measured both ways (through the API, as a shell
command), both are shown and both must reach the target.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bench import daily, listing
from bench.book import Book, Quantity

API, CLI, BALANCED = "holdfast API", "holdfast CLI", "holdfast CLI balanced"
RESTIC = "restic"
WAYS = (API, CLI)

Values = tuple[tuple[str, float | None], ...]
"""Of each way in which holdfast was measured."""

Unit = Literal["share", "times", "ms", "MB", "per second"]
DAILY_SHARE_MAX = 1.1
"""At most this share counts as "as the 10th": two means of ten runs each differ by some percent by themselves."""


@dataclass(frozen=True, slots=True)
class Target:
    """One line: what is measured, the values by way, and the bounds (at most, unless `at_least`)."""

    what: str
    dataset: str
    unit: Unit
    first_release: float
    then: float | None
    values: Values
    at_least: bool = False

    def reached(self, bound: float) -> Literal["yes", "no", "not measured"]:
        """Return True if every way reaches a bound."""
        measured = [value for _, value in self.values if value is not None]
        if len(measured) < len(self.values) or not measured:
            return "not measured"
        good = all(value >= bound if self.at_least else value <= bound for value in measured)
        return "yes" if good else "no"


def all_targets(book: Book) -> list[Target]:
    """Every line of the table, in its order."""
    return [
        *_taking(book),
        *_storing(book),
        *_restoring(book),
        *_downloading(book),
        *_memory(book),
        *_listing(book),
        *_lasting(book),
    ]


def _share(book: Book, work: str, dataset: str, tool: str, quantity: Quantity) -> float | None:
    ours, theirs = book.get(work, dataset, tool, quantity), book.get(work, dataset, RESTIC, quantity)
    return None if ours is None or not theirs else ours / theirs


def _shares(book: Book, work: str, dataset: str, quantity: Quantity) -> Values:
    return tuple((way, _share(book, work, dataset, way, quantity)) for way in WAYS)


def _taking(book: Book) -> list[Target]:
    lines = [
        ("first backup, time / restic's", "first", ("a", "b", "c", "d"), 0.50, 0.25),
        ("unchanged backup, time / restic's", "unchanged", ("a", "b"), 0.20, 0.05),
        ("1 % changed, time / restic's", "changed", ("a", "b"), 0.40, 0.10),
        ("1 % changed, time / restic's", "cs", ("c",), 0.40, 0.10),
    ]
    return [
        Target(what, _shown(d, work), "share", first, then, _shares(book, work, d, "seconds"))
        for what, work, datasets, first, then in lines
        for d in datasets
    ]


def _shown(dataset: str, work: str) -> str:
    return work if work in ("cs", "cu") else dataset


def _storing(book: Book) -> list[Target]:
    found = []
    for work, first, then in (("cs", 0.15, 0.10), ("cu", 0.40, 0.25)):
        values = _shares(book, work, "c", "added")
        found.append(Target("what the change adds / restic's", work, "share", first, then, values))
    for d in ("a", "b", "c"):
        values = _shares(book, "first", d, "stored")
        found.append(Target("stored, level fast / restic's", d, "share", 1.20, 1.05, values))
    for d in ("a", "b", "c"):
        value = ((BALANCED, _share(book, "first", d, BALANCED, "stored")),)
        found.append(Target("stored, level balanced / restic's", d, "share", 1.05, 0.95, value))
    return found


def _restoring(book: Book) -> list[Target]:
    return [
        Target("restore, time / restic's", d, "share", 0.70, 0.35, ((CLI, _share(book, "restore", d, CLI, "seconds")),))
        for d in ("a", "b", "c", "d")
    ]


def _downloading(book: Book) -> list[Target]:
    def rate(dataset: str, tool: str) -> float | None:
        size = book.get("download zip", dataset, tool, "bytes")
        seconds = book.get("download zip", dataset, tool, "seconds")
        return None if size is None or not seconds else size / seconds

    def of_nginx(dataset: str) -> float | None:
        ours, theirs = rate(dataset, "holdfast"), rate(dataset, "nginx")
        return None if ours is None or not theirs else ours / theirs

    def times_restic(dataset: str) -> float | None:
        ours = book.get("download zip", dataset, "holdfast", "seconds")
        theirs = book.get("download zip", dataset, RESTIC, "seconds")
        return None if theirs is None or not ours else theirs / ours

    first_byte = book.get("download zip", "a", "holdfast", "first_byte")
    return [
        *(
            Target("zip, throughput / nginx's", d, "share", 0.30, 0.70, ((API, of_nginx(d)),), at_least=True)
            for d in ("c", "d")
        ),
        *(
            Target("zip, times faster than restic dump", d, "times", 15, 40, ((API, times_restic(d)),), at_least=True)
            for d in ("a", "b", "c", "d")
        ),
        Target("zip, first byte", "a", "ms", 50, 10, ((API, None if first_byte is None else first_byte * 1000),)),
    ]


def _memory(book: Book) -> list[Target]:
    def most(dataset: str) -> Values:
        works = ("first", "unchanged", "changed")
        return tuple((way, _highest_mb(book.get(work, dataset, way, "peak") for work in works)) for way in WAYS)

    stream = _highest_mb(
        book.get(f"download {kind}", d, "holdfast", "peak") for kind in ("zip", "tar.gz") for d in "abcd"
    )
    return [
        *(Target("peak memory of a backup", d, "MB", 300, 100, most(d)) for d in ("a", "b")),
        Target("memory of a download", "all", "MB", 64, None, ((API, stream),)),
    ]


def _highest_mb(peaks: Iterable[float | None]) -> float | None:
    found = [peak for peak in peaks if peak is not None]
    return max(found) / 1e6 if found else None


def _listing(book: Book) -> list[Target]:
    rate = book.get("list", listing.DATASET, "holdfast", "rate")
    p99_ms = book.get("list", listing.DATASET, "holdfast", "p99_ms")
    return [
        Target("listing 100 of the catalog's", "", "per second", 2000, 5000, ((API, rate),), at_least=True),
        Target("listing, 99th percentile", "", "ms", 10, 5, ((API, p99_ms),)),
    ]


def _lasting(book: Book) -> list[Target]:
    def growth(quantity: Quantity) -> float | None:
        early = book.get(daily.EARLY_RUNS, daily.DATASET, "holdfast", quantity)
        late = book.get(daily.LATE_RUNS, daily.DATASET, "holdfast", quantity)
        return None if late is None or not early else late / early

    return [
        Target("n-th daily backup, time / the 10th's", "", "share", DAILY_SHARE_MAX, None, ((API, growth("seconds")),)),
        Target("n-th daily backup, adds / the 10th's", "", "share", DAILY_SHARE_MAX, None, ((API, growth("added")),)),
    ]
