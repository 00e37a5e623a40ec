"""Every page in every state that can be made, light and dark, wide and narrow: nothing for axe to say of any.

Here are the states of applications, and what operators and those who are not signed in see; the rest of an account's
pages have a module of their own, so that two processes walk at once.
"""

from __future__ import annotations

import pytest
from kit.axe import walked
from kit.walk import Walk
from kit.windows import Visit

pytestmark = pytest.mark.timeout(400)  # half a minute on a quiet machine


def test_axe_finds_nothing_in_any_state(walk: Walk, visit: Visit) -> None:
    found = []
    for person in walk.people:
        found += walked(visit(walk.site.url), person, [name for name in person.pages if name not in walk.inner])
    assert not found, "\n".join(found)
