"""Every code that is raised has a test, and answers with the status of its class."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.codes import raised_codes
from kit.world import World, world

from holdfast.catalog.records import SYSTEM
from holdfast.service.credentials.log_in import Browser, log_in
from holdfast.service.credentials.password_links import email_of_link, get_person
from holdfast.service.credentials.second_factor import new_app, reset_second_factor, set_up
from holdfast.service.errors import Conflict, NotFound, ServiceError
from holdfast.service.notify.mail import send_test
from holdfast.service.people.operators import OperatorCaller, add_operator, get_operator
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app, find_app
from holdfast.web.http.errors import ApiError, BadRequest, ConditionFailed, answer_error, known_error

__all__ = ["world"]

TESTS = Path(__file__).parents[2]
CONFLICTS = (
    *("EMAIL_TAKEN", "APP_NAME_TAKEN", "AMBIGUOUS_NAME", "DATABASE_NAME_TAKEN", "DATABASE_CONFIGURED"),
    *("DATABASE_OTHER_KIND", "DATABASES_FOLDER_IN_USE", "PRUNE_IN_PROGRESS", "PROVE_IN_PROGRESS"),
    *("RESTORE_HALF_DONE", "SAFETY_BACKUP_FAILED"),
)


@pytest.mark.parametrize("code", CONFLICTS)
def test_a_conflict_is_409_from_any_route(code: str) -> None:
    known = known_error(Conflict(code, "It is in the wrong state."))
    assert known is not None
    answer = answer_error(known)
    assert (answer.status, json.loads(answer.body)["code"], raised_codes()[code]) == (409, code, 409)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (NotFound, "DATABASE_NOT_FOUND", 404),
        (BadRequest, "INVALID_BODY", 400),
        (ConditionFailed, "PRECONDITION_FAILED", 412),
    ],
)
def test_the_class_carries_the_status(error: type[ServiceError | ApiError], code: str, status: int) -> None:
    known = known_error(error(code, "It is so."))
    assert known is not None
    assert answer_error(known).status == status == raised_codes()[code]


def test_every_code_has_a_test() -> None:
    texts = "".join(path.read_text() for path in sorted(TESTS.rglob("test_*.py")))
    assert not [code for code, status in raised_codes().items() if code not in texts and status != 500]


def code_of(error: pytest.ExceptionInfo[ServiceError]) -> str:
    return error.value.code


def test_names_that_are_taken(world: World, tmp_path: Path) -> None:
    with pytest.raises(Conflict) as taken:
        add_account(world.instance, "ana@example.com", "Silver", SYSTEM)
    assert code_of(taken) == "EMAIL_TAKEN"
    with pytest.raises(Conflict) as taken:
        add_app(world.instance, world.account.id, "bot", world.root, SYSTEM)
    assert code_of(taken) == "APP_NAME_TAKEN"
    other = add_account(world.instance, "bo@example.com", "Silver", SYSTEM).account
    folder = tmp_path / "other"
    folder.mkdir()
    add_app(world.instance, other.id, "bot", folder, SYSTEM)
    with pytest.raises(Conflict) as taken:
        find_app(world.instance, "bot")
    assert code_of(taken) == "AMBIGUOUS_NAME"


def test_people_who_are_not_there_and_mail_that_does_not_go(world: World) -> None:
    def code(operation: Callable[[], object]) -> str:
        with pytest.raises(ServiceError) as refused:
            operation()
        return code_of(refused)

    instance, email = world.instance, "nobody@example.com"
    add_operator(instance, "op@example.com", SYSTEM)
    assert code(lambda: add_operator(instance, "op@example.com", SYSTEM)) == "OPERATOR_EXISTS"
    assert code(lambda: get_operator(instance, email)) == "OPERATOR_NOT_FOUND"
    assert code(lambda: get_person(instance, email)) == "PERSON_NOT_FOUND"
    assert code(lambda: email_of_link(instance, "none")) == "PASSWORD_LINK_NOT_FOUND"
    assert code(lambda: log_in(instance, email, "a password of nobody", Browser("127.0.0.1", "", None))) == (
        "PASSWORD_REFUSED"
    )
    assert code(lambda: send_test(instance, email)) == "MAIL_NOT_SENT"
    assert code(lambda: reset_second_factor(instance, "op@example.com", SYSTEM)) == "SECOND_FACTOR_MISSING"
    operator = OperatorCaller(SYSTEM, get_operator(instance, "op@example.com").id, "s", elevated_until=2**62)
    sealed = new_app(instance, operator).sealed
    assert code(lambda: set_up(instance, operator, None, sealed, "")) == "PASSWORD_MISSING"


OF_PAGES = {
    401: ("CODE_REFUSED", "PASSKEY_REFUSED"),
    403: ("SECOND_FACTOR_REQUIRED", "VIEW_ONLY", "HAND_OVER_REFUSED", "IDENTITY_REFUSED", "IDENTITY_NOT_LINKED"),
    404: ("IDENTITY_NOT_FOUND", "PASSKEY_NOT_FOUND", "PROVIDER_NOT_FOUND", "CHOICE_NOT_FOUND"),
    409: (
        *("VIEW_OFF", "PASSKEY_EXISTS", "TOO_MANY_PASSKEYS", "SECOND_FACTOR_EXISTS"),
        *("LAST_WAY_IN", "IDENTITY_TAKEN", "IDENTITY_NOT_PROVED", "OTHER_WAY_IN"),
        "APP_NAMED_BY_HOST",
    ),
    503: ("PROVIDER_UNAVAILABLE",),
}
"""Codes that pages alone answer with; tests of those pages see them as their headings."""


@pytest.mark.parametrize(("status", "known"), [(status, one) for status, codes in OF_PAGES.items() for one in codes])
def test_codes_of_pages_have_their_status(status: int, known: str) -> None:
    assert raised_codes()[known] == status
