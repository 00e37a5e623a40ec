"""Hosts that hand people over, in the configuration: `[[sign_in.hand_over]]`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Annotated

import msgspec

_DER_OF_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""The start of a public key of Ed25519 as DER (RFC 8410); its 32 bytes follow."""
_KEY_BYTES = 32
_ARMOUR = re.compile(r"-----(BEGIN|END) PUBLIC KEY-----")


class ConfiguredHandOver(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A host that signs tokens. `public_key`: of Ed25519, as PEM or its base64. One issuer may have several."""

    issuer: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    public_key: Annotated[str, msgspec.Meta(max_length=1000)]

    @property
    def key(self) -> bytes:
        """The 32 bytes of the public key. Raises ValueError."""
        text = "".join(_ARMOUR.sub("", self.public_key).split())
        try:
            der = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            der = b""
        key = der.removeprefix(_DER_OF_ED25519)
        if len(key) != _KEY_BYTES:
            raise ValueError(
                f"public_key of the hand-over by {self.issuer!r} must be a public key of Ed25519, as "
                "`openssl pkey -in KEY -pubout` prints it."
            )
        return key


def check_hand_over(hosts: Sequence[ConfiguredHandOver]) -> None:
    """Raise ValueError, with a sentence that names the setting, for a key that is none."""
    for host in hosts:
        _ = host.key
