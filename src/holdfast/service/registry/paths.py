"""Convert paths that a customer gives to the bytes in a manifest."""

from __future__ import annotations

import re

from holdfast.service.errors import Invalid

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def paths_of(text: str) -> list[bytes]:
    """The paths that a text may mean, the likelier first. Raises Invalid (PATH)."""
    whole = text.encode(errors="surrogateescape").strip(b"/")
    parts = whole.split(b"/") if whole else []
    if any(part in (b"", b".", b"..") for part in parts) or b"\0" in whole:
        raise Invalid("path", f"{text!r} is not a path inside a backup; write it as the list of files shows it.")
    undone = b"".join(
        bytes([int(piece, 16)]) if n % 2 else piece.encode(errors="surrogateescape")
        for n, piece in enumerate(_ESCAPE.split(text.strip("/")))
    )
    return [whole] if undone == whole else [whole, undone]
