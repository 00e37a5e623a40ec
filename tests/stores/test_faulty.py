"""Faults at every effect, and what the store holds after each."""

from __future__ import annotations

from functools import partial

import pytest
from kit.stores.faulty import Crash, Effect, EffectKind, Fault, FaultyStore, When

from holdfast.stores.memory import MemoryStore
from holdfast.stores.port import Store, StoreFull


def operation(store: Store) -> None:
    """A small piece of work with every kind of effect."""
    store.put("first", b"1")
    writer = store.writer()
    writer.write(b"ab")
    writer.write(b"cd")
    writer.commit("second")
    store.delete("first")


def after(fault: Fault | None) -> tuple[dict[str, bytes], list[Effect]]:
    """What the store holds when the deed was stopped by a fault, and the effects that were asked for."""
    inner = MemoryStore()
    store = FaultyStore(inner, fault)
    if fault is None:
        operation(store)
    else:
        with pytest.raises(Crash):
            operation(store)
    return {name: inner.get(name) for name, _ in inner.list("")}, store.effects


def test_every_effect_is_counted() -> None:
    held, effects = after(None)
    assert held == {"second": b"abcd"}
    assert [(e.number, e.kind.value, e.name, e.size) for e in effects] == [
        (0, "put", "first", 1),
        (1, "write", "", 2),
        (2, "write", "", 2),
        (3, "commit", "second", 0),
        (4, "delete", "first", 0),
    ]


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (When.BEFORE, [[], ["first"], ["first"], ["first"], ["first", "second"]]),
        (When.TORN, [[], ["first"], ["first"], ["first"], ["first", "second"]]),
        (When.AFTER, [["first"], ["first"], ["first"], ["first", "second"], ["second"]]),
    ],
)
def test_a_crash_at_every_point(when: When, expected: list[list[str]]) -> None:
    for at, names in enumerate(expected):
        held, effects = after(Fault(at, when=when))
        assert sorted(held) == names
        assert len(effects) == at + 1


@pytest.mark.parametrize(("when", "kept"), [(When.BEFORE, b"ab"), (When.TORN, b"abc"), (When.AFTER, b"abcd")])
def test_how_much_of_a_write_happens(when: When, kept: bytes) -> None:
    store = FaultyStore(MemoryStore(), Fault(1, when=when, lasting=False))
    writer = store.writer()
    writer.write(b"ab")
    with pytest.raises(Crash):
        writer.write(b"cd")
    writer.commit("o")
    assert store.get("o") == kept


def test_after_a_lasting_fault_nothing_changes_any_more() -> None:
    inner = MemoryStore()
    store = FaultyStore(inner, Fault(1, partial(StoreFull, "It is full.")))
    store.put("before", b"x")
    for _ in range(3):
        with pytest.raises(StoreFull, match="full"):
            store.put("after", b"y")
    with pytest.raises(StoreFull):
        store.delete("before")
    store.writer().abort()
    assert store.get("before") == b"x"
    assert [name for name, _ in store.list("")] == ["before"]


def test_a_passing_fault_hits_once() -> None:
    store = FaultyStore(MemoryStore(), Fault(0, partial(StoreFull, "It is full."), lasting=False))
    with pytest.raises(StoreFull):
        store.put("o", b"x")
    store.put("o", b"x")
    assert store.get("o") == b"x"


def test_someone_may_look_or_act_before_each_effect() -> None:
    inner = MemoryStore()
    seen: list[tuple[EffectKind, list[str]]] = []
    operation(
        FaultyStore(inner, before=lambda effect: seen.append((effect.kind, [name for name, _ in inner.list("")])))
    )
    assert seen[0] == (EffectKind.PUT, [])
    assert seen[-1] == (EffectKind.DELETE, ["first", "second"])
