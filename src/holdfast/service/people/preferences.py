"""Preferences of a person: the language, the theme and the time zone of the pages that he is shown.

They are his own, on whatever accounts he is; so they are in no account's audit, but in the instance's.
"""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from holdfast.catalog.people.preferences import set_preferences as store
from holdfast.catalog.people.records import Preferences as Preferences
from holdfast.service.errors import Invalid, PermissionDenied
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import languages
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OperatorCaller

THEMES = ("light", "dark")


@cache
def time_zones() -> tuple[str, ...]:
    """Return the names of the time zones that can be chosen: of places, and UTC."""
    left_out = ("Etc", "SystemV", "US", "Canada", "Brazil", "Mexico", "Chile")  # older names of the same
    places = (name for name in available_timezones() if "/" in name and name.partition("/")[0] not in left_out)
    return (*sorted(places), "UTC")


@cache
def zone_named(name: str) -> ZoneInfo | None:
    """Return a time zone by its name; None for one that this machine does not know."""
    return ZoneInfo(name) if name in available_timezones() else None


def checked(language: str, theme: str, time_zone: str) -> Preferences:
    """Return preferences as a form has them, where empty means that none is chosen. Raises Invalid (PREFERENCES)."""
    if language and language not in languages():
        raise Invalid("PREFERENCES", "Choose one of the languages of the list.")
    if theme and theme not in THEMES:
        raise Invalid("PREFERENCES", "Choose the light theme, the dark one, or as the system has it.")
    if time_zone and (len(time_zone) > 64 or zone_named(time_zone) is None):
        raise Invalid("PREFERENCES", "Choose one of the time zones of the list.")
    return Preferences(language or None, theme or None, time_zone or None)


def set_preferences(instance: Instance, caller: Caller | OperatorCaller, chosen: Preferences) -> None:
    """Set the preferences of whoever is signed in."""
    if caller.person_id is None:  # no page of a session comes here
        raise PermissionDenied("a person")
    store(instance.catalog, caller.person_id, chosen, caller.actor, instance.clock.now_ns())
