"""The forms of the main API key against whoever would have it: another site, a second press, somebody else's rights."""

from __future__ import annotations

import httpx
import pytest
from kit.browser import HERE, form_of, signed_in
from kit.site import Site

KEYS, SHOW, ROTATE = "/account/keys", "/account/main-key/show", "/account/main-key/rotate"


def opens(site: Site, key: str) -> int:
    with site.client(key) as api:
        return api.get("/v3/account").status_code


@pytest.mark.parametrize("action", [SHOW, ROTATE])
def test_only_a_form_of_our_own_page_gets_the_key(site: Site, http: httpx.Client, action: str) -> None:
    signed_in(site, http)
    form = form_of(http.get(KEYS), action) | {"overlap": "0"}
    other = form_of(http.get(KEYS), ROTATE if action == SHOW else SHOW)["form_token"]
    tries = [http.post(action, data=form, headers={"Sec-Fetch-Site": "cross-site"})]
    tries += [http.post(action, data=form | {"form_token": bad}, headers=HERE) for bad in ("", other)]
    with site.client() as admin:
        signed_in(site, admin, email="eva@example.org", rights="admin")
        tries.append(admin.post(action, data=form, headers=HERE))
    assert [(one.status_code, "hf_" in one.text) for one in tries] == [(403, False)] * 4
    assert opens(site, site.silver.api_key) == 200


def test_a_form_that_is_sent_twice_replaces_one_key(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    form = form_of(http.get(KEYS), ROTATE) | {"overlap": "3600"}
    first = http.post(ROTATE, data=form, headers=HERE)
    new = first.text.partition('<pre class="secret" tabindex="0">')[2].partition("<")[0]
    again = http.post(ROTATE, data=form | {"overlap": "0"}, headers=HERE)
    assert (first.status_code, again.status_code) == (201, 409)
    assert (opens(site, new), opens(site, site.silver.api_key)) == (200, 200)
