"""The secrets of people: the tokens of sign-in links, invitations and sessions, kept as their SHA-256 only."""

from __future__ import annotations

import hashlib
import re
import secrets

_SECRET_BYTES = 32
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """Return 32 random bytes as a URL and a cookie can hold them."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def is_token(text: str) -> bool:
    """True if a text has the form of a token."""
    return _FORM.fullmatch(text) is not None


def token_hash(token: str) -> bytes:
    """Return the hash under which a token is found. It is random, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()
