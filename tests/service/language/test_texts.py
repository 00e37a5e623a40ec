"""The language that is spoken: chosen by what a browser asks for, for one request, and in its threads."""

from __future__ import annotations

import asyncio
from contextvars import copy_context

import pytest

from holdfast.service.language.texts import _, best_of, ngettext, speak, speaking, spoken


@pytest.mark.parametrize(
    ("asked", "best"),
    [
        ("", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("pt", "pt-BR"),
        ("pt-PT, en;q=0.5", "pt-BR"),
        ("en-US,en;q=0.9,pt-BR;q=0.8", "en"),
        ("fr-FR,fr;q=0.9,pt;q=0.5,en;q=0.4", "pt-BR"),
        ("en;q=0.1,pt-BR;q=0.2", "pt-BR"),
        ("pt-BR;q=0", "en"),
        ("pt-BR;q=nan,*;q=0.5", "en"),
        ("pt-BR;q=x", "en"),
        ("ja," * 400 + "pt-BR", "en"),
        ("*", "en"),
        ("\u00ff;;;=,,q", "en"),
    ],
)
def test_a_browser_gets_the_language_that_it_wants_most(asked: str, best: str) -> None:
    assert best_of(asked) == best


def test_a_language_is_spoken_for_a_while() -> None:
    with speaking("pt-BR"):
        assert (spoken().tag, _("Backups")) == ("pt-BR", "Backups")
        with speaking("xx"):
            assert spoken().tag == "en"
        assert copy_context().run(lambda: spoken().tag) == "pt-BR", "in a thread of the request"
    assert spoken().tag == "en"
    with speaking("en"):
        speak("pt-BR")
        speak("xx")
        speak(None)
        assert spoken().tag == "pt-BR"
    assert spoken().tag == "en"


def test_what_a_catalogue_lacks_is_told_in_english() -> None:
    with speaking("pt-BR"):
        assert _("no such message %(name)s", name="100 %") == "no such message 100 %"
        assert ngettext("%(num)s such message", "%(num)s such messages", 2) == "2 such messages"
    assert ngettext("%(num)s such message", "%(num)s such messages", 1, num="one") == "one such message"


def test_two_requests_at_once_speak_each_its_own() -> None:
    async def request(tag: str) -> str:
        with speaking(tag):
            await asyncio.sleep(0)
            return spoken().tag

    async def both() -> list[str]:
        return list(await asyncio.gather(request("pt-BR"), request("en")))

    assert asyncio.run(both()) == ["pt-BR", "en"]
