"""Forget what has ended: it opens nothing from its end on, and here its rows go, some time later."""

from __future__ import annotations

from holdfast.catalog.people.ended import delete_ended
from holdfast.service.instance.home import Instance


def forget_ended(instance: Instance, now_ns: int) -> int:
    """Delete the rows of links, invitations, sessions, sign-in links and keys that have ended; return how many."""
    return delete_ended(instance.catalog, now_ns)
