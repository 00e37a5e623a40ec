"""Looks over the whole instance: made anew while that is quick, kept for a while where it is not."""

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

    def look(_instance: Instance) -> int:
        made[0] += 1
        return made[0]

    looks = Kept(context, look)
    assert [asyncio.run(looks.get()).found for _ in range(2)] == [1, 1], "asked for at the same moment"
    now += 1
    quick = asyncio.run(looks.get())
    assert (quick.found, counted(quick, quick.at)) == (2, "")
    monkeypatch.setattr(kept, "QUICK_SECONDS", 0.0)
    now += 1
    shown = asyncio.run(looks.get())
    assert shown.found == 2, "at once"
    assert counted(shown, shown.at + 60 * 10**9) == " Counted 1 minute ago."
    context.calls.submit(lambda: None).result()  # the thread that renewed it is done, or waits for the look's lock
    with looks._running:
        pass
    assert asyncio.run(looks.get()).found == 3, "renewed behind the page"
    now += OLD_SECONDS + 1
    assert asyncio.run(looks.get()).found == 4, "a look that is too old is waited for"


def test_a_look_that_failed_leaves_the_next_one_free(site: Site) -> None:
    fails = [True]

    def look(_instance: Instance) -> str:
        if fails.pop():
            raise ValueError("not now")
        return "found"

    looks = Kept(site.front.context, look)
    with pytest.raises(ValueError, match="not now"):
        asyncio.run(looks.get())
    fails.append(False)
    assert asyncio.run(looks.get()).found == "found"
