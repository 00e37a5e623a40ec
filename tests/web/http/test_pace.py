"""Large buffers are for clients that are fast, and for few of them at once."""

from __future__ import annotations

from holdfast.web.http.pace import FAST_BYTES_PER_SECOND, LARGE_BYTES, MEASURED_BYTES, SMALL_BYTES, LargeBuffers, Pace


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_it_begins_small_grows_when_its_client_is_fast_and_shrinks_when_it_is_not() -> None:
    clock = Clock()
    pace = Pace(LargeBuffers(), clock)
    pace.took(MEASURED_BYTES - 1)
    assert pace.buffer_bytes() == SMALL_BYTES
    pace.took(1)
    assert pace.buffer_bytes() == LARGE_BYTES
    clock.seconds += 1.1 * MEASURED_BYTES / FAST_BYTES_PER_SECOND
    pace.took(MEASURED_BYTES)
    assert pace.buffer_bytes() == SMALL_BYTES


def test_only_so_many_are_large_at_once() -> None:
    large = LargeBuffers(2)
    paces = [Pace(large, Clock()) for _ in range(3)]
    for pace in paces:
        pace.took(MEASURED_BYTES)
    assert [pace.is_large for pace in paces] == [True, True, False]
    paces[0].close()
    paces[0].close()
    paces[2].took(MEASURED_BYTES)
    assert [pace.is_large for pace in paces] == [False, True, True]
