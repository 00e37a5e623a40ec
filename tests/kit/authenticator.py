"""An authenticator made in Python: it makes passkeys, and answers as one that is told to lie about anything."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import encode_cbor

PRESENT, VERIFIED, MADE = 0x01, 0x04, 0x40


def text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def content(shown: str) -> bytes:
    return base64.urlsafe_b64decode(shown + "=" * (-len(shown) % 4))


@dataclass
class Authenticator:
    """One passkey (ES256). What a call is given besides the options is the lie that it tells."""

    origin: str
    host: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: str = ""
    count: int = 0

    def made(self, options: dict[str, Any], **lies: Any) -> str:
        """Make the passkey, as `navigator.credentials.create` answers."""
        self.handle = options["user"]["id"]
        point = self.key.public_key().public_numbers()
        public = {
            1: 2,
            3: lies.pop("algorithm", -7),
            -1: 1,
            -2: point.x.to_bytes(32, "big"),
            -3: point.y.to_bytes(32, "big"),
        }
        part = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + encode_cbor(public)
        form, statement = lies.pop("format", "none"), lies.pop("statement", {})
        data = self._data(MADE | lies.pop("flags", PRESENT | VERIFIED), lies) + part
        client = self._client("webauthn.create", options, lies)
        assert not lies, lies
        attested = encode_cbor({"fmt": form, "attStmt": statement, "authData": data})
        response = {"clientDataJSON": text(client), "attestationObject": text(attested), "transports": ["internal"]}
        return self._answer(response)

    def proved(self, options: dict[str, Any], **lies: Any) -> str:
        """Answer a challenge, as `navigator.credentials.get` does."""
        self.count = lies.pop("count", self.count + 1)
        data = self._data(lies.pop("flags", PRESENT | VERIFIED), lies)
        client = self._client("webauthn.get", options, lies)
        key, handle = lies.pop("signer", self.key), lies.pop("handle", self.handle)
        assert not lies, lies
        signature = key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(signature)}
        return self._answer(response | ({} if handle is None else {"userHandle": handle}))

    def _data(self, flags: int, lies: dict[str, Any]) -> bytes:
        host = lies.pop("host", self.host)
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, options: dict[str, Any], lies: dict[str, Any]) -> bytes:
        told = {
            "type": lies.pop("type", kind),
            "challenge": lies.pop("challenge", options["challenge"]),
            "origin": lies.pop("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(told).encode()

    def _answer(self, response: dict[str, Any]) -> str:
        name = text(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
