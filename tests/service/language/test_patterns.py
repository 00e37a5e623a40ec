"""Dates, spans, sizes, numbers and lists, as each language writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from holdfast.service.language import patterns
from holdfast.service.language.texts import languages, speaking
from holdfast.units import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

FRIDAY = date(2026, 11, 27)
WRITTEN: tuple[tuple[Callable[[], str], str, str], ...] = (
    (lambda: patterns.short_day(FRIDAY), "Fri 27~Nov", "sex., 27~de~nov."),
    (lambda: patterns.short_day(FRIDAY, with_year=True), "Fri 27~Nov 2026", "sex., 27~de~nov. de 2026"),
    (
        lambda: patterns.full_day(FRIDAY),
        "Friday 27~November 2026",
        "sexta-feira, 27~de~novembro de 2026",
    ),
    (
        lambda: patterns.full_day(FRIDAY, with_year=False),
        "Friday 27~November",
        "sexta-feira, 27~de~novembro",
    ),
    (lambda: patterns.day_and_month(FRIDAY), "27~Nov", "27~de~nov."),
    (lambda: patterns.day_and_month(date(2026, 9, 1)), "1~Sep", "1~de~set."),
    (lambda: patterns.month(FRIDAY), "November", "Novembro"),
    (lambda: patterns.month(FRIDAY, with_year=True), "November 2026", "Novembro de 2026"),
    (lambda: patterns.weekday(0), "Monday", "segunda-feira"),
    (lambda: patterns.number(23_464), "23,464", "23.464"),
    (lambda: patterns.decimal(1234.56, 1), "1,234.6", "1.234,6"),
    (lambda: patterns.size(81_900_000), "81.9~MB", "81,9~MB"),
    (lambda: patterns.size(7), "7~B", "7~B"),
    (lambda: patterns.ago(11 * HOUR_NS), "11 hours ago", "há 11 horas"),
    (lambda: patterns.ago(MINUTE_NS), "1 minute ago", "há 1 minuto"),
    (lambda: patterns.ahead(13 * HOUR_NS), "in 13 hours", "em 13 horas"),
    (lambda: patterns.span(2 * DAY_NS), "2 days", "2 dias"),
    (lambda: patterns.span_glued(58 * SECOND_NS), "58~s", "58~s"),
    (lambda: patterns.span_glued(12 * MINUTE_NS), "12~minutes", "12~minutos"),
    (lambda: patterns.series(["a"]), "a", "a"),
    (lambda: patterns.series(["a", "b"]), "a and b", "a e b"),
    (lambda: patterns.series(["a", "{1}", "c"]), "a, {1} and c", "a, {1} e c"),
)


@pytest.mark.parametrize(
    ("write", "english", "portuguese"), WRITTEN, ids=lambda one: one if isinstance(one, str) else ""
)
def test_each_language_writes_as_its_readers_do(write: Callable[[], str], english: str, portuguese: str) -> None:
    assert write().replace("\u00a0", "~") == english
    with speaking("pt-BR"):
        assert write().replace("\u00a0", "~") == portuguese
    assert write().replace("\u00a0", "~") == english


def test_each_language_has_all_of_its_names() -> None:
    assert set(languages()) >= {"en", "pt-BR"}
    for tag, language in languages().items():
        own = language.patterns
        assert own.name, tag
        for names in (own.months, own.months_alone, own.months_short):
            assert len(set(names)) == 12, tag
        assert len(set(own.days)) == len(set(own.days_short)) == 7, tag
        forms = {language.plural(count) for count in range(1000)}
        for templates in (own.spans, own.past, own.future):
            assert set(templates) == {"day", "hour", "minute"}, tag
            assert all(len(one) == len(forms) for one in templates.values()), tag
