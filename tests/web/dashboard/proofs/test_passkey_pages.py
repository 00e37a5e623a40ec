"""Passkeys as a browser's script sends them: adding, signing in, elevating, removing, and made-up answers to each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import httpx
import msgspec
import pyotp
import pytest
from kit.authenticator import PRESENT, Authenticator, content, text
from kit.browser import HERE, OPERATOR_EMAIL, form_of, link, operator_signed_in, signed_in
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.people.passkeys import passkeys_of
from holdfast.catalog.people.passwords import credentials_by_email
from holdfast.catalog.records import SYSTEM, AuditEntry, AuditFilter
from holdfast.service.credentials import passkeys
from holdfast.service.credentials.ceremony import CHALLENGE_NS, Party, Unfit, party_of
from holdfast.service.credentials.password_links import make_password_link
from holdfast.service.credentials.second_factor import reset_second_factor
from holdfast.service.people.sign_in import make_sign_in_link
from holdfast.web.http.throttle import Throttle

GOOD = "seven rare otters sing"
HOST, ORIGIN = "backup.example.org", "https://backup.example.org"
PAGE, ADD, SIGN_IN, ELEVATE = "/account/log-in", "/account/log-in/passkeys", "/login/passkey", "/elevate/passkey"
OUTSIDE = {"X-Forwarded-For": "203.0.113.5"}


@pytest.fixture(autouse=True)
def named(site: Site, http: httpx.Client) -> None:
    """The site has a name and HTTPS, as behind a proxy."""
    Browser.http = http
    site.instance.config = msgspec.structs.replace(site.instance.config, base_url=ORIGIN)


class Browser:
    """A browser of somebody, with the cookies that a site over HTTPS gives."""

    http: ClassVar[httpx.Client]
    """The connections that all of them share."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookies: dict[str, str] = {}

    def send(self, method: str, path: str, data: dict[str, str] | None = None, **more: str) -> httpx.Response:
        headers = HERE | more | {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        self.http.cookies.clear()
        answer = self.http.request(method, path, data=data, headers=headers)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return answer

    def get(self, path: str, **more: str) -> httpx.Response:
        return self.send("GET", path, None, **more)

    def post(self, path: str, data: dict[str, str] | None = None, **more: str) -> httpx.Response:
        return self.send("POST", path, data or {}, **more)

    def open(self, url: str) -> None:
        path = url.removeprefix(ORIGIN)
        more = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}
        assert self.get(path, **more).status_code == 303

    def form(self, page: str, action: str) -> dict[str, str]:
        return script_form(self.get(page), action)

    def options(self, action: str, page: str = "") -> tuple[dict[str, str], dict[str, Any]]:
        """What the script asks for: the form's fields, and the options."""
        fields = self.form(page, action) if page else {}
        answer = self.post(f"{action}/options", fields)
        assert answer.status_code == 200, answer.text
        return fields, answer.json()

    def add(self, key: Authenticator, name: str = "phone", **lies: Any) -> httpx.Response:
        fields, options = self.options(ADD, PAGE)
        return self.post(ADD, fields | {"name": name, "credential": key.made(options, **lies)})

    def sign_in(
        self, key: Authenticator, to: str = "/", headers: Mapping[str, str] = MappingProxyType({}), **lies: Any
    ) -> httpx.Response:
        _, options = self.options(SIGN_IN)
        return self.post(SIGN_IN, {"credential": key.proved(options, **lies), "return_to": to}, **headers)

    def elevate(self, key: Authenticator, **lies: Any) -> httpx.Response:
        fields, options = self.options(ELEVATE, "/elevate")
        return self.post(ELEVATE, fields | {"credential": key.proved(options, **lies)})

    def remove(self, passkey_id: str) -> httpx.Response:
        path = f"{ADD}/{passkey_id}/remove"
        return self.post(path, form_of(self.get(PAGE), path))


def script_form(page: httpx.Response, action: str) -> dict[str, str]:
    """The hidden fields of a form that a passkey sends."""
    found = page.text.replace(f'action="{action}" data-passkey="', f'action="{action}"><i "')
    return form_of(httpx.Response(200, text=found), action)


def authenticator() -> Authenticator:
    return Authenticator(ORIGIN, HOST)


@pytest.fixture
def browser(site: Site) -> Browser:
    """Of nobody."""
    return Browser(site)


@pytest.fixture
def owner(site: Site, browser: Browser) -> Browser:
    """Of the account's owner, who came by a link and has nothing else yet."""
    browser.open(link(site))
    return browser


@pytest.fixture
def key(owner: Browser) -> Authenticator:
    made = authenticator()
    assert owner.add(made).status_code == 303
    return made


def audit(site: Site, action: str) -> list[AuditEntry]:
    return list(entries(site.instance.catalog, AuditFilter(action=action), 20))


def person_id(site: Site, email: str | None = None) -> str:
    found = credentials_by_email(site.instance.catalog, email or site.silver.account.email)
    assert found is not None
    return found.person.id


def own(site: Site, email: str | None = None) -> list[passkeys.Passkey]:
    return passkeys_of(site.instance.catalog, person_id(site, email))


def set_password(browser: Browser, email: str, site: Site) -> None:
    """By a mailed link, which proves the address: it opens all accounts."""
    url = make_password_link(site.instance, email, SYSTEM).url
    fields = {"token": url.partition("token=")[2], "new": GOOD, "again": GOOD}
    assert browser.post("/forgot/new", fields).status_code == 200


def test_a_passkey_is_added_named_used_and_removed(site: Site, owner: Browser, key: Authenticator) -> None:
    shown = owner.get(PAGE).text
    assert ("phone" in shown, "not used yet" in shown, 'value="Passkey 2"' in shown) == (True, True, True)
    (mine,) = own(site)
    assert (mine.account_ids, mine.host) == ((site.silver.account.id,), HOST)
    path = f"{ADD}/{mine.id}/rename"
    form = form_of(owner.get(PAGE), path)
    assert owner.post(path, form | {"name": "x" * 101}).status_code == 400
    assert owner.post(path, form | {"name": " new  phone "}).status_code == 303
    stranger = Browser(site)
    to = f"/apps/{site.app.id}"
    login = stranger.get("/login")
    assert login.text.index("Sign in with a passkey") < login.text.index('name="password"')
    assert 'autocomplete="username webauthn"' in login.text
    done = stranger.sign_in(key, to)
    assert (done.status_code, done.headers["location"], stranger.get(to).status_code) == (303, to, 200)
    assert set(stranger.cookies) == {"__Host-holdfast"}, "the one of the challenge is gone"
    assert stranger.get("/elevate").status_code == 303, "it is elevated: who he is was asked just now"
    assert "last used" in stranger.get(PAGE).text
    assert stranger.remove(mine.id).status_code == 409, "nothing else opens the account"
    other = authenticator()
    assert stranger.add(other, "laptop").status_code == 303
    third = Browser(site)
    third.sign_in(key)
    assert owner.remove(mine.id).status_code == 303
    assert [one.get(PAGE).status_code for one in (owner, stranger, third)] == [200, 401, 401]
    refused = Browser(site).sign_in(key)
    assert (refused.status_code, "is not known here" in refused.text) == (401, True)
    assert [one.name for one in own(site)] == ["laptop"]
    assert [one.action for one in audit(site, "passkey.")] == [
        *("passkey.removed", "passkey.added", "passkey.renamed", "passkey.added"),
    ]
    assert audit(site, "session.created")[0].data["by"] == "passkey"


LIES: dict[str, dict[str, Any]] = {
    "another site": {"origin": "https://backup.example.com"},
    "a page of another scheme": {"origin": "http://backup.example.org"},
    "another relying party": {"host": "example.org"},
    "a challenge of its own": {"challenge": text(bytes(56))},
    "a short challenge": {"challenge": text(b"x")},
    "no challenge": {"challenge": ""},
    "another ceremony": {"type": "webauthn.get"},
    "nobody was asked": {"flags": PRESENT},
    "nobody was there": {"flags": 0},
}


UNASKED: tuple[dict[str, Any], ...] = (
    *({"format": "tpm"}, {"format": "packed"}, {"format": "none", "statement": {"sig": b"x"}}, {"algorithm": -65535}),
)


def test_a_lie_adds_nothing(site: Site, owner: Browser) -> None:
    for lies in (*LIES.values(), *UNASKED):
        refused = owner.add(authenticator(), **lies)
        assert (refused.status_code, 'role="alert"' in refused.text) == (401, True), lies
    assert own(site) == []


def test_a_lie_signs_nobody_in_and_elevates_nobody(site: Site, owner: Browser, key: Authenticator) -> None:
    by_link = Browser(site)
    by_link.open(link(site))
    for lies in LIES.values():
        told = lies | ({"type": "webauthn.create"} if "type" in lies else {})
        stranger = Browser(site)
        refused = stranger.sign_in(key, **told)
        assert (refused.status_code, 'role="alert"' in refused.text) == (401, True), lies
        assert "__Host-holdfast" not in stranger.cookies
        assert by_link.elevate(key, **told).status_code == 401
        assert by_link.get("/elevate").status_code == 200
    assert [audit(site, f"{what}.failed")[0].data["by"] for what in ("log_in", "elevation")] == ["passkey"] * 2
    assert audit(site, "elevation.failed")[0].account_id == site.silver.account.id
    assert stranger.sign_in(key).status_code == 303, "and the truth does"


def test_another_key_or_somebody_elses_credential_signs_nobody_in(
    site: Site, owner: Browser, key: Authenticator
) -> None:
    theirs = Browser(site)
    theirs.open(link(site, email="eva@example.org", rights="read"))
    hers = authenticator()
    theirs.add(hers)
    stranger = Browser(site)
    assert stranger.sign_in(key, signer=hers.key).status_code == 401, "signed by another key"
    assert stranger.sign_in(key, handle=hers.handle).status_code == 401, "kept for somebody else"
    assert stranger.sign_in(key, handle=None).status_code == 401, "kept for nobody"
    hers.credential_id, before = key.credential_id, hers.credential_id
    assert stranger.sign_in(hers).status_code == 401, "under another's id"
    assert theirs.add(hers).status_code == 409, "which nobody else can add"
    hers.credential_id = before
    mine = Browser(site)
    mine.open(link(site))
    refused = mine.elevate(hers)
    assert (refused.status_code, "is not yours" in refused.text) == (401, True)
    assert mine.get("/elevate").status_code == 200


def test_an_answer_counts_once_for_its_browser_purpose_and_five_minutes(
    site: Site, owner: Browser, key: Authenticator
) -> None:
    one, two = Browser(site), Browser(site)
    _, options = one.options(SIGN_IN)
    sent = {"credential": key.proved(options)}
    two.options(SIGN_IN)
    assert two.post(SIGN_IN, sent).status_code == 401, "another browser's"
    assert Browser(site).post(SIGN_IN, sent).status_code == 401, "one without a cookie"
    cookies = dict(one.cookies)
    assert one.post(SIGN_IN, sent).status_code == 303
    one.cookies = cookies
    again = one.post(SIGN_IN, sent)
    assert (again.status_code, "was sent before" in again.text) == (401, True)
    assert audit(site, "passkey.refused")[0].data["why"] == "replay"
    by_link = Browser(site)
    by_link.open(link(site))
    fields, _ = by_link.options(ELEVATE, "/elevate")
    assert by_link.post(ELEVATE, fields | {"credential": key.proved(options)}).status_code == 401, "of signing in"
    fields, elevating = by_link.options(ELEVATE, "/elevate")
    assert [content(shown["id"]) for shown in elevating["allowCredentials"]] == [key.credential_id]
    _, late = two.options(SIGN_IN)
    site.instance.clock = _Later(site.instance.clock.now_ns())
    refused = two.post(SIGN_IN, {"credential": key.proved(late)})
    assert (refused.status_code, "more than five minutes" in refused.text) == (401, True)


class _Later:
    """A clock that is five minutes ahead."""

    def __init__(self, now_ns: int) -> None:
        self._at = now_ns + CHALLENGE_NS

    def now_ns(self) -> int:
        return self._at

    def monotonic(self) -> float:
        return 0.0


def test_a_counter_that_goes_back_is_refused(site: Site, owner: Browser, key: Authenticator) -> None:
    stranger = Browser(site)
    assert stranger.sign_in(key, count=7).status_code == 303
    for count in (7, 6, 0):
        refused = Browser(site).sign_in(key, count=count)
        assert (refused.status_code, "there may be a copy" in refused.text) == (401, True), count
    noted = audit(site, "passkey.refused")
    assert [(one.data["why"], one.data["name"]) for one in noted] == [("counter", "phone")] * 3
    assert Browser(site).sign_in(key, count=8).status_code == 303
    synced = authenticator()
    owner.add(synced, "synced")
    assert [Browser(site).sign_in(synced, count=0).status_code for _ in range(2)] == [303, 303], "it counts nothing"


HOSTILE = (
    *("", "x", "{}", "[]", "null", '{"id": 1}', '{"id": "AA", "response": 1}', '{"id": "AA", "response": {}}'),
    *('{"id": "\\ud800", "response": {}}', '{"id": "AA", "response": {"clientDataJSON": "AA"}}', "[" * 10_000),
    '{"id": "' + "A" * 2000 + '", "response": {}}',
    '{"a":' * 3000 + "1" + "}" * 3000,
)


def test_made_up_bodies_are_refused(site: Site, owner: Browser) -> None:
    fields, stranger = owner.form(PAGE, ADD), Browser(site)
    for body in HOSTILE:
        assert stranger.post(SIGN_IN, {"credential": body}).status_code == 401, body[:50]
        assert owner.post(ADD, fields | {"name": "x", "credential": body}).status_code == 401, body[:50]


def test_hostile_parts_of_an_answer_are_refused(site: Site, owner: Browser, key: Authenticator) -> None:
    def spoiled(answer: str, part: str, value: Any) -> str:
        found = json.loads(answer)
        found["response"][part] = value
        return json.dumps(found)

    values: tuple[Any, ...] = (
        "",
        "x",
        "!!",
        7,
        None,
        [],
        {},
        text(b"\x9f" * 5000),
        text(b"\xbf" + b"\x61a" * 400),
        text(bytes(37)),
    )
    for value in values:
        for part in ("authenticatorData", "signature"):
            stranger = Browser(site)
            _, options = stranger.options(SIGN_IN)
            answer = spoiled(key.proved(options), part, value)
            assert stranger.post(SIGN_IN, {"credential": answer}).status_code == 401, (part, value)
        site.front.context.log_in_throttle = Throttle(burst=100, per_second=1)
        fields, options = owner.options(ADD, PAGE)
        answer = spoiled(authenticator().made(options), "attestationObject", value)
        assert owner.post(ADD, fields | {"name": "x", "credential": answer}).status_code == 401, value
    assert len(own(site)) == 1


def test_what_another_site_or_nobody_sends_is_refused(site: Site, owner: Browser, key: Authenticator) -> None:
    (mine,) = own(site)
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    for path in (SIGN_IN, f"{SIGN_IN}/options", ADD, f"{ADD}/options", ELEVATE, f"{ELEVATE}/options"):
        assert owner.post(path, owner.form(PAGE, ADD), **elsewhere).status_code == 403, path
    for path in (ADD, f"{ADD}/options", ELEVATE, f"{ELEVATE}/options", f"{ADD}/{mine.id}/remove"):
        assert owner.post(path, {}).status_code == 403, f"{path}: without the form's token"
        assert Browser(site).post(path, {}).status_code == 401, f"{path}: by nobody"


def test_adding_and_removing_need_an_elevated_session(site: Site, owner: Browser, key: Authenticator) -> None:
    by_link = Browser(site)
    by_link.open(link(site))
    (mine,) = own(site)
    form = by_link.form(PAGE, ADD)
    for path in (ADD, f"{ADD}/options"):
        assert by_link.post(path, form).headers["location"] == f"/elevate?return_to={PAGE}"
    assert by_link.remove(mine.id).headers["location"] == f"/elevate?return_to={PAGE}"
    assert by_link.elevate(key).status_code == 303
    assert by_link.add(authenticator(), "laptop").status_code == 303
    assert by_link.remove(mine.id).status_code == 303
    assert audit(site, "session.elevated")[0].data["by"] == "passkey"


def test_there_are_at_most_twenty(site: Site, owner: Browser, key: Authenticator) -> None:
    for number in range(1, passkeys.PASSKEYS_MAX):
        with site.instance.catalog.write() as connection:
            connection.exec_driver_sql(
                "INSERT INTO passkeys SELECT ?, person_id, ?, public_key, 0, transports, host, name, account_ids, "
                "created_at, NULL FROM passkeys LIMIT 1",
                (f"{number:032x}", bytes([number])),
            )
    refused = owner.add(authenticator())
    assert (refused.status_code, "20 passkeys" in refused.text) == (409, True)


def test_of_other_accounts_they_are_neither_seen_nor_opened(site: Site, owner: Browser, key: Authenticator) -> None:
    """An inviter adds one under the address that he invited: it opens his account alone, and elevates nowhere else."""
    email = site.silver.account.email
    elsewhere = Browser(site)
    elsewhere.open(make_sign_in_link(site.instance, site.other.account, SYSTEM, email=email, rights="read").url)
    (mine,) = own(site)
    assert "phone" not in elsewhere.get(PAGE).text
    with site.instance.catalog.read() as connection:
        sessions = connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar()
    assert sessions == 2
    assert owner.get(f"/apps/{site.other_app.id}").status_code == 404
    set_password(Browser(site), email, site)
    assert own(site) == [], "whoever proves that the address is his gets rid of what others may have added"
    assert Browser(site).sign_in(key).status_code == 401
    assert mine.account_ids == (site.silver.account.id,)


def test_no_code_is_asked_for_after_a_passkey_but_after_the_password(site: Site, owner: Browser) -> None:
    set_password(Browser(site), site.silver.account.email, site)
    fields = {"email": site.silver.account.email, "password": GOOD}
    mine, phone = Browser(site), authenticator()
    assert mine.post("/login", fields).headers["location"] == "/"
    assert mine.add(phone).status_code == 303
    assert own(site)[0].account_ids is None, "it opens what the password does: all"
    path = f"{PAGE}/authenticator"
    shown = mine.get(path)
    secret = shown.text.partition('class="secret">')[2].partition("<")[0].replace(" ", "")
    code = pyotp.TOTP(secret).generate_otp(site.instance.clock.now_ns() // 30_000_000_000)
    assert mine.post(path, form_of(shown, path) | {"code": code}).status_code == 201
    assert Browser(site).post("/login", fields).headers["location"] == "/login/2fa"
    other = Browser(site)
    assert other.sign_in(phone).headers["location"] == "/"
    assert other.get("/account").status_code == 200
    assert other.get("/elevate").status_code == 303
    found = reset_second_factor(site.instance, site.silver.account.email, SYSTEM)
    assert (found.passkeys, found.has_password) == (1, True)
    assert (other.get("/account").status_code, Browser(site).sign_in(phone).status_code) == (401, 401)
    assert Browser(site).post("/login", fields).headers["location"] == "/"


def test_one_that_opens_less_than_the_password_does_not_elevate(site: Site, owner: Browser, key: Authenticator) -> None:
    with site.instance.catalog.write() as connection:
        values = (person_id(site), "x", json.dumps([site.silver.account.id, site.other.account.id]))
        connection.exec_driver_sql("INSERT INTO passwords VALUES (?, ?, ?, 0)", values)
    stranger = Browser(site)
    assert stranger.sign_in(key).status_code == 303
    asked = stranger.get("/elevate")
    assert (asked.status_code, "Prove it with a passkey" in asked.text) == (200, False)
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("DELETE FROM passwords")
    fields, options = stranger.options(ELEVATE, "/elevate")
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("INSERT INTO passwords VALUES (?, ?, ?, 0)", values)
    assert stranger.post(ELEVATE, fields | {"credential": key.proved(options)}).status_code == 401


def test_an_operator_comes_from_outside_by_a_passkey(site: Site, browser: Browser) -> None:
    with site.client() as http:
        site.instance.config = msgspec.structs.replace(site.instance.config, base_url=site.url)
        operator_signed_in(site, http)
        token = http.cookies["holdfast"]
    site.instance.config = msgspec.structs.replace(site.instance.config, base_url=ORIGIN)
    browser.cookies["__Host-holdfast"] = token
    assert browser.get("/operator", **OUTSIDE).headers["location"] == f"{PAGE}?needed=1"
    asked = browser.get(f"{PAGE}?needed=1", **OUTSIDE).text
    assert "Add a passkey or set an authenticator app up first" in asked
    phone = authenticator()
    assert browser.add(phone).status_code == 303
    assert browser.get("/operator", **OUTSIDE).status_code == 200, "the link was made on the machine"
    other = Browser(site)
    done = other.sign_in(phone, headers=OUTSIDE)
    assert (done.status_code, done.headers["location"]) == (303, "/operator")
    assert other.get("/operator", **OUTSIDE).status_code == 200
    assert other.get(PAGE, **OUTSIDE).status_code == 200
    (mine,) = own(site, OPERATOR_EMAIL)
    assert other.remove(mine.id).status_code == 409, "his last way in"
    reset_second_factor(site.instance, OPERATOR_EMAIL, SYSTEM)
    assert Browser(site).sign_in(phone, headers=OUTSIDE).status_code == 401


def test_who_has_several_accounts_chooses_among_those_that_the_passkey_opens(
    site: Site, owner: Browser, key: Authenticator
) -> None:
    email = site.silver.account.email
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO members VALUES (?, ?, ?, 'owner', NULL, 0)", ("m" * 32, site.other.account.id, person_id(site))
        )
    assert Browser(site).sign_in(key).headers["location"] == "/", "it opens one of them"
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE passkeys SET account_ids = NULL")
    stranger = Browser(site)
    assert stranger.sign_in(key).headers["location"] == "/login/account"
    shown = stranger.get("/login/account")
    assert (site.other.account.email in shown.text, email in shown.text) == (True, True)
    fields = form_of(shown, "/login/account") | {"account": site.other.account.id}
    assert stranger.post("/login/account", fields).status_code == 303
    assert stranger.get(f"/apps/{site.other_app.id}").status_code == 200
    assert stranger.get("/login/account").text.count(email) >= 1, "and back"


def test_guessing_is_bounded_by_address_and_locks_nobody_out(site: Site, owner: Browser, key: Authenticator) -> None:
    site.front.context.log_in_throttle = Throttle(burst=3, per_second=1e-6)
    codes = [Browser(site).post(SIGN_IN, {"credential": "{}"}).status_code for _ in range(4)]
    assert codes == [401, 401, 401, 429]
    site.front.context.log_in_throttle = Throttle(burst=3, per_second=1e-6)
    assert [Browser(site).sign_in(key).status_code for _ in range(5)] == [303] * 5, "right ones count nothing"


@pytest.mark.parametrize(
    ("url", "party"),
    [
        ("https://backup.example.com", Party("backup.example.com", "https://backup.example.com")),
        ("https://Backup.Example.com:443/", Party("backup.example.com", "https://backup.example.com")),
        ("https://backup.example.com:8443", Party("backup.example.com", "https://backup.example.com:8443")),
        ("https://bäckup.example", Party("xn--bckup-gra.example", "https://xn--bckup-gra.example")),
        ("http://localhost:8080", Party("localhost", "http://localhost:8080")),
        ("http://backup.example.com", Unfit.IS_PLAIN),
        ("http://127.0.0.1:8080", Unfit.IS_ADDRESS),
        ("https://192.0.2.7", Unfit.IS_ADDRESS),
        ("https://[2001:db8::1]:8443", Unfit.IS_ADDRESS),
    ],
)
def test_passkeys_need_a_name_and_https(url: str, party: Party | Unfit) -> None:
    assert party_of(url) == party


def test_where_there_can_be_none_a_sentence_says_why(site: Site, http: httpx.Client) -> None:
    site.instance.config = msgspec.structs.replace(site.instance.config, base_url=site.url)
    signed_in(site, http)
    for url, why in (("http://192.0.2.7", "an IP address"), ("http://a.example", "without HTTPS")):
        site.instance.config = msgspec.structs.replace(site.instance.config, base_url=url)
        shown = http.get(PAGE).text
        assert (why in shown, "data-passkey" in shown) == (True, False)
        with site.client() as other:
            assert "passkey" not in other.get("/login").text
            assert other.post(f"{SIGN_IN}/options", headers=HERE).status_code == 401
