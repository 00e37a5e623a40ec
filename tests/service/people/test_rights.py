"""Grants: who gives what, and what is left of two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.service.errors import Invalid
from holdfast.service.people.rights import ALL, GROUPS, Grant, Right, parsed_rights, stored_grant, stored_rights

APPS = ("a", "b", "c")
grants = st.builds(
    Grant,
    st.frozensets(st.sampled_from(list(Right))),
    st.none() | st.frozensets(st.sampled_from(APPS)),
)


def allowed(grant: Grant) -> set[tuple[Right, str | None]]:
    return {(right, app) for right in Right for app in (None, *APPS) if grant.allows(right, app)}


@given(grants, grants)
def test_what_both_give_and_no_more(one: Grant, other: Grant) -> None:
    both = one.bounded_by(other)
    assert allowed(both) == allowed(one) & allowed(other)
    assert both.is_within(one)
    assert both.is_within(other)


@given(grants, grants)
def test_within_is_never_more(one: Grant, other: Grant) -> None:
    if one.is_within(other):
        assert allowed(one) <= allowed(other)
    assert one.is_within(ALL)


def test_groups_grow_and_are_as_documented() -> None:
    view, manager, maintain, admin, owner = GROUPS.values()
    assert view < manager < maintain < admin < owner
    assert set(view) == {right for right in Right if right.endswith(".read")}
    assert owner - admin == {Right.ACCOUNT_ERASE, Right.ACCOUNT_TRANSFER}
    assert owner - stored_rights("main") == {Right.ACCOUNT_ERASE}


def test_requests_are_parsed_or_refused() -> None:
    assert parsed_rights("maintain", None) == "maintain"
    assert parsed_rights(None, ["audit.read", "backups.read"]) == "backups.read audit.read"
    assert stored_grant("backups.read", ("a",)) == Grant(frozenset({Right.BACKUPS_READ}), frozenset({"a"}))
    for group, rights, code in (
        ("boss", None, "INVALID_GROUP"),
        ("main", None, "INVALID_GROUP"),
        (None, ["backups.eat"], "INVALID_RIGHTS"),
        (None, [], "INVALID_RIGHTS"),
        (None, None, "INVALID_RIGHTS"),
        ("view", ["backups.read"], "INVALID_RIGHTS"),
    ):
        with pytest.raises(Invalid) as refused:
            parsed_rights(group, rights)
        assert refused.value.code == code
