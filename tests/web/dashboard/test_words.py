"""Times within sentences: each reader sees them in a zone and a language of his own, whoever wrote the sentence."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest
from kit.browser import signed_in
from kit.site import Site
from kit.visible import texts_of

from holdfast.catalog.records import SYSTEM
from holdfast.service.language.texts import speaking
from holdfast.service.people.preferences import Preferences
from holdfast.service.policy.standing import Facts, standing
from holdfast.service.standing.words import wording_of
from holdfast.service.take.schedule import Schedule, set_schedule
from holdfast.units import DAY_NS, HOUR_NS
from holdfast.web.dashboard import words
from holdfast.web.dashboard.viewer import show_to, shown_to_nobody

NOW = 1_795_784_520_000_000_000
"""Friday 27 November 2026, 14:02 in Berlin."""
SAID = "The backup <b> is locked until 2026-11-28T03:00:00+01:00 and can't be deleted before."


def test_a_time_in_a_sentence_is_in_the_zone_and_the_language_of_who_reads_it() -> None:
    tag = '<time datetime="2026-11-28T03:00:00+01:00">28\u00a0Nov 2026, 03:00</time>'
    assert str(words.sentence(SAID)) == f"The backup &lt;b&gt; is locked until {tag} and can&#39;t be deleted before."
    with shown_to_nobody():
        show_to(Preferences(time_zone="America/Sao_Paulo", language="en"), "")
        assert ">27\u00a0Nov 2026, 23:00</time>" in words.sentence(SAID)
        assert words.plain_sentence(SAID) == SAID.replace("2026-11-28T03:00:00+01:00", "27\u00a0Nov 2026, 23:00")
    with speaking("pt-BR"):
        assert ">28\u00a0de\u00a0nov. de 2026, 03:00</time>" in words.sentence(SAID)


@pytest.mark.parametrize("text", ["2026-13-28T03:00:00+01:00", "a2026-11-28T03:00:00", "9999-12-31T23:59:59-14:00"])
def test_what_is_no_time_stays_as_it_is(text: str) -> None:
    with shown_to_nobody():
        show_to(Preferences(time_zone="Pacific/Kiritimati"), "")
        assert text in words.sentence(text)


def test_a_standing_has_its_times_as_the_page_tells_them() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    facts = Facts(now=NOW, created_at=0, good_id="1", good_at=NOW - HOUR_NS, next_backup_at=NOW + DAY_NS)
    text = words.standing_text(wording_of(standing(facts), "a", for_operator=False), NOW, zone)
    at = datetime.fromtimestamp((NOW + DAY_NS) // 10**9, zone)
    assert f'Next backup: <time datetime="{at.isoformat()}" title="Saturday 28\u00a0November 2026, 10:02 -03">' in text
    assert text.endswith(">tomorrow, 10:02</time>.")


def test_a_page_has_no_time_as_programs_write_it(site: Site, http: httpx.Client) -> None:
    set_schedule(site.instance, site.app, Schedule(cron="0 3 * * *"), SYSTEM)
    site.take()
    signed_in(site, http)
    page = http.get(f"/apps/{site.app.id}").text
    assert re.search(r'Next backup: <time datetime="[^"]*" title="[^"]*">[^<]*, 03:\d\d</time>\.', page)
    texts = " ".join(texts_of(page.partition('id="list"')[0]))
    assert not re.search(r"\d{4}-\d\d-\d\d", texts), texts


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36 Edg/156.0", "Edge on Linux"),
        ("curl/8.5", "curl/8.5"),
        ("", "A browser that does not name itself"),
    ],
)
def test_a_session_is_named_by_browser_and_system(agent: str, shown: str) -> None:
    assert words.browser(agent) == shown
