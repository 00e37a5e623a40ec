"""Paths as text: in warnings, errors, logs, the API and the command line.

A path that is valid UTF-8 is shown as it is. In any other, each byte that is not part of a valid UTF-8 sequence is
shown as `%XX`, and `%` as `%25`. `service/registry/paths.py` reads a path back: it takes the text first as it stands,
then with its escapes undone, so a path that was shown is found again.
"""

from __future__ import annotations


def shown(path: bytes) -> str:
    """Return the path as text, by the rule above."""
    try:
        return path.decode()
    except UnicodeDecodeError:
        text = path.replace(b"%", b"%25").decode(errors="surrogateescape")
        return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in text)
