"""Paths as people and the API see them."""

from __future__ import annotations


def text_of(path: bytes) -> str:
    """A path as text, by the rule above."""
    try:
        return path.decode()
    except UnicodeDecodeError:
        text = path.replace(b"%", b"%25").decode(errors="surrogateescape")
        return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in text)
