"""Who gets a place for a download, and who has to give one up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from holdfast.web.http.errors import ApiError
from holdfast.web.places import (
    OF_ACCOUNT_MAX,
    OF_LINK_MAX,
    SLOW_BYTES_PER_SECOND,
    SLOW_SECONDS,
    Downloader,
    Place,
    Places,
)


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def caller(
    account: str = "a", address: str | None = "1", link: str | None = "l", *, is_keyed: bool = False
) -> Downloader:
    return Downloader(account, address, link, is_keyed)


def keyed(account: str = "a", address: str | None = "1") -> Downloader:
    return caller(account, address, None, is_keyed=True)


def take(places: Places, held: ExitStack, *callers: Downloader) -> list[Place]:
    return [held.enter_context(places.taken(one)) for one in callers]


def refusal(places: Places, one: Downloader) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused, places.taken(one):
        pass
    assert refused.value.headers[0][0] == b"retry-after"
    return refused.value.http_status, refused.value.message


def test_a_link_has_half_of_the_places_of_its_account(clock: Clock, held: ExitStack) -> None:
    places = Places(1000, 1000, clock)
    take(places, held, *[caller(address=str(n)) for n in range(OF_LINK_MAX)])
    assert refusal(places, caller(address="new")) == (429, "16 downloads with this link run already; wait 30 s.")
    take(places, held, caller(link="other"))


def test_an_address_has_no_more_whatever_the_links(clock: Clock, held: ExitStack) -> None:
    places = Places(1000, 3, clock)
    take(places, held, *[caller(account=str(n), link=str(n)) for n in range(3)])
    assert refusal(places, caller("new", link="new"))[0] == 429
    take(places, held, caller("new", address="2"), caller("new", address=None), caller("new", address=None))


def test_callers_with_a_key_have_places_of_their_own(clock: Clock, held: ExitStack) -> None:
    places = Places(1000, 1000, clock)
    unkeyed = OF_ACCOUNT_MAX * 3 // 4
    take(places, held, *[caller(address=str(n), link=str(n % 5)) for n in range(unkeyed)])
    assert refusal(places, caller(address="new", link="new"))[0] == 429
    take(places, held, *[keyed() for _ in range(OF_ACCOUNT_MAX - unkeyed)])
    assert refusal(places, keyed()) == (429, "32 downloads of this account run already; wait 30 s.")
    take(places, held, caller("b"))


def test_in_all_too_and_that_is_503(clock: Clock, held: ExitStack) -> None:
    places = Places(8, 1000, clock)
    take(places, held, *[caller(str(n), str(n), str(n)) for n in range(6)])
    assert refusal(places, caller("new", "new", "new"))[0] == 503
    take(places, held, keyed("new"), keyed("other"))
    assert refusal(places, keyed("third"))[0] == 503


def test_a_place_is_free_again_when_its_download_ends(clock: Clock, held: ExitStack) -> None:
    places = Places(4, 1, clock)
    for _ in range(10):
        with places.taken(caller()):
            assert len(places) == 1
    assert len(places) == 0


def test_the_slowest_ends_when_others_wait_and_only_then(clock: Clock, held: ExitStack) -> None:
    places = Places(4, 1000, clock)
    fast, slow, stalled = take(places, held, caller(), caller(), caller())
    for _ in range(3):
        clock.seconds += SLOW_SECONDS
        fast.took(int(SLOW_BYTES_PER_SECOND * SLOW_SECONDS) + 1)
        slow.took(int(SLOW_BYTES_PER_SECOND * SLOW_SECONDS / 2))
    assert (fast.is_ended, slow.is_ended, stalled.is_ended) == (False, False, False), "nobody waited"
    take(places, held, caller("b"))
    assert (fast.is_ended, slow.is_ended, stalled.is_ended) == (False, False, True)
    take(places, held, caller("b"))
    assert (fast.is_ended, slow.is_ended) == (False, True)
    assert refusal(places, caller("b"))[0] == 503, "what is not slow stays, also the new ones"
    assert not fast.is_ended
    assert len(places) == 3


def test_one_that_was_fast_and_stands_still_is_slow_a_minute_later(clock: Clock, held: ExitStack) -> None:
    places = Places(4, 1, clock)
    (place,) = take(places, held, caller())
    place.took(10**9)
    clock.seconds += SLOW_SECONDS - 1
    assert place.rate() is None
    assert refusal(places, caller())[0] == 429
    clock.seconds += 1
    assert place.rate() == 0
    take(places, held, caller())
    assert place.is_ended


def test_the_end_of_a_slow_one_is_for_those_that_share_its_cap(clock: Clock, held: ExitStack) -> None:
    places = Places(1000, 1, clock)
    (other, own) = take(places, held, caller("x", "2"), caller("x", "1"))
    clock.seconds += 3 * SLOW_SECONDS
    take(places, held, caller("b", "1"))
    assert (other.is_ended, own.is_ended) == (False, True)
