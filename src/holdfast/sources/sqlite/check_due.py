"""When SQLite checks a database that a backup takes: `quick_check` costs more than taking what changed.

The lock makes a copy sound, not the check: that is about damage which the application's own database has already. So
it is made with the first backup of a database, with the first one of each week after that, and for as long as the
backup before found something. A test restore checks all databases, and more deeply.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from hashlib import blake2b

from holdfast.units import DAY_NS

WEEK_NS = 7 * DAY_NS


@dataclass(frozen=True, slots=True)
class CheckDue:
    """The backup before: its time, and the databases (as warnings show them) that it warned of."""

    now_ns: int = 0
    before_ns: int | None = None
    suspected: Set[str] = frozenset()

    def is_due(self, path: bytes, shown_path: str, *, is_in_before: bool) -> bool:
        """Return True if a database is to be checked. `is_in_before`: True if the backup before has it."""
        if not is_in_before or self.before_ns is None or shown_path in self.suspected:
            return True
        # Each database has weeks of its own, or all of a host would be checked on one day.
        begin = int.from_bytes(blake2b(path, digest_size=8).digest(), "little") % WEEK_NS
        return (self.now_ns - begin) // WEEK_NS != (self.before_ns - begin) // WEEK_NS
