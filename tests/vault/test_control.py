"""Control: cancels, stops and progress, and the throttles between them and whoever asks and listens."""

from __future__ import annotations

import pytest

from holdfast.vault.control import NEVER, Control, Progress
from holdfast.vault.errors import Cancelled, Stopped

EVERY_NS = 500


class Clock:
    """A clock that the test moves; it starts anywhere."""

    def __init__(self, now_ns: int = 7) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


class Asked:
    """A cancel that can be asked for; counts the questions."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self.questions = 0

    def __call__(self) -> bool:
        self.questions += 1
        return self.is_cancelled


def at(done: int) -> Progress:
    return Progress(done, 10 * done, 9, 90)


def test_never_neither_cancels_nor_reports() -> None:
    NEVER.check("It was cancelled.")
    NEVER.progress(at(1))
    assert not NEVER.is_cancelled()


def test_a_cancel_raises_the_sentence_of_the_work() -> None:
    control = Control(lambda: True)
    with pytest.raises(Cancelled, match=r"^The check was cancelled\.$"):
        control.check("The check was cancelled.")


def test_without_an_interval_every_call_goes_through() -> None:
    asked, heard = Asked(), list[Progress]()
    control = Control(asked, heard.append)
    for done in range(3):
        control.check("It was cancelled.")
        control.progress(at(done))
    assert asked.questions == 3
    assert heard == [at(0), at(1), at(2)]


def test_it_asks_at_once_and_then_at_most_once_an_interval() -> None:
    clock, asked = Clock(), Asked()
    control = Control(asked, now_ns=clock, every_ns=EVERY_NS)
    control.check("It was cancelled.")
    asked.is_cancelled = True
    clock.now_ns += EVERY_NS - 1
    for _ in range(100):
        control.check("It was cancelled.")
    assert asked.questions == 1
    clock.now_ns += 1
    with pytest.raises(Cancelled):
        control.check("It was cancelled.")
    assert asked.questions == 2


def test_a_cancel_stays() -> None:
    asked = Asked()
    control = Control(asked)
    asked.is_cancelled = True
    assert control.is_cancelled()
    asked.is_cancelled = False
    assert control.is_cancelled()
    assert asked.questions == 1


def test_progress_is_reported_at_once_and_then_at_most_once_an_interval() -> None:
    clock, heard = Clock(), list[Progress]()
    control = Control(report=heard.append, now_ns=clock, every_ns=EVERY_NS)
    for done in range(5):
        control.progress(at(done))
        clock.now_ns += EVERY_NS // 2
    assert heard == [at(0), at(2), at(4)]


def test_asking_and_reporting_do_not_wait_for_each_other() -> None:
    clock, asked, heard = Clock(), Asked(), list[Progress]()
    control = Control(asked, heard.append, now_ns=clock, every_ns=EVERY_NS)
    control.check("It was cancelled.")
    control.progress(at(1))
    assert (asked.questions, heard) == (1, [at(1)])


def test_a_stop_passes_through_as_itself() -> None:
    def stopped() -> bool:
        raise Stopped("The server was stopped before it was finished.")

    with pytest.raises(Stopped, match="The server was stopped"):
        Control(outer=Control(stopped), every_ns=EVERY_NS, now_ns=Clock()).check("The backup was cancelled.")


def test_a_cancel_that_was_seen_goes_before_a_stop() -> None:
    def stopped() -> bool:
        raise Stopped("The server was stopped before it was finished.")

    control = Control(lambda: True, outer=Control(stopped))
    with pytest.raises(Cancelled, match="The backup was cancelled") as caught:
        control.check("The backup was cancelled.")
    assert caught.type is Cancelled


def test_the_outer_control_has_throttles_of_its_own() -> None:
    clock, asked, outer_asked = Clock(), Asked(), Asked()
    heard, outer_heard = list[Progress](), list[Progress]()
    outer = Control(outer_asked, outer_heard.append)
    control = Control(asked, heard.append, outer=outer, now_ns=clock, every_ns=EVERY_NS)
    for done in range(3):
        control.check("It was cancelled.")
        control.progress(at(done))
    assert (asked.questions, heard) == (1, [at(0)])
    assert (outer_asked.questions, outer_heard) == (3, [at(0), at(1), at(2)])
    outer_asked.is_cancelled = True
    assert control.is_cancelled()
