"""Cached answers to the whole list of an application's backups, the most frequent request.

The answer made from the rows (times in the instance's zone, JSON, ETag: nine tenths of the work) is kept for as long as
the rows stay the same. They are read again for each request, unless the database says that nothing at all was committed
since. So nothing needs to be invalidated, and a change by another process shows at once.
"""

from __future__ import annotations

from collections import OrderedDict

from holdfast.catalog.records import Account
from holdfast.service.instance.home import Instance
from holdfast.service.registry.backups import ListedRows, list_items, list_rows
from holdfast.web.http.envelope import success
from holdfast.web.http.etags import Tagged, tagged

KEPT_BYTES_MAX = 32 * 1024 * 1024
"""Of answers; their rows take about as much again."""

_Place = tuple[str, bool]
"""Application, and if the answer has the keys of downloads."""

_Kept = tuple[ListedRows, bytes, Tagged]
"""Rows, the sealed secret that the keys are of, the answer."""


class WholeLists:
    """Used on the event loop only; no lock."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._kept: OrderedDict[_Place, _Kept] = OrderedDict()
        self._seen_version: dict[_Place, tuple[int, int]] = {}
        """For kept lists: the catalog's version when their rows were last looked at."""
        self._kept_bytes = 0

    def answer(self, account: Account, app_id: str, *, with_keys: bool) -> Tagged:
        """The list of one of the account's applications as it is now. Raises KeyMismatch."""
        place = (app_id, with_keys)
        kept = self._kept.get(place)
        if kept is not None and kept[1] != account.link_secret_sealed:
            kept = None  # the keys of all downloads are others
        version = self._instance.prepared.version()
        if kept is not None and version is not None and self._seen_version.get(place) == version:
            return kept[2]
        rows = list_rows(self._instance, app_id)
        if kept is not None and kept[0] == rows:
            self._kept.move_to_end(place)
            self._note(place, version)
            return kept[2]
        made = tagged(success(list_items(self._instance, account.id, rows, with_keys=with_keys)))
        self._keep(place, (rows, account.link_secret_sealed, made))
        self._note(place, version)
        return made

    def _note(self, place: _Place, version: tuple[int, int] | None) -> None:
        # The version was asked for before the rows were read: what came between makes another one.
        if version is not None:
            self._seen_version[place] = version

    def _keep(self, place: _Place, made: _Kept) -> None:
        before = self._kept.pop(place, None)
        if before is not None:
            self._kept_bytes -= len(before[2].answer.body)
        self._kept[place] = made
        self._kept_bytes += len(made[2].answer.body)
        while self._kept_bytes > KEPT_BYTES_MAX:
            gone, (_, _, oldest) = self._kept.popitem(last=False)
            self._seen_version.pop(gone, None)
            self._kept_bytes -= len(oldest.answer.body)
