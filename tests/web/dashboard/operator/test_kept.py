"""Readings of the whole instance: made anew while that is quick, kept for a while where it is not."""

from __future__ import annotations

import asyncio

import pytest
from kit.site import Site

from holdfast.service.instance.home import Instance
from holdfast.web.dashboard.operator import kept
from holdfast.web.dashboard.operator.kept import OLD_SECONDS, Kept, counted


def test_a_look_that_takes_long_is_kept_and_renewed_behind_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    context, made = site.front.context, [0]
    now = context.now()
    context.now = lambda: now

    def read(_instance: Instance) -> int:
        made[0] += 1
        return made[0]

    readings = Kept(context, read)
    assert [asyncio.run(readings.get()).found for _ in range(2)] == [1, 1], "asked for at the same moment"
    now += 1
    quick = asyncio.run(readings.get())
    assert (quick.found, counted(quick, quick.at)) == (2, " Counted just now.")
    monkeypatch.setattr(kept, "QUICK_SECONDS", 0.0)
    now += 1
    shown = asyncio.run(readings.get())
    assert shown.found == 2, "at once"
    assert counted(shown, shown.at + 60 * 10**9) == " Counted 1 minute ago."
    context.calls.submit(lambda: None).result()  # the thread that renewed it is done, or waits for the reading's lock
    with readings._running:
        pass
    assert asyncio.run(readings.get()).found == 3, "renewed behind the page"
    now += OLD_SECONDS + 1
    assert asyncio.run(readings.get()).found == 4, "a reading that is too old is waited for"


def test_a_look_that_failed_leaves_the_next_one_free(site: Site) -> None:
    fails = [True]

    def read(_instance: Instance) -> str:
        if fails.pop():
            raise ValueError("not now")
        return "found"

    readings = Kept(site.front.context, read)
    with pytest.raises(ValueError, match="not now"):
        asyncio.run(readings.get())
    fails.append(False)
    assert asyncio.run(readings.get()).found == "found"
