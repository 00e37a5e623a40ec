"""Signing in as a browser does it."""

from __future__ import annotations

import re
from typing import Any

import httpx

from holdfast.catalog.records import SYSTEM
from holdfast.service.people.operators import add_operator, make_operator_link
from holdfast.service.people.sign_in import make_sign_in_link
from kit.site import Site

OPENED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}
HERE = {"Sec-Fetch-Site": "same-origin"}


def link(site: Site, **more: Any) -> str:
    return make_sign_in_link(site.instance, site.silver.account, SYSTEM, **more).url


def signed_in(site: Site, http: httpx.Client, **more: Any) -> httpx.Response:
    """Open a sign-in link; `http` is signed in then."""
    answer = http.get(link(site, **more), headers=OPENED)
    assert answer.status_code == 303, answer.text
    return answer


OPERATOR_EMAIL = "rui@example.org"


def operator_signed_in(site: Site, http: httpx.Client) -> httpx.Response:
    """Make an operator and open his link; `http` is signed in as him then."""
    link = make_operator_link(site.instance, add_operator(site.instance, OPERATOR_EMAIL, SYSTEM), SYSTEM)
    answer = http.get(link.url, headers=OPENED)
    assert answer.status_code == 303, answer.text
    return answer


def form_of(page: httpx.Response, action: str) -> dict[str, str]:
    """The hidden fields of the form that posts to a path."""
    found = re.search(rf'<form[^>]* action="{re.escape(action)}">(.*?)</form>', page.text, re.DOTALL)
    assert found is not None, page.text
    return dict(re.findall(r'name="(\w+)" value="(\w*)"', found[1]))
