"""The second factor as a browser meets it: setting it up, the step after the password, and attacks on each."""

from __future__ import annotations

import html
import re

import httpx
import msgspec
import pyotp
import pytest
from kit.browser import HERE, OPENED, form_of, link, operator_signed_in, signed_in
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.people.passwords import credentials_by_email
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.service.credentials.log_in import HALF_NS
from holdfast.service.credentials.password_links import make_password_link
from holdfast.service.credentials.second_factor import STEP_NS, fitting_code, reset_second_factor
from holdfast.web.http.throttle import Throttle

GOOD, OTHER = "seven rare otters sing", "eight quiet herons wait"
PAGE, SET_UP, STEP = "/account/log-in", "/account/log-in/authenticator", "/login/2fa"


class App:
    """Somebody's authenticator app, and his recovery codes. It never shows a code twice."""

    def __init__(self, site: Site, secret: str, recovery_codes: list[str]) -> None:
        self.site = site
        self.secret = secret
        self.recovery_codes = recovery_codes

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).generate_otp(self.site.instance.clock.now_ns() // STEP_NS + steps)

    def unused(self) -> str:
        """A right code, also within the half minute of the last one."""
        with self.site.instance.catalog.write() as connection:
            connection.exec_driver_sql("UPDATE second_factors SET last_step = 0")
        return self.code()

    def wrong(self) -> str:
        return next(code for n in range(9) if (code := f"{n:06}") not in [self.code(step) for step in range(-2, 3)])


def set_up(site: Site, http: httpx.Client) -> App:
    """Set a password and an authenticator app, in a session that is elevated."""
    fields = form_of(http.get("/account/password"), "/account/password") | {"new": GOOD, "again": GOOD}
    assert http.post("/account/password", data=fields, headers=HERE).status_code == 303
    shown = http.get(SET_UP)
    secret = re.sub(r"\s", "", re.findall(r'class="secret">([A-Z2-7 ]+)<', shown.text)[0])
    assert f"secret={secret}" in html.unescape(shown.text)
    assert not re.search(r"style=|<script(?! type)", shown.text)
    app = App(site, secret, [])
    form = form_of(shown, SET_UP)
    wrong = http.post(SET_UP, data=form | {"code": app.wrong()}, headers=HERE)
    assert (wrong.status_code, "not the right one" in wrong.text) == (401, True)
    form["form_token"] = form_of(wrong, SET_UP)["form_token"]
    done = http.post(SET_UP, data=form | {"code": app.code()}, headers=HERE)
    assert done.status_code == 201, done.text
    app.recovery_codes = re.findall(r"<code>([a-z2-7-]{19})</code>", done.text)
    assert len(set(app.recovery_codes)) == 10
    assert http.post(SET_UP, data=form | {"code": app.unused()}, headers=HERE).status_code == 409, "it is on"
    return app


@pytest.fixture
def app(site: Site) -> App:
    """Of the account's owner, whose address is proved."""
    with site.client() as http:
        signed_in(site, http)
        made = set_up(site, http)
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE second_factors SET is_proved = TRUE")
        connection.exec_driver_sql("UPDATE passwords SET account_ids = NULL")
    return made


def give_password(site: Site, http: httpx.Client, password: str = GOOD, to: str = "/") -> httpx.Response:
    fields = {"email": site.silver.account.email, "password": password, "return_to": to}
    return http.post("/login", data=fields, headers=HERE)


def give_code(http: httpx.Client, code: str) -> httpx.Response:
    return http.post(STEP, data=form_of(http.get(STEP), STEP) | {"code": code}, headers=HERE)


def actions(site: Site, start: str = "", count: int = 20) -> list[str]:
    wanted = AuditFilter(action=start) if start else AuditFilter()
    return [one.action for one in entries(site.instance.catalog, wanted, count)]


def test_a_code_is_asked_for_between_the_password_and_the_session(site: Site, http: httpx.Client, app: App) -> None:
    to = f"/apps/{site.app.id}"
    asked = give_password(site, http, to=to)
    assert (asked.status_code, asked.headers["location"]) == (303, f"{STEP}?return_to={to}")
    assert "holdfast" not in http.cookies
    assert 'autocomplete="one-time-code"' in http.get(STEP).text
    for path in ("/account", PAGE, to, "/elevate", "/live", "/account/password", "/v3/account"):
        assert http.get(path).status_code == 401, f"{path}: a half session opens nothing"
    half = http.cookies["holdfast-2fa"]
    with site.client() as other:
        other.cookies.set("holdfast", half, domain="127.0.0.1", path="/")
        assert other.get("/account").status_code == 401, "nor as the cookie of a session"
        assert other.get(STEP).headers["location"] == "/login", "it is bound to its browser"
    form = form_of(http.get(STEP), STEP)
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert http.post(STEP, data=form | {"code": app.unused()}, headers=elsewhere).status_code == 403
    assert http.post(STEP, data=form | {"form_token": "", "code": app.code()}, headers=HERE).status_code == 403
    assert give_code(http, app.wrong()).status_code == 401
    done = http.post(STEP, data=form | {"code": app.unused(), "return_to": to}, headers=HERE)
    assert (done.status_code, done.headers["location"], http.get(to).status_code) == (303, to, 200)
    assert "holdfast-2fa" not in http.cookies
    with site.client() as other:
        other.cookies.set("holdfast-2fa", half, domain="127.0.0.1", path="/")
        assert other.get(STEP).status_code == 303, "it is used up"
    assert actions(site, count=3) == ["session.created", "second_factor.failed", "log_in.begun"]


def test_a_code_lets_in_once_within_its_window(site: Site, http: httpx.Client, app: App) -> None:
    code = app.unused()
    give_password(site, http)
    with site.client() as other:
        give_password(site, other)
        assert [give_code(one, code).status_code for one in (http, other)] == [303, 401], "of two, one gets in"
        assert give_code(other, app.code(-1)).status_code == 401, "nor an older one after it"
        assert give_code(other, app.code(1)).status_code == 303, "the clock of a phone may be ahead"
    found = credentials_by_email(site.instance.catalog, site.silver.account.email)
    assert found is not None
    assert found.factor is not None
    fresh = found._replace(factor=msgspec.structs.replace(found.factor, last_step=0))
    tried = (app.code(-3), app.code(-1), app.code(3), "12345", "\uff11" * 6, "")
    fits = [fitting_code(site.instance, fresh, one) for one in tried]
    assert [one is not None for one in fits] == [False, True, False, False, False, False]


def test_a_recovery_code_lets_in_once(site: Site, http: httpx.Client, app: App) -> None:
    give_password(site, http)
    assert give_code(http, f" {app.recovery_codes[0].upper()} ").status_code == 303
    assert entries(site.instance.catalog, AuditFilter(action="recovery_code."), 1)[0].data == {"left": 9}
    assert "9 recovery codes are unused" in http.get(PAGE).text
    give_password(site, http)
    assert give_code(http, app.recovery_codes[0]).status_code == 401
    assert give_code(http, app.recovery_codes[1]).status_code == 303
    path = f"{SET_UP}/recovery-codes"
    made = http.post(path, data=form_of(http.get(PAGE), path), headers=HERE)
    assert (made.status_code, len(re.findall(r"<code>", made.text))) == (201, 10)
    give_password(site, http)
    assert give_code(http, app.recovery_codes[2]).status_code == 401, "the earlier ones work no more"
    with site.instance.catalog.read() as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM recovery_codes").all())
    assert app.recovery_codes[2] not in stored
    assert app.secret not in str(entries(site.instance.catalog, AuditFilter(), 50))


def test_codes_are_not_guessed(site: Site, http: httpx.Client, app: App) -> None:
    context = site.front.context
    context.code_throttle = Throttle(burst=3, per_second=1e-6)
    give_password(site, http)
    assert [give_code(http, app.wrong()).status_code for _ in range(4)] == [401, 401, 401, 429]
    assert give_code(http, app.unused()).status_code == 429, "a right one is not looked at"
    give_password(site, http)
    assert give_code(http, app.unused()).status_code == 429, "another log-in gives no more tries"
    context.code_throttle = Throttle(burst=3, per_second=1e-6)
    assert give_code(http, app.unused()).status_code == 303


@pytest.mark.parametrize("kind", ["late", "other password", "off"])
def test_a_half_session_ends(site: Site, http: httpx.Client, app: App, kind: str) -> None:
    give_password(site, http)
    form = form_of(http.get(STEP), STEP)
    with site.client() as other:
        give_password(site, other)
        give_code(other, app.unused())
        if kind == "other password":
            fields = form_of(other.get("/account/password"), "/account/password") | {"new": OTHER, "again": OTHER}
            assert other.post("/account/password", data=fields, headers=HERE).status_code == 303
        elif kind == "off":
            assert other.post(f"{SET_UP}/off", data=form_of(other.get(PAGE), f"{SET_UP}/off"), headers=HERE).is_redirect
            assert actions(site, "second_factor.removed") == ["second_factor.removed"]
        else:
            with site.instance.catalog.write() as connection:
                connection.exec_driver_sql(f"UPDATE half_sessions SET ends_at = ends_at - {HALF_NS}")
    answer = http.post(STEP, data=form | {"code": app.code(1)}, headers=HERE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert http.get("/account").status_code == 401


def test_elevation_asks_for_a_code_too(site: Site, http: httpx.Client, app: App) -> None:
    signed_in(site, http)
    for path in (f"{SET_UP}/off", f"{SET_UP}/recovery-codes"):
        asked = http.post(path, data=form_of(http.get(PAGE), path), headers=HERE)
        assert asked.headers["location"] == f"/elevate?return_to={PAGE}"
    form = form_of(http.get("/elevate"), "/elevate") | {"password": GOOD}
    assert http.post("/elevate", data=form, headers=HERE).status_code == 401
    assert http.post("/elevate", data=form | {"code": app.wrong()}, headers=HERE).status_code == 401
    code = app.unused()
    assert http.post("/elevate", data=form | {"code": code}, headers=HERE).status_code == 303
    assert http.get("/elevate").status_code == 303
    with site.client() as other:
        give_password(site, other)
        assert give_code(other, code).status_code == 401, "it was used here"
    assert actions(site, "elevation") + actions(site, "second_factor.failed") == ["second_factor.failed"] * 4, (
        "one of setting it up"
    )


@pytest.mark.parametrize("is_proved", [True, False])
def test_a_reset_of_the_password_drops_an_unproved_factor_alone(
    site: Site, http: httpx.Client, app: App, is_proved: bool
) -> None:
    """Whoever invites somebody may open the invitation, and would lock him out for good; a proved one stays."""
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql(f"UPDATE second_factors SET is_proved = {is_proved}")
    url = make_password_link(site.instance, site.silver.account.email, SYSTEM).url
    fields = {"token": url.partition("token=")[2], "new": OTHER, "again": OTHER}
    assert http.post("/forgot/new", data=fields, headers=HERE).status_code == 200
    done = give_password(site, http, OTHER)
    assert (done.headers["location"] == STEP, "holdfast" in http.cookies) == (is_proved, not is_proved)


def test_a_person_who_is_locked_out_is_let_in_by_the_command(site: Site, http: httpx.Client, app: App) -> None:
    signed_in(site, http)
    reset_second_factor(site.instance, site.silver.account.email, SYSTEM)
    assert http.get("/account").status_code == 401
    assert give_password(site, http).headers["location"] == "/"


def test_sessions_of_others_are_not_ended(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    with site.client() as other, site.client() as stranger:
        signed_in(site, other)
        operator_signed_in(site, stranger)
        (path,) = re.findall(r'action="(/account/log-in/sessions/\w+/end)"', http.get(PAGE).text)
        form = form_of(http.get(PAGE), path)
        never = f"{PAGE}/sessions/{operators_session(site)}/end"
        assert http.post(never, data=form, headers=HERE).status_code == 403, "a form of another path"
        assert http.post(path, data=form, headers=HERE).status_code == 303
        assert other.get("/account").status_code == 401
        signed_in(site, other)
        end = f"{PAGE}/sessions/end-others"
        assert http.post(end, data=form_of(http.get(PAGE), end), headers=HERE).status_code == 303
        assert [one.get(PAGE).status_code for one in (http, other, stranger)] == [200, 401, 200]


def operators_session(site: Site) -> str:
    with site.instance.catalog.read() as connection:
        return str(connection.exec_driver_sql("SELECT id FROM sessions WHERE account_id IS NULL").scalar())


FORGED: tuple[dict[str, str], ...] = (
    {"X-Forwarded-For": "203.0.113.5"},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-For": "203.0.113.5, 127.0.0.1"},
    {"X-Real-IP": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1"},
)


@pytest.mark.parametrize("outside", FORGED, ids=str)
def test_an_operator_from_outside_needs_more_than_a_password(
    site: Site, http: httpx.Client, outside: dict[str, str]
) -> None:
    operator_signed_in(site, http)
    sent = http.get("/operator", headers=outside)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{PAGE}?needed=1"), "by a link he may set one up"
    assert "came from outside the machine" in http.get(sent.headers["location"], headers=outside).text
    fields = form_of(http.get("/account/password"), "/account/password") | {"new": GOOD, "again": GOOD}
    assert http.post("/account/password", data=fields, headers=HERE).status_code == 303
    given = {"email": "rui@example.org", "password": GOOD}
    with site.client() as other:
        refused = other.post("/login", data=given, headers=HERE | outside)
        assert (refused.status_code, "holdfast operator link" in refused.text) == (403, True)
        assert "set-cookie" not in refused.headers
        assert other.post("/login", data=given, headers=HERE).headers["location"] == "/operator", "on the machine"
        for path in ("/operator", PAGE, SET_UP, "/account/password", "/operator/audit"):
            answer = other.get(path, headers=outside)
            assert (answer.status_code, "an operator needs" in answer.text) == (403, True), path
    app = set_up(site, http)
    assert http.get("/operator", headers=outside).status_code == 200
    with site.client() as other:
        assert other.post("/login", data=given, headers=HERE | outside).headers["location"] == STEP
        code = form_of(other.get(STEP), STEP) | {"code": app.unused()}
        assert other.post(STEP, data=code, headers=HERE | outside).headers["location"] == "/operator"
        assert other.get("/operator", headers=outside).status_code == 200


def test_a_link_of_the_host_asks_for_no_code_and_elevates_nobody(site: Site, http: httpx.Client, app: App) -> None:
    assert http.get(link(site), headers=OPENED).status_code == 303
    assert http.get("/elevate").status_code == 200
