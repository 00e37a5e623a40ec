from __future__ import annotations

from holdfast.web.http.throttle import ADDRESSES_MAX, Throttle


def test_a_burst_is_let_through_then_one_per_refill() -> None:
    throttle = Throttle(burst=3, per_second=0.5)
    assert [throttle.attempt_failed("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert throttle.attempt_failed("a", 0.0) == 2.0
    assert throttle.attempt_failed("a", 1.0) == 1.0
    assert throttle.attempt_failed("a", 2.0) == 0.0
    assert throttle.attempt_failed("a", 2.0) == 2.0


def test_addresses_do_not_disturb_each_other() -> None:
    throttle = Throttle(burst=1, per_second=1.0)
    assert throttle.attempt_failed("a", 0.0) == 0.0
    assert throttle.attempt_failed("a", 0.0) > 0
    assert throttle.attempt_failed("b", 0.0) == 0.0


def test_a_rest_fills_the_bucket_but_not_over_its_brim() -> None:
    throttle = Throttle(burst=2, per_second=1.0)
    throttle.attempt_failed("a", 0.0)
    assert [throttle.attempt_failed("a", 1000.0) > 0 for _ in range(3)] == [False, False, True]


def test_the_number_of_remembered_addresses_is_bounded() -> None:
    throttle = Throttle(burst=1, per_second=0.001)
    for number in range(ADDRESSES_MAX + 1):
        throttle.attempt_failed(str(number), 0.0)
    assert throttle.attempt_failed("0", 0.0) == 0.0, "the oldest was forgotten"
    assert throttle.attempt_failed(str(ADDRESSES_MAX), 0.0) > 0, "the newest was not"
