"""All of the host's accounts and applications at once, as it has them: each is made, changed, left or ended.

Every line is decided by itself and answered; some hundred lines are one transaction, with their entries in the audit.
So a sync that was interrupted is simply run again. What was changed is in the catalog when its answer comes; the
records of the accounts in the store follow (`service/host/records.py`), and no backup begins without its account's.

It must never end more than a tenth of what there is unless it is told to, or anything when a line could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import TypeVar

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.host.accounts import active_accounts
from holdfast.catalog.host.apps import active_apps
from holdfast.catalog.records import Actor
from holdfast.schemas.host.sync import ACCOUNT, APP, SyncAnswer
from holdfast.service.errors import Conflict
from holdfast.service.host.sync_batch import Batches, kind_of
from holdfast.service.host.sync_lines import Names, SyncBody
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held

LINES_AT_ONCE = 500
READ_AT_ONCE = 5000
ENDED_SHARE = 10
"""Without `force` at most one in so many ends."""

T = TypeVar("T")
Missing = list[tuple[str, str]]
"""(external id, id) of accounts or applications."""


class Sync:
    """A sync that is about to run: all that is refused as a whole is refused before, with nothing changed."""

    def __init__(
        self, instance: Instance, body: SyncBody, by: Actor, *, is_dry: bool, ends_missing: bool, is_forced: bool
    ) -> None:
        """Read what is named in the body, and compare.

        Raises TooLarge, Conflict (SYNC_IN_PROGRESS, TOO_MANY_MISSING), Unavailable, CatalogError.
        """
        self._body = body
        self._batches = Batches(instance, by, is_dry=is_dry)
        self._missing: dict[str, Missing] = {}
        self._open = ExitStack()
        try:
            if not is_dry and not self._open.enter_context(held(instance, "sync")):
                raise Conflict("SYNC_IN_PROGRESS", "Another sync runs already; wait for it.")
            self._names = body.names()
            if ends_missing:
                self._missing = _all_missing(instance.catalog, self._names, is_forced=is_forced)
            self._names.once.clear()  # there may be hundreds of thousands, and they have been compared
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the body go, and another one run; more than once is fine."""
        self._open.close()
        self._body.close()

    def changed_accounts(self) -> list[str]:
        """Return the ids of the accounts that were changed so far, whose records are to be written."""
        return list(self._batches.account_ids)

    def answers(self) -> Iterator[list[SyncAnswer]]:
        """Run it; the answers of one transaction after the other. Raises CatalogError, Unavailable."""
        for kind in (APP, ACCOUNT):
            for some in _in_parts(self._missing.get(kind, ())):
                if self._names.unread:
                    yield [_kept(kind, external_id) for external_id, _ in some]
                else:
                    yield self._batches.ended(kind, some)
        for lines in _in_parts(self._body.lines(self._names)):
            yield self._batches.done(lines)


def _all_missing(catalog: Catalog, names: Names, *, is_forced: bool) -> dict[str, Missing]:
    """Return what there is and the sync does not name. Raises Conflict (TOO_MANY_MISSING)."""
    found = {}
    for kind, active, plural in ((ACCOUNT, active_accounts, "accounts"), (APP, active_apps, "applications")):
        missing, there = _missing_of(catalog, active, names.once[kind])
        if len(missing) * ENDED_SHARE > there and not is_forced:
            raise Conflict(
                "TOO_MANY_MISSING",
                f"{len(missing)} of {there} {plural} are not in the sync, which is more than a tenth; nothing was "
                "changed. Send all of them, or give force=true if these are to end.",
            )
        found[kind] = missing
    return found


def _missing_of(
    catalog: Catalog, active: Callable[[Catalog, str, int], Missing], named: set[str]
) -> tuple[Missing, int]:
    """Return what is there and not named, and how many are there."""
    missing: Missing = []
    after, there = "", 0
    while some := active(catalog, after, READ_AT_ONCE):
        missing += [one for one in some if one[0] not in named]
        there += len(some)
        after = some[-1][0]
    return missing, there


def _kept(kind: str, external_id: str) -> SyncAnswer:
    return SyncAnswer(
        line=None,
        type=kind_of(kind),
        external_id=external_id,
        result="refused",
        code="LINES_NOT_READ",
        message="It is not in the sync, and does not end, as a line that could not be read may be about it.",
    )


def _in_parts(things: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(things)
    while some := list(islice(rest, LINES_AT_ONCE)):
        yield some
