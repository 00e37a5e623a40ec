"""The ceremonies of passkeys (WebAuthn Level 3): the options that a browser gets, and what its authenticator answers.

A challenge carries its end, and a tag by the master key that ties it to one browser and one purpose: nothing is stored
before it is answered, so nobody fills the catalog by opening pages. It must never take an answer for another site,
purpose or browser, or one for which the authenticator did not ask who is there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from holdfast.catalog.people.passkeys import Answered
from holdfast.catalog.people.records import Passkey, Person
from holdfast.service.errors import PasskeyRefused
from holdfast.service.instance.home import Instance
from holdfast.units import MINUTE_NS

CHALLENGE_NS = 5 * MINUTE_NS
ANSWER_CHARACTERS_MAX = 20_000
CREDENTIAL_ID_BYTES_MAX = 1023
TIMEOUT_MS = 300_000

_ALGORITHMS = (-8, -7, -257)
"""COSE's names of EdDSA, ES256 and RS256, which all authenticators of today have one of."""
_FORMATS = ("none", "packed")
"""Attestations that are looked at; none is asked for, and `packed` is what an authenticator may sign by itself."""
_TRANSPORTS = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})
_NONCE_BYTES, _TIME_BYTES, _TAG_BYTES = 16, 8, 32


class Purpose(StrEnum):
    """The reason for which an authenticator is asked."""

    SIGN_IN = "sign in"
    ELEVATE = "elevate"
    ADD = "add"


class Unfit(StrEnum):
    """The reason for which browsers offer no passkeys at the site's address."""

    IS_ADDRESS = "address"
    IS_PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Party:
    """The site, as authenticators know it. `host`: the relying party's id."""

    host: str
    origin: str


class Made(NamedTuple):
    """A passkey that an authenticator has made."""

    credential_id: bytes
    public_key: bytes
    transports: tuple[str, ...]
    answered: Answered


def party_of(base_url: str) -> Party | Unfit:
    """Return the site at a URL, or the reason for which it can have no passkeys."""
    parts = urlsplit(base_url)
    host, scheme = (parts.hostname or "").encode("idna").decode().lower(), parts.scheme.lower()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return Unfit.IS_ADDRESS
    if scheme != "https" and host != "localhost" and not host.endswith(".localhost"):
        return Unfit.IS_PLAIN
    port = parts.port if parts.port not in (None, {"https": 443, "http": 80}.get(scheme)) else None
    return Party(host, f"{scheme}://{host}" + (f":{port}" if port else ""))


def own_party(instance: Instance) -> Party:
    """Return the instance's site. Raises PasskeyRefused where it can have no passkeys."""
    found = party_of(instance.config.base_url)
    if isinstance(found, Unfit):
        raise PasskeyRefused("Browsers offer no passkeys at the address of this site.")
    return found


def new_challenge(instance: Instance, purpose: Purpose, browser: str) -> bytes:
    """Return a challenge for a browser. `browser`: the token in its cookie."""
    ends_at = instance.clock.now_ns() + CHALLENGE_NS
    carried = secrets.token_bytes(_NONCE_BYTES) + ends_at.to_bytes(_TIME_BYTES, "big")
    return carried + _tag(instance, purpose, browser, carried)


def _tag(instance: Instance, purpose: Purpose, browser: str, carried: bytes) -> bytes:
    return instance.master_key.tag(carried + browser.encode(), f"passkey challenge:{purpose}")


def _end_of(instance: Instance, purpose: Purpose, browser: str, challenge: bytes) -> int:
    """Return the end of a challenge. Raises PasskeyRefused unless it was made for this browser and purpose."""
    carried, tag = challenge[: _NONCE_BYTES + _TIME_BYTES], challenge[_NONCE_BYTES + _TIME_BYTES :]
    ends_at = int.from_bytes(carried[_NONCE_BYTES:], "big")
    if not hmac.compare_digest(tag, _tag(instance, purpose, browser, carried)):
        raise PasskeyRefused("This answer is of another browser, or of another page; try again.")
    if ends_at <= instance.clock.now_ns():
        raise PasskeyRefused("It took more than five minutes; try again.")
    return ends_at


def options_to_add(instance: Instance, person: Person, known: Iterable[Passkey], browser: str) -> bytes:
    """Return the options by which a browser makes a passkey, as JSON. `known`: those that its person has."""
    party = own_party(instance)
    return msgspec.json.encode(
        {
            "rp": {"id": party.host, "name": "Holdfast"},
            "user": {
                "id": _text(person.id.encode()),
                "name": person.email,
                "displayName": person.name or person.email,
            },
            "challenge": _text(new_challenge(instance, Purpose.ADD, browser)),
            "pubKeyCredParams": [{"type": "public-key", "alg": one} for one in _ALGORITHMS],
            "timeout": TIMEOUT_MS,
            "excludeCredentials": _described(known, party),
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "required",
            },
            "attestation": "none",
        }
    )


def options_to_prove(instance: Instance, purpose: Purpose, known: Iterable[Passkey], browser: str) -> bytes:
    """Return the options by which a browser asks for a passkey, as JSON. `known`: those that may answer; () for any."""
    party = own_party(instance)
    return msgspec.json.encode(
        {
            "challenge": _text(new_challenge(instance, purpose, browser)),
            "timeout": TIMEOUT_MS,
            "rpId": party.host,
            "allowCredentials": _described(known, party),
            "userVerification": "required",
        }
    )


def _described(known: Iterable[Passkey], party: Party) -> list[dict[str, Any]]:
    return [
        {"type": "public-key", "id": _text(one.credential_id), "transports": one.transports or ()}
        for one in known
        if one.host == party.host
    ]


def credential_in(answer: str) -> tuple[dict[str, Any], bytes]:
    """Return an answer as its browser gave it, and the id of the credential in it. Raises PasskeyRefused."""
    try:
        found = msgspec.json.decode(answer, type=dict[str, Any]) if len(answer) <= ANSWER_CHARACTERS_MAX else {}
        credential_id, response = _bytes(found["id"]), found["response"]
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, ValueError, TypeError):
        raise _unreadable() from None
    if not isinstance(response, dict) or not 0 < len(credential_id) <= CREDENTIAL_ID_BYTES_MAX:
        raise _unreadable()
    return found, credential_id


def _challenge_in(answer: dict[str, Any]) -> bytes:
    try:
        client = msgspec.json.decode(_bytes(answer["response"]["clientDataJSON"]), type=dict[str, Any])
        return _bytes(client["challenge"])
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, ValueError, TypeError):
        raise _unreadable() from None


def made(instance: Instance, answer: dict[str, Any], browser: str) -> Made:
    """Return the passkey that an authenticator has made for this site and browser. Raises PasskeyRefused."""
    party, challenge = own_party(instance), _challenge_in(answer)
    ends_at = _end_of(instance, Purpose.ADD, browser, challenge)
    import webauthn  # half a second, for which no start of the server waits
    from webauthn.helpers import parse_attestation_object
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    try:
        statement = parse_attestation_object(_bytes(answer["response"]["attestationObject"]))
        if statement.fmt not in _FORMATS:
            raise ValueError(f"its attestation has the form {str(statement.fmt)[:20]!r}")
        verified = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(one) for one in _ALGORITHMS],
        )
        listed = answer["response"].get("transports")
        transports = tuple(one for one in listed if one in _TRANSPORTS) if isinstance(listed, list) else ()
    except Exception as error:  # a made-up answer makes the parsers raise whatever they like
        raise _unproved(error) from error
    if len(verified.credential_id) > CREDENTIAL_ID_BYTES_MAX:
        raise _unreadable()
    answered = Answered(hashlib.sha256(challenge).digest(), ends_at, verified.sign_count)
    return Made(verified.credential_id, verified.credential_public_key, transports, answered)


def proved(instance: Instance, purpose: Purpose, passkey: Passkey, answer: dict[str, Any], browser: str) -> Answered:
    """Return the answer of a passkey that fits this site, browser and purpose. Raises PasskeyRefused.

    The authenticator's counter is left to whoever uses the answer up.
    """
    party, challenge = own_party(instance), _challenge_in(answer)
    ends_at = _end_of(instance, purpose, browser, challenge)
    import webauthn

    try:
        verified = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
        if verified.credential_id != passkey.credential_id:
            raise ValueError("it is of another credential")
        handle = answer["response"].get("userHandle")
        if (handle is not None or purpose is Purpose.SIGN_IN) and _bytes(handle) != passkey.person_id.encode():
            raise ValueError("the authenticator keeps it for somebody else")
    except Exception as error:  # as above
        raise _unproved(error) from error
    return Answered(hashlib.sha256(challenge).digest(), ends_at, verified.new_sign_count)


def _unreadable() -> PasskeyRefused:
    return PasskeyRefused("Your browser sent no answer of a passkey; try again, or take another browser.")


def _unproved(error: Exception) -> PasskeyRefused:
    refused = PasskeyRefused("The answer of this passkey does not fit this site; try again, or sign in another way.")
    refused.detail = f"An answer of a passkey was refused: {error}"[:300]
    return refused


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: Any) -> bytes:
    """Return what base64url without padding stands for. Raises ValueError, TypeError."""
    if not isinstance(text, str) or not text.isascii():
        raise TypeError("not base64url")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
