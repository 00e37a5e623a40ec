"""The pages within an account and its applications: files, restores, jobs, people, keys, as in `test_states`."""

from __future__ import annotations

import pytest
from kit.axe import walked
from kit.walk import Walk
from kit.windows import Visit

pytestmark = pytest.mark.timeout(400)  # half a minute on a quiet machine


def test_axe_finds_nothing_on_any_page(walk: Walk, visit: Visit) -> None:
    owner = next(person for person in walk.people if set(walk.inner) <= set(person.pages))
    found = walked(visit(walk.site.url), owner, walk.inner)
    assert not found, "\n".join(found)
