"""Bounds on trying passwords: by person, and by the address that tries.

A try counts before the password is looked at, so those of many requests at once count too; a right one gives the
person's back. Links and passkeys are not bound by it, so nobody can lock somebody out for good.
"""

from __future__ import annotations

import hashlib

from litestar.types import Scope

from holdfast.service.language.texts import _
from holdfast.web.context import Context
from holdfast.web.http.errors import keep_calm


def one_try(context: Context, scope: Scope, person: str) -> None:
    """Count a password that is about to be tried. `person`: whose, also of an address nobody has. Raises KEEP_CALM."""
    now, address = context.now(), context.addresses.capped(scope)
    seconds = 0.0 if address is None else context.log_in_throttle.attempt_failed(address, now)
    if seconds:
        raise keep_calm(seconds)
    if seconds := context.password_throttle.attempt_failed(_short(person), now):
        raise keep_calm(seconds, _("Too many passwords were tried for this address"))


def tried_well(context: Context, scope: Scope, person: str) -> None:
    """Forget the tries of a person whose password was right, and the one of his address."""
    context.password_throttle.forget(_short(person))
    address = context.addresses.capped(scope)
    if address is not None:
        context.log_in_throttle.give_back(address)


def one_code(context: Context, scope: Scope, person_id: str) -> None:
    """Count a code that is about to be tried, by whoever knows the person's password. Raises KEEP_CALM."""
    now, address = context.now(), context.addresses.capped(scope)
    seconds = 0.0 if address is None else context.log_in_throttle.attempt_failed(address, now)
    if seconds:
        raise keep_calm(seconds)
    if seconds := context.code_throttle.attempt_failed(_short(person_id), now):
        raise keep_calm(seconds, "Too many codes were tried")


def code_fitted(context: Context, scope: Scope, person_id: str) -> None:
    """Forget the tries of a person whose code was right, and the one of his address."""
    context.code_throttle.forget(_short(person_id))
    address = context.addresses.capped(scope)
    if address is not None:
        context.log_in_throttle.give_back(address)


def one_round(context: Context, scope: Scope) -> None:
    """Count somebody who goes to another site to sign in. Raises KEEP_CALM."""
    address = context.addresses.capped(scope)
    seconds = 0.0 if address is None else context.log_in_throttle.attempt_failed(address, context.now())
    if seconds:
        raise keep_calm(seconds)


def came_back(context: Context, scope: Scope) -> None:
    """Forget one of an address who came back from there, and is who he says."""
    address = context.addresses.capped(scope)
    if address is not None:
        context.log_in_throttle.give_back(address)


def _short(person: str) -> str:
    """Return a name of bounded length: people type anything, and the buckets are many."""
    return hashlib.sha256(person.encode()).hexdigest()


def may_mail(context: Context, scope: Scope, email: str) -> bool:
    """True if a mail may go to an address that somebody typed; a false answer is told to nobody. Raises KEEP_CALM."""
    now, address = context.now(), context.addresses.capped(scope)
    seconds = 0.0 if address is None else context.log_in_throttle.attempt_failed(address, now)
    if seconds:
        raise keep_calm(seconds)
    return not context.mail_throttle.attempt_failed(_short(email), now)
