"""Comparisons of backups with applications, behind the pages that show them.

A comparison of a large tree takes longer than a page may: the page then says so and asks again, and meanwhile the
comparison goes on here. It is kept for a while, so that a page which is loaded again shows the same.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from holdfast.catalog.records import App, Backup
from holdfast.service.instance.home import Instance
from holdfast.service.registry.databases import Dump, dumps_in
from holdfast.service.restore.plan import Preview, Wanted
from holdfast.units import MINUTE_NS
from holdfast.web.api.jobs import restore_preview
from holdfast.web.context import Context

PATIENCE_SECONDS = 3.0
"""A page waits this long for its comparison."""

FRESH_NS = 15 * MINUTE_NS
"""A comparison counts for so long."""

KEPT_MAX = 24
"""Comparisons that are kept, of all accounts; each has at most 3,000 paths."""

KEPT_OF_ACCOUNT_MAX = 6


class Compared(NamedTuple):
    """A comparison that was made. `at`: when it was begun, nanoseconds; `dumps`: of databases, which stay away."""

    at: int
    preview: Preview
    dumps: tuple[Dump, ...]


class _Key(NamedTuple):
    account_id: str
    backup_id: str
    target_id: str
    wanted: Wanted


class _Kept(NamedTuple):
    at: int
    task: asyncio.Task[Compared]


class Comparisons:
    """Those of one process. Used on its loop only."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kept: dict[_Key, _Kept] = {}

    async def made(self, backup: Backup, target: App, wanted: Wanted, newer_than: int) -> Compared | None:
        """The comparison for a restore; None while it goes on. Raises as `restore_preview` does, and LimitReached."""
        key = _Key(backup.account_id, backup.id, target.id, wanted)
        now, kept = self._context.instance.clock.now_ns(), self._kept.get(key)
        if kept is None or kept.at <= newer_than or now - kept.at > FRESH_NS:
            kept = self._begin(key, now, backup, target)
        await asyncio.wait({kept.task}, timeout=PATIENCE_SECONDS)
        if not kept.task.done():
            return None
        if kept.task.cancelled() or kept.task.exception() is not None:
            self._forget(key, kept)  # whoever comes next has it tried again
        return kept.task.result()

    def _begin(self, key: _Key, now: int, backup: Backup, target: App) -> _Kept:
        own = [one for one in self._kept if one.account_id == key.account_id]
        self._make_room(own, KEPT_OF_ACCOUNT_MAX)
        self._make_room(list(self._kept), KEPT_MAX)
        instance, wanted = self._context.instance, key.wanted
        running = self._context.call_apart(key.account_id, _compared, instance, backup, target, wanted, now)
        task = asyncio.get_running_loop().create_task(running)
        task.add_done_callback(_seen)
        self._kept[key] = kept = _Kept(now, task)
        return kept

    def _make_room(self, keys: list[_Key], most: int) -> None:
        """Forget the oldest that have ended; those that go on are bounded by the context."""
        ended = [key for key in keys if key in self._kept and self._kept[key].task.done()]
        for key in ended[: max(0, len(keys) - most + 1)]:
            del self._kept[key]

    def _forget(self, key: _Key, kept: _Kept) -> None:
        if self._kept.get(key) is kept:
            del self._kept[key]


def _compared(instance: Instance, backup: Backup, target: App, wanted: Wanted, now: int) -> Compared:
    preview = restore_preview(instance, backup, target, wanted)
    is_whole = not wanted.paths and wanted.into is None
    return Compared(now, preview, dumps_in(instance, backup) if is_whole else ())


def _seen(task: asyncio.Task[Compared]) -> None:
    """Take note of an error, which the page that waits for it raises; that page may never come."""
    if not task.cancelled():
        task.exception()
